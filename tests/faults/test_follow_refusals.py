"""What reclaim refuses, and capture without the hints of inotify."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.follow_rig import RECLAIM_AT, FileRig, content, data_start
from tests.faults.rig import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MUCH = content(1_000_000, 5000)  # more than reclaim-at
IN_MODIFY = 0x2  # sys/inotify.h
IN_Q_OVERFLOW = 0x4000
EVENT = struct.Struct("=iIII")
# A user namespace of its own, in which nobody may have an inotify instance: user_namespaces(7), /proc/sys/user
NO_INOTIFY = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
WITHOUT_INOTIFY = ["unshare", "--user", "--map-root-user", "sh", "-ec", NO_INOTIFY, "sh"]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[FileRig]:
    """Make a rig whose file and journal are beside each other."""
    (tmp_path / "audit").mkdir()
    with FileRig(tmp_path / "rig", tmp_path / "audit" / "audit.log", tmp_path / "journal") as made:
        yield made


@pytest.mark.parametrize("way", ["punch", "reopen"])
def test_a_file_with_two_names_is_captured_and_never_reclaimed(rig: FileRig, way: str) -> None:
    """A hard link may be somebody's copy: neither a hole nor a rename, an incident says why, and capture goes on."""
    rig.append(MUCH)
    other = rig.source.with_name("kept-by-somebody")
    other.hardlink_to(rig.source)
    writer = rig.write_file()
    capture = rig.capture(reclaim=way, signal_pid=str(writer.pid))
    rig.wait_for(writer, RECLAIM_AT)
    wait_until(rig.ours, "the refusal is told")
    expected = MUCH + writer.end()
    rig.wait_captured(expected)
    assert 0 == capture.stop()
    assert ["reclaim-stopped"] == rig.ours()
    assert "a hard link" in str(rig.detail("reclaim-stopped")["reason"])
    assert (expected, 0, 2) == (rig.source.read_bytes(), data_start(rig.source), rig.source.stat().st_nlink)
    assert sorted([rig.source.name, other.name]) == sorted(os.listdir(rig.source.parent))
    assert 0 == rig.verify()[0]


def arrives_piece_by_piece(rig: FileRig, expected: bytes) -> bytes:
    """Append records one by one, a rotation among them, each after the one before has arrived; return all."""
    for number in range(10):
        if number == 5:
            rig.source.rename(rig.source.with_name("audit.log.1"))
        piece = content(100 + number, 1)
        rig.append(piece)
        expected += piece
        rig.wait_captured(expected)
    return expected


def inotify_descriptors(pid: int) -> int:
    """Return how many inotify instances a process has."""
    names = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    return names.count("anon_inode:inotify")


def test_without_inotify_everything_arrives(rig: FileRig) -> None:
    """No instance is to be had: capture looks by itself, at the file and at what takes its place."""
    rig.source.touch()
    capture = rig.capture(before=WITHOUT_INOTIFY)
    arrives_piece_by_piece(rig, b"")
    assert 0 == inotify_descriptors(capture.pid)
    assert 0 == capture.stop()
    assert [] == rig.incidents()
    assert 0 == rig.verify()[0]


def overflows(watch: int) -> bool:
    """Tell whether an instance of our own lost events."""
    while True:
        try:
            data = os.read(watch, 1 << 20)
        except BlockingIOError:
            return False
        position = 0
        while position < len(data):
            _, mask, _, length = EVENT.unpack_from(data, position)
            if mask & IN_Q_OVERFLOW:
                return True
            position += EVENT.size + length


def flood(directory: Path) -> None:
    """Make more events in a directory than an unread instance keeps; with two files, or they would be merged."""
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    names = [directory / "one.tmp", directory / "two.tmp"]
    files = [os.open(name, os.O_WRONLY | os.O_CREAT, 0o600) for name in names]
    for _ in range(queue // 2 + 100):
        for file in files:
            os.pwrite(file, b"x", 0)
    for file in files:
        os.close(file)


def test_after_an_overflow_everything_arrives(rig: FileRig) -> None:
    """Events are lost, and the event for our file may be among them: the file is looked at all the same."""
    rig.source.touch()
    capture = rig.capture()
    expected = arrives_piece_by_piece(rig, b"")
    wait_until(lambda: inotify_descriptors(capture.pid) == 1, "capture waits for events")
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert libc.inotify_add_watch(watch, os.fsencode(rig.source.parent), IN_MODIFY) > 0
    os.kill(capture.pid, signal.SIGSTOP)
    try:
        flood(rig.source.parent)
        rig.append(MUCH)
        assert overflows(watch)  # ours was read by nobody either
    finally:
        os.kill(capture.pid, signal.SIGCONT)
        os.close(watch)
    rig.wait_captured(expected + MUCH)
    assert 0 == capture.stop()
    assert [] == rig.incidents()
    assert 0 == rig.verify()[0]
