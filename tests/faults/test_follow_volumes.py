"""The file source on the file systems that people have: exactly once, in little room, full, remounted, without holes.

The rule for the room: after each punch that the test sees, and at every other look at a capture that runs and has
caught up, audit.log takes at most reclaim-at + 2 MiB + twice what the writer writes during the longest fdatasync that
the test itself makes on the same volume at the same time: a punch waits for two, the journal's and the file's. Nothing
is measured in seconds, so a busy machine makes both sides larger.
"""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.volume import real_size
from tests.faults.follow_rig import RECLAIM_AT, FileRig, content, data_start, volume_of
from tests.faults.rig import wait_until
from tests.faults.test_volume_ways import OVERLAY, TMPFS, ramfs
from tests.faults.volumes import BTRFS, EXT4, MIB, XFS, Ballast, disk, make_image, mounted
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.file_writer import FileWriter
    from tests.faults.rig import Role
    from tests.faults.volumes import Volume

PUNCH, REOPEN = "punch", "reopen"
KINDS = [EXT4, XFS, BTRFS, TMPFS, OVERLAY]
SHORT_WAYS = [(EXT4, PUNCH), (XFS, REOPEN), (BTRFS, PUNCH), (TMPFS, REOPEN), (OVERLAY, PUNCH)]
WAYS = scale(SHORT_WAYS, [(kind, way) for kind in KINDS for way in (PUNCH, REOPEN)])
PAIRS = [(EXT4, XFS), (XFS, TMPFS), (BTRFS, EXT4), (TMPFS, BTRFS), (OVERLAY, EXT4)]  # of the source, of the journal
KILLS = scale(3, 30)
BYTES_BETWEEN = scale(2 * MIB, 4 * MIB)  # written between two kills, at most
SLACK_BYTES = 2 * MIB
METADATA_BYTES = 6 * MIB  # of a file system for some dozens of files; btrfs keeps its own twice
FULL = scale([(EXT4, 2), (TMPFS, 0)], [(kind, kills) for kind in (EXT4, TMPFS) for kills in (0, 2, 5)])
CAUGHT_UP_BYTES = 256 << 10


class Room:
    """Looks at how much room the file takes, while it is written, captured and given back."""

    def __init__(self, rig: FileRig, writer: FileWriter) -> None:
        """Begin. Our own fdatasyncs go to a file beside the source."""
        self._rig = rig
        self._writer = writer
        self._probe = os.open(rig.source.with_name("probe"), os.O_WRONLY | os.O_CREAT, 0o600)
        self._punched = 0
        self.synced_bytes = 0  # written by the writer during our longest fdatasync
        self.largest_bytes = 0  # that the file took
        self.punches = 0  # that were seen

    def close(self) -> None:
        """End."""
        os.close(self._probe)

    def look(self, *, caught_up: bool) -> None:
        """Sync a page of our own, and then look; a capture that was killed must have caught up before it is judged."""
        before = self._writer.written_bytes
        os.pwrite(self._probe, os.urandom(4096), 0)
        os.fdatasync(self._probe)
        self.synced_bytes = max(self.synced_bytes, self._writer.written_bytes - before)
        try:
            start, real = data_start(self._rig.source), real_size(self._rig.source.stat())
        except FileNotFoundError:
            return  # between rename and SIGHUP
        self.punches += start > self._punched
        self._punched = start
        if caught_up:
            self.largest_bytes = max(self.largest_bytes, real)

    @property
    def limit_bytes(self) -> int:
        """The rule, see the module."""
        return RECLAIM_AT + SLACK_BYTES + 2 * self.synced_bytes


def used_bytes(path: Path) -> int:
    """Return how many bytes of a volume are in use."""
    os.sync()
    status = os.statvfs(path)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def tree_bytes(path: Path) -> int:
    """Return how much room a directory's files take."""
    return sum(real_size(file.stat()) for file in path.rglob("*") if file.is_file())


def has_caught_up(rig: FileRig, writer: FileWriter) -> bool:
    """Tell whether nearly all is captured, and the file's old generations have gone."""
    return writer.written_bytes - rig.captured() < CAUGHT_UP_BYTES and not rig.generations()


def one_life(rig: FileRig, writer: FileWriter, room: Room, more_bytes: int, options: dict[str, str]) -> Role:
    """Let capture live: until it has caught up, and then while so many bytes are written; look all the time."""
    capture = rig.capture(**options)

    def is_over(wanted: int | None) -> bool:
        room.look(caught_up=wanted is not None)
        assert capture.alive(), capture.messages()
        if wanted is None:
            return has_caught_up(rig, writer) and real_size(rig.source.stat()) <= RECLAIM_AT + SLACK_BYTES
        return writer.written_bytes >= wanted

    wait_until(lambda: is_over(None), "capture has caught up and has given back what had gathered")
    wanted = writer.written_bytes + more_bytes
    wait_until(lambda: is_over(wanted), "the writer goes on")
    return capture


