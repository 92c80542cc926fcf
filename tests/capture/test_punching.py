"""Punching, driven as the syncer's thread drives it, over real files: only what is on the journal's disk goes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import pytest

from standpipe.capture.follow_report import Report
from standpipe.capture.punching import Punching
from standpipe.capture.regular_file import open_regular
from standpipe.capture.source_map import KEPT_BYTES, SourceFile, SourceMap
from standpipe.capture.source_store import SourceStore
from standpipe.capture.volume import real_size
from standpipe.journal import identity, incidents
from standpipe.journal.layout import Layout
from standpipe.observe.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.journal.syncer import Syncer

SIZE = 1 << 20
AT = 64 << 10


class Disk:
    """What punching asks of the syncer: how far the journal is on disk."""

    def __init__(self, safe_end: int) -> None:
        self.safe_end = safe_end
        self.synced = 0

    def make_safe(self) -> int:
        """Count, and return how far it is."""
        self.synced += 1
        return self.safe_end


class Scene:
    """A file, a journal that has its bytes, and a Punching that follows the file."""

    def __init__(self, directory: Path) -> None:
        self.content = b"".join(b'{"n":%010d}\n' % n for n in range(SIZE // 17 + 1))[:SIZE]
        self.path = directory / "audit.log"
        self.path.write_bytes(self.content)
        layout = Layout(str(directory / "journal"))
        identity.open_or_create(layout, "node", 0.0)
        (directory / "journal" / "segments" / f"{0:020d}.log").write_bytes(self.content)
        self._messages = os.open(directory / "messages", os.O_WRONLY | os.O_CREAT)
        report = Report(layout.incidents, Log("capture", self._messages), lambda: 0.0)
        self.incidents_path = layout.incidents
        store = SourceStore(layout.source, SourceMap(str(self.path), "boot", 0))
        self.punching = Punching(layout, store, report, AT)
        self.punching.active = True
        file = open_regular(str(self.path), follow_symlink=True)
        assert file is not None
        self.file = file
        known = SourceFile(file.inode, file.birth_time)
        known.pairs = [(0, 0)]
        self.punching.follow(file, known)
        self.punching.fenced_end = SIZE

    def step(self, disk: Disk) -> None:
        """Let the syncer's thread do one step."""
        self.punching.step(cast("Syncer", disk))

    def kinds(self) -> list[object]:
        """Return the kinds of the incidents."""
        return [incident["kind"] for incident in incidents.read(self.incidents_path)]

    def close(self) -> None:
        """Close what is open."""
        self.file.close()
        os.close(self._messages)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Make a scene."""
    made = Scene(tmp_path)
    yield made
    made.close()


def test_what_is_safe_is_given_back_and_the_newest_bytes_stay(scene: Scene) -> None:
    """The hole ends KEPT_BYTES before what is on the journal's disk; the size stays, and so does all after the hole."""
    scene.step(Disk(SIZE))
    after = scene.path.read_bytes()
    hole = SIZE - KEPT_BYTES
    assert bytes(hole) == after[:hole]
    assert scene.content[hole:] == after[hole:]
    assert real_size(os.stat(scene.path)) <= KEPT_BYTES + 4096
    assert [] == scene.kinds()


def test_what_is_not_on_disk_is_not_given_back(scene: Scene) -> None:
    """The hole ends before the last byte that the journal's disk has, wherever the journal's end is."""
    safe = SIZE // 2
    scene.step(Disk(safe))
    after = scene.path.read_bytes()
    hole = (safe - KEPT_BYTES) // 4096 * 4096
    assert bytes(hole) + scene.content[hole:] == after


def test_what_a_copy_in_progress_compares_is_not_given_back(scene: Scene) -> None:
    """The journal's disk may have more than the copy that began at `fenced_end` has looked back at: this stays."""
    fenced = SIZE // 2
    scene.punching.fenced_end = fenced
    scene.step(Disk(SIZE))
    hole = (fenced - KEPT_BYTES) // 4096 * 4096
    assert bytes(hole) + scene.content[hole:] == scene.path.read_bytes()


def test_little_is_not_worth_a_sync(scene: Scene) -> None:
    """Before `at` bytes can be given back the disk is left alone."""
    disk = Disk(SIZE)
    scene.punching.fenced_end = AT + KEPT_BYTES - 1
    scene.step(disk)
    assert (0, scene.content) == (disk.synced, scene.path.read_bytes())
    scene.punching.fenced_end += 1
    scene.step(disk)
    assert disk.synced == 1


def test_a_file_that_was_filled_anew_is_not_punched(scene: Scene) -> None:
    """Somebody truncated it, and Vault wrote past our position: these bytes are not in the journal."""
    new = b'{"new":true}\n' * (2 * SIZE // 13)
    with scene.path.open("r+b") as file:
        file.truncate(0)
        file.write(new)
    scene.step(Disk(SIZE))
    assert new == scene.path.read_bytes()


def test_a_hard_link_is_told_once_and_nothing_is_given_back(scene: Scene, tmp_path: Path) -> None:
    """The other name may have a reader."""
    os.link(scene.path, tmp_path / "other")
    for _ in range(3):
        scene.step(Disk(SIZE))
    assert scene.content == scene.path.read_bytes()
    assert ["reclaim-stopped"] == scene.kinds()


def test_the_time_of_the_last_write_stays(scene: Scene) -> None:
    """Generations are read in its order, and a punch is no write of Vault's."""
    os.utime(scene.path, ns=(1, 2_000_000_000))
    scene.step(Disk(SIZE))
    assert os.stat(scene.path).st_mtime_ns == 2_000_000_000
