from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from standpipe.capture import file_system
from standpipe.capture.file_checks import (
    look_at_reclaim,
    look_at_shared_volume,
    look_at_size,
    look_at_writers,
    reclaim_result,
    shared_volume_result,
    writers_result,
)
from standpipe.config_source import DEFAULT_RECLAIM
from tests.faults.volumes import tmpfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20
WRITER = """\
import sys
held = [open(sys.argv[1], "a") for _ in range(int(sys.argv[2]))]
print(flush=True)
for _ in sys.stdin:
    held.pop().close()
    print(flush=True)
"""


class Writer:
    """A process that has a file open for writing several times, and closes one descriptor when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def close_one(self) -> None:
        """Return when it has."""
        assert self._process.stdin is not None
        self._process.stdin.write("close\n")
        self._process.stdin.flush()
        self._answer()


@contextmanager
def writing(path: Path, times: int) -> Iterator[Writer]:
    """Let a process of its own have the file open."""
    words = [sys.executable, "-c", WRITER, str(path), str(times)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Writer(process)
        process.terminate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file with a hole of 10 MiB and a little data."""
    file = tmp_path / "audit.log"
    with file.open("wb") as opened:
        opened.seek(10 * MIB)
        opened.write(b"x" * 4096)
    return file


def test_a_files_sizes(path: Path) -> None:
    """Its length, what it takes, what its volume has left, and the file system's kind."""
    (result,) = look_at_size(str(path), DEFAULT_RECLAIM)
    assert result.state == "ok"
    assert result.found.startswith("10.0 MiB long, 4.0 KiB on the disk; ")
    assert result.found.endswith(f" free on its volume ({file_system.name_of(str(path))})")


def test_a_length_near_its_limit_is_told(path: Path) -> None:
    """Punching never makes it shorter; who wants nothing back has no limit."""
    near = replace(DEFAULT_RECLAIM, max_apparent_size_bytes=11 * MIB)
    states = [look_at_size(str(path), reclaim)[0].state for reclaim in (near, replace(near, way="none"))]
    assert ["warning", "ok"] == states


def test_a_volume_with_less_room_than_reclaim_waits_for_is_told(path: Path) -> None:
    """Vault's writes would fail before anything is given back."""
    (result,) = look_at_size(str(path), replace(DEFAULT_RECLAIM, at_bytes=1 << 60))
    assert result.state == "warning"
    assert "less than source.reclaim.at" in result.found


def test_of_a_file_that_is_not_there_or_is_none_nothing_is_said(tmp_path: Path) -> None:
    """The check of the source tells of it; which way would work for a file that is to come can be told."""
    directory, missing = str(tmp_path), str(tmp_path / "audit.log")
    for path in (directory, missing):
        assert [] == look_at_size(path, DEFAULT_RECLAIM)
        assert [] == look_at_writers(path, lambda: None)
    assert [] == look_at_reclaim(directory, DEFAULT_RECLAIM)
    assert [] == look_at_reclaim(f"{missing}/x", DEFAULT_RECLAIM)
    assert ["reclaim"] == [result.name for result in look_at_reclaim(missing, DEFAULT_RECLAIM)]


def test_auto_punches_where_it_can(path: Path) -> None:
    """The volume of the tests can; nothing is left beside the file, and the file is as it was."""
    before = (path.read_bytes(), path.stat().st_blocks)
    (result,) = look_at_reclaim(str(path), DEFAULT_RECLAIM)
    assert result.state == "ok"
    assert result.found.startswith("auto takes punch: the volume can punch holes. reopen: ")
    assert before == (path.read_bytes(), path.stat().st_blocks)
    assert ["audit.log"] == os.listdir(path.parent)


def test_a_second_name_is_a_failure(path: Path) -> None:
    """Its reader would find holes."""
    os.link(path, path.with_name("other"))
    (result,) = look_at_reclaim(str(path), DEFAULT_RECLAIM)
    assert result.state == "failed"
    assert "2 names" in result.found


def test_nothing_is_tried_where_nothing_is_wanted(path: Path) -> None:
    """Way none: a second name does not matter either."""
    os.link(path, path.with_name("other"))
    (result,) = look_at_reclaim(str(path), replace(DEFAULT_RECLAIM, way="none"))
    assert result.state == "ok"


P, R = "no holes", "no process"


