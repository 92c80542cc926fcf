"""Reopen, step by step over real files, with a stand-in for the signal: what is renamed, and when it is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import pytest

from standpipe.capture.follow_report import Report
from standpipe.capture.followed import Followed
from standpipe.capture.regular_file import open_regular
from standpipe.capture.reopen import Reopen
from standpipe.capture.source_map import SourceFile
from standpipe.journal import incidents
from standpipe.observe.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.vault.process import Reloader

AT = 1000
CONTENT = b'{"n":1}\n' * 200


class Signal:
    """How SIGHUP would reach Vault; `refusal` says why not."""

    def __init__(self) -> None:
        self.refusal = ""
        self.sent = 0

    def why_not(self) -> str:
        """Say what stands against it."""
        return self.refusal

    def why_not_now(self) -> str:
        """Say the same."""
        return self.refusal

    def reload(self) -> str:
        """Count."""
        self.sent += not self.refusal
        return self.refusal


class Scene:
    """One file that is followed to its end."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "audit.log"
        self.path.write_bytes(CONTENT)
        self.directory = directory
        self.now = 0.0
        self.signal = Signal()
        self._messages = os.open(directory / "messages", os.O_WRONLY | os.O_CREAT)
        self.incidents_path = str(directory / "incidents.jsonl")
        report = Report(self.incidents_path, Log("capture", self._messages), lambda: 0.0)
        self.reopen = Reopen(str(self.path), cast("Reloader", self.signal), report, lambda: self.now, AT)
        self.reopen.wanted = self.reopen.allowed = True
        file = open_regular(str(self.path), follow_symlink=True)
        assert file is not None
        self.current = Followed(file, SourceFile(file.inode, file.birth_time), len(CONTENT))
        self.reopen.follow(self.current)

    def steps(self, count: int = 1, seconds: float = 0.0) -> None:
        """Let it do some steps, each so long after the one before."""
        for _ in range(count):
            self.now += seconds
            self.reopen.step(self.current, len(CONTENT), line_open=False)

    def names(self) -> list[str]:
        """Return the audit logs' names."""
        return sorted(name for name in os.listdir(self.directory) if name.startswith("audit"))

    def kinds(self) -> list[object]:
        """Return the kinds of the incidents."""
        return [incident["kind"] for incident in incidents.read(self.incidents_path)]

    def said(self) -> str:
        """Return the messages."""
        return (self.directory / "messages").read_text()

    def close(self) -> None:
        """Close what is open."""
        self.current.file.close()
        os.close(self._messages)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Make a scene."""
    made = Scene(tmp_path)
    yield made
    made.close()


RENAMED = [f"audit.log.standpipe-{len(CONTENT):020d}"]


def test_rename_then_signal_then_wait(scene: Scene) -> None:
    """One thing a step; the signal is sent once."""
    scene.steps()
    assert (RENAMED, 0) == (scene.names(), scene.signal.sent)
    scene.steps(5)
    assert (RENAMED, 1) == (scene.names(), scene.signal.sent)


def test_the_name_is_given_back_where_vault_opens_no_new_file(scene: Scene) -> None:
    """After ten seconds; told, and not tried again for ten minutes."""
    scene.steps(3)
    scene.steps(1, 9.9)
    assert RENAMED == scene.names()
    scene.steps(1, 0.2)
    assert ["audit.log"] == scene.names()
    assert ["reclaim-stopped"] == scene.kinds()
    scene.steps(50, 10.0)
    assert (["audit.log"], 1) == (scene.names(), scene.signal.sent)
    scene.steps(1, 110.0)
    assert RENAMED == scene.names()


def test_nothing_is_renamed_while_the_signal_cannot_be_sent(scene: Scene) -> None:
    """A FIFO of Vault's is full, say; that is told only once it lasts."""
    scene.signal.refusal = "a FIFO is full"
    scene.steps(3, 1.0)
    assert (["audit.log"], []) == (scene.names(), scene.kinds())
    scene.steps(3, 11.0)
    assert (["audit.log"], ["reclaim-stopped"]) == (scene.names(), scene.kinds())
    scene.signal.refusal = ""
    scene.steps(1, 11.0)
    scene.steps()
    assert (RENAMED, 1) == (scene.names(), scene.signal.sent)


def test_a_signal_that_fails_after_the_rename_does_not_leave_the_log_without_its_name(scene: Scene) -> None:
    """The name is given back after ten seconds of refusals, too."""
    scene.steps()
    scene.signal.refusal = "a FIFO is full"
    scene.steps(4, 3.0)
    assert ["audit.log"] == scene.names()


def test_a_renamed_file_that_somebody_removes(scene: Scene) -> None:
    """It cannot get its name back; it is told, and followed on through the open descriptor."""
    scene.steps(2)
    (scene.directory / RENAMED[0]).unlink()
    scene.steps(2, 11.0)
    assert ["reclaim-stopped"] == scene.kinds()
    assert len(CONTENT) == scene.current.file.size


def test_a_hard_link_is_never_renamed(scene: Scene) -> None:
    """The other name may have a reader."""
    os.link(scene.path, scene.directory / "other")
    scene.steps(3)
    assert (["audit.log"], ["reclaim-stopped"]) == (scene.names(), scene.kinds())


def test_a_size_near_its_limit_is_told_early_and_begins_a_new_file(scene: Scene) -> None:
    """Also where holes are punched, which never makes the file's size smaller."""
    scene.reopen.wanted = False
    scene.current.seen_size = 10_000
    scene.reopen.max_apparent_size = 12_000
    scene.steps()
    assert (["audit.log"], "") == (scene.names(), scene.said())
    scene.current.seen_size = 10_500
    scene.steps(2)
    assert (RENAMED, 1) == (scene.names(), scene.signal.sent)
    assert 1 == scene.said().count("nears its limit")


def test_a_size_near_its_limit_is_only_told_where_nothing_may_be_renamed(scene: Scene) -> None:
    """`way: none` means it."""
    scene.reopen.wanted = scene.reopen.allowed = False
    scene.current.seen_size = 10_500
    scene.reopen.max_apparent_size = 12_000
    scene.steps(3)
    assert ["audit.log"] == scene.names()
    assert 1 == scene.said().count("nears its limit")