def run_with_kills(rig: FileRig, way: str) -> Room:
    """Write, capture, kill; return what was seen of the file's room. Everything is captured once."""
    random_numbers = random.Random(way)  # noqa: S311 - the same moments each time
    with ExitStack() as stack:
        writer = rig.write_file()
        wait_until(rig.source.exists, "the writer has made its file")
        room = Room(rig, writer)
        stack.callback(room.close)
        options = {"reclaim": way, "signal_pid": str(writer.pid)}
        for _ in range(KILLS):
            capture = one_life(rig, writer, room, random_numbers.randrange(BYTES_BETWEEN), options)
            capture.kill()
            rig.wait_for(writer, random_numbers.randrange(MIB))
        capture = one_life(rig, writer, room, 4 * RECLAIM_AT, options)
        expected = writer.end()
        rig.wait_captured(expected)
        wait_until(lambda: not rig.generations(), "what was renamed is unlinked")
        assert 0 == capture.stop()
    assert expected == rig.content()
    assert [] == rig.incidents()
    assert 0 == rig.verify()[0]
    assert room.largest_bytes <= room.limit_bytes
    return room


@pytest.mark.parametrize(("kind", "way"), WAYS)
def test_a_file_and_its_journal_on_one_volume(tmp_path: Path, kind: str, way: str) -> None:
    """Killed again and again under load: each record once, the file small, and only the journal has taken room."""
    with volume_of(kind, tmp_path) as volume:
        before = used_bytes(volume.path)
        rig = FileRig(tmp_path / "rig", volume.path / "audit.log", volume.path / "journal")
        with rig:
            room = run_with_kills(rig, way)
            assert way == REOPEN or room.punches > KILLS
            after = used_bytes(volume.path)
        journal_bytes = tree_bytes(rig.journal)
        assert journal_bytes > RECLAIM_AT * KILLS
        assert after - before <= journal_bytes + RECLAIM_AT + SLACK_BYTES + METADATA_BYTES


@pytest.mark.parametrize(("source", "journal"), scale([PAIRS[0], PAIRS[3]], PAIRS))
def test_a_file_and_its_journal_on_two_volumes(tmp_path: Path, source: str, journal: str) -> None:
    """The same from one volume to another; the file's volume has as much room as before."""
    with (
        volume_of(source, tmp_path, "source") as first,
        volume_of(journal, tmp_path, "journal") as second,
        FileRig(tmp_path / "rig", first.path / "audit.log", second.path / "journal") as rig,
    ):
        before = used_bytes(first.path)
        assert run_with_kills(rig, PUNCH).punches > KILLS
        assert used_bytes(first.path) - before <= RECLAIM_AT + SLACK_BYTES + METADATA_BYTES


# ---- Full volumes


def start_on_full_disk(rig: FileRig) -> Role:
    """Start capture, which either works and meets the full disk, or cannot recover the journal and ends."""
    capture = rig.start(*rig.capture_words())
    wait_until(lambda: "takes no more" in capture.messages() or not capture.alive(), "it meets the full disk")
    assert capture.alive() or "No space left" in capture.messages()
    return capture


def through_a_full_volume(rig: FileRig, full: Volume, kills: int, *, writer_fails: bool) -> None:
    """Fill a volume under load, kill capture on it, make room again: all that the file ever held is in the journal."""
    writer = rig.write_file()
    wait_until(rig.source.exists, "the writer has made its file")
    capture = rig.capture()
    rig.wait_for(writer, MIB)
    ballast = Ballast(full, MIB)
    if writer_fails:  # whichever of the two meets it first, it comes to the writer
        wait_until(lambda: writer.failures > 0, "the writer meets the full volume")
    else:
        capture.says("the journal takes no more")
    for _ in range(kills):
        capture.kill()
        capture = start_on_full_disk(rig)
    before = rig.content()
    rig.wait_for(writer, 0 if writer_fails else 2 * MIB)
    ballast.drop()
    if not capture.alive():
        capture = rig.capture()
    rig.wait_for(writer, MIB)
    expected = writer.end()
    rig.wait_captured(expected)
    assert expected.startswith(before)
    wait_until(lambda: data_start(rig.source) > 0, "space is given back again")
    assert 0 == capture.stop()
    assert expected == rig.content()
    assert {"disk-full", "disk-refused", "reclaim-stopped"} >= set(rig.ours())
    assert kills or writer_fails or "disk-full" in rig.ours()
    assert 0 == rig.verify()[0]