@pytest.mark.parametrize(
    ("wish", "why_not_punch", "why_not_reopen", "state", "found"),
    [
        ("auto", "", "", "ok", "auto takes punch: the volume can punch holes. reopen: works here"),
        ("auto", "", R, "ok", f"auto takes punch: the volume can punch holes. reopen: {R}"),
        ("auto", P, "", "ok", f"auto takes reopen: SIGHUP reaches Vault. punch: {P}"),
        ("auto", P, R, "failed", f"punch: {P}. reopen: {R}"),
        ("punch", "", R, "ok", "punch was asked for: the volume can punch holes"),
        ("punch", P, "", "failed", f"punch was asked for. punch: {P}. reopen: works here"),
        ("reopen", "", "", "ok", "reopen was asked for: SIGHUP reaches Vault. punch: works here"),
        ("reopen", "", R, "failed", f"reopen was asked for. punch: works here. reopen: {R}"),
    ],
)
def test_ways(wish: str, why_not_punch: str, why_not_reopen: str, state: str, found: str) -> None:
    """What is taken, and why; both ways are told of; none at all, or not the one that was asked for, fails."""
    result = reclaim_result(wish, why_not_punch, why_not_reopen, 1)
    assert state == result.state
    assert found in result.found
    assert ("the file will fill its volume" in result.found) == (state == "failed")


def test_one_writer(path: Path) -> None:
    """Nobody, or one descriptor of one process; there is no second look, so no wait."""
    states = look_at_writers(str(path), pytest.fail)
    with writing(path, 1) as writer:
        states += look_at_writers(str(path), pytest.fail)
    assert ["ok", "ok"] == [result.state for result in states]
    assert f"process {writer.pid} alone" in states[1].found


def test_two_descriptors_that_stay_are_two_devices(path: Path) -> None:
    """Seen twice; the process is named."""
    with writing(path, 2) as writer:
        (result,) = look_at_writers(str(path), lambda: None)
    assert result.state == "warning"
    assert f"process {writer.pid} has it open for writing 2 times: two audit devices" in result.found


def test_a_second_descriptor_that_goes_is_no_second_device(path: Path) -> None:
    """OpenBao has two for a while after its start."""
    with writing(path, 2) as writer:
        (result,) = look_at_writers(str(path), writer.close_one)
    assert result.state == "ok"
    assert f"process {writer.pid} alone" in result.found


def test_two_processes_are_two_writers(path: Path) -> None:
    """Both are named; a reader is none."""
    with writing(path, 1) as one, writing(path, 1) as other:
        (result,) = look_at_writers(str(path), lambda: None)
    pids = ", ".join(map(str, sorted((one.pid, other.pid))))
    assert result.state == "warning"
    assert result.found.startswith(f"2 processes have it open for writing: {pids}")


def test_what_could_not_be_seen_is_said() -> None:
    """Nobody that we can see is not nobody."""
    assert writers_result([], complete=False).found.endswith("among the processes that we may look into")
    assert not writers_result([], complete=True).found.endswith("look into")


def test_one_volume(tmp_path: Path) -> None:
    """A full journal then stops Vault as well; a journal that is not there yet will be beside its parent."""
    (result,) = look_at_shared_volume(str(tmp_path / "audit.log"), str(tmp_path / "not" / "yet"))
    assert result.state == "warning"


def test_two_volumes(tmp_path: Path) -> None:
    """Nothing to say against it."""
    with tmpfs(tmp_path / "other", MIB) as volume:
        (result,) = look_at_shared_volume(str(tmp_path / "audit.log"), str(volume.path / "journal"))
        name = file_system.name_of(str(volume.path))
    assert ("ok", "tmpfs") == (result.state, name)


@pytest.mark.parametrize(("name", "told"), [("btrfs", True), ("XFS", True), ("ext4", False)])
def test_block_sharing_is_told_where_there_is_any(name: str, *, told: bool) -> None:
    """And that we make no use of it."""
    found = shared_volume_result(name).found
    assert told == (f"{name} can share blocks" in found)
    assert told == ("standpipe copies without sharing any" in found)


def test_an_unknown_file_system_has_a_number() -> None:
    """Proc's is 0x9fa0: linux/magic.h."""
    assert "type 0x9fa0" == file_system.name_of("/proc/self")