@pytest.mark.parametrize(("kind", "kills"), FULL)
def test_the_volume_of_the_journal_is_full(tmp_path: Path, kind: str, kills: int) -> None:
    """The file grows meanwhile, for it is the buffer; with room again everything arrives, and is given back."""
    with (
        volume_of(kind, tmp_path, "full", 96 * MIB) as full,
        FileRig(tmp_path / "rig", tmp_path / "audit.log", full.path / "journal") as rig,
    ):
        through_a_full_volume(rig, full, kills, writer_fails=False)


@pytest.mark.parametrize(("kind", "kills"), FULL)
def test_the_volume_of_both_is_full(tmp_path: Path, kind: str, kills: int) -> None:
    """The writer's own writes are torn as well: the journal has exactly what the file had, fragments and all."""
    with (
        volume_of(kind, tmp_path, "full", 96 * MIB) as full,
        FileRig(tmp_path / "rig", full.path / "audit.log", full.path / "journal") as rig,
    ):
        through_a_full_volume(rig, full, kills, writer_fails=True)


# ---- Mounted again


@pytest.mark.parametrize("kind", scale([EXT4, XFS], [EXT4, XFS, BTRFS]))
def test_a_volume_that_is_mounted_again(tmp_path: Path, kind: str) -> None:
    """File and journal come back under another device number, more than once: capture goes on by content."""
    image = tmp_path / "disk.img"
    make_image(image, kind, 96 * MIB)
    path = tmp_path / "disk"
    devices = set()
    with ExitStack() as stack, FileRig(tmp_path / "rig", path / "audit.log", path / "journal") as rig:
        expected = b""
        for number in range(3):
            with mounted(image, path):
                devices.add(path.stat().st_dev)
                capture = rig.capture()
                writer = rig.write_file(first=1_000_000 * number)
                rig.wait_for(writer, 3 * MIB // 2)
                if number % 2:
                    capture.kill()
                expected = writer.end()
                if capture.alive():
                    rig.wait_captured(expected)
                    wait_until(lambda: data_start(rig.source) > 0, "space is given back")
                    capture.kill()
            place = tmp_path / f"other{number}"
            stack.enter_context(disk(tmp_path, EXT4, 8 * MIB, place.name))  # takes the loop device that came free
        with mounted(image, path):
            devices.add(path.stat().st_dev)
            capture = rig.capture()
            rig.wait_captured(expected)
            assert 0 == capture.stop()
            assert 0 == rig.verify()[0]
            assert [] == rig.incidents()
    assert kind == BTRFS or len(devices) > 1  # a btrfs has a number of its own, which may stay


# ---- A volume without holes


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Volume]:
    """Mount a ramfs, which answers a punch with EOPNOTSUPP."""
    with ramfs(tmp_path / "memory") as volume:
        yield volume


def test_without_holes_auto_reopens(tmp_path: Path, memory: Volume) -> None:
    """Where the volume cannot punch and SIGHUP can reach the writer, space is given back by reopening."""
    with FileRig(tmp_path / "rig", memory.path / "audit.log", tmp_path / "journal") as rig:
        writer = rig.write_file()
        wait_until(rig.source.exists, "the writer has made its file")
        capture = rig.capture(reclaim="auto", signal_pid=str(writer.pid))
        capture.says('"way": "reopen"')
        assert f"the file system of {memory.path} cannot punch holes" in capture.messages()
        inodes = set()

        def is_reopened() -> bool:
            if rig.source.exists():
                inodes.add(rig.source.stat().st_ino)
            return len(inodes) > 3

        wait_until(is_reopened, "the file was reopened three times")
        expected = writer.end()
        rig.wait_captured(expected)
        wait_until(lambda: not rig.generations(), "what was renamed is unlinked")
        assert 0 == capture.stop()
        assert rig.source.stat().st_size < len(expected) // 2
        assert [] == rig.incidents()
        assert 0 == rig.verify()[0]


@pytest.mark.parametrize("way", ["auto", PUNCH])
def test_without_any_way_capture_says_so_and_captures(tmp_path: Path, memory: Volume, way: str) -> None:
    """No holes, no writer to signal: an error in the log says that the file will fill its volume; nothing is lost."""
    with FileRig(tmp_path / "rig", memory.path / "audit.log", tmp_path / "journal") as rig:
        data = content(1_000_000, 4000)
        rig.append(data)
        capture = rig.capture(reclaim=way, pid_file=str(tmp_path / "missing.pid"))
        capture.says("the audit log's disk space is not given back: it will fill its volume")
        assert '"severity": "ERROR"' in capture.messages()
        rig.wait_captured(data)
        rig.append(content(2_000_000, 10))
        rig.wait_captured(data + content(2_000_000, 10))
        assert 0 == capture.stop()
        assert rig.source.read_bytes() == rig.content()
