from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.faults.rig import Rig, Role, is_full, wait_until
from tests.faults.volumes import BTRFS, EXT4, MIB, XFS, disk_on_disk, frozen
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.writer import Writer

RATE = 30  # records a second: 90 in a stall, far below the 256 that two pipes hold at least
STALL_SECONDS = 3
PACED_COUNT = RATE * STALL_SECONDS
RECORD_BYTES = 2048
FLOOD_COUNT = scale(4000, 8000)  # 30 MB: the disk has 64, and btrfs does not give all of it to data
SLOW_SYNC = ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync")
DELAY = ("-e", "inject=fdatasync:delay_enter=2000000")  # microseconds


class Stall:
    """A rig whose capture is stuck in a frozen disk, and the writer that floods it."""

    def __init__(self, rig: Rig, capture: Role) -> None:
        """Take the rig."""
        self.rig = rig
        self.capture = capture
        self.writer: Writer | None = None


@contextmanager
def stalled(directory: Path, kind: str) -> Iterator[Stall]:
    """Yield a stall; when the block ends the disk thaws, and every byte must come to be in the journal."""
    with disk_on_disk(directory, kind, 64 * MIB) as (lower, upper), Rig(directory / "rig", upper.path / "j") as rig:
        capture = rig.capture(segment_size="256KiB")
        stall = Stall(rig, capture)
        with frozen(lower):
            rig.put(b"first\n")  # something to sync
            wait_until(capture.stuck, "capture is stuck in the disk")
            yield stall
        assert stall.writer is not None
        expected = b"first\n" + stall.writer.expected
        stall.writer.end()
        rig.wait_captured(expected)
        assert 0 == capture.stop()
        assert expected == rig.content()
        assert 0 == rig.verify()[0]


@pytest.mark.parametrize("kind", scale([EXT4, XFS], [EXT4, XFS, BTRFS]))
def test_at_30_records_a_second_nobody_waits_for_a_frozen_disk(tmp_path: Path, kind: str) -> None:
    """All records of 3 s at 30 records/s are taken while the journal's disk stands still."""
    with stalled(tmp_path, kind) as stall:
        stall.writer = stall.rig.write(PACED_COUNT, (RECORD_BYTES,), rate=RATE)
        stall.writer.end()  # before the thaw
        assert stall.capture.stuck()


@pytest.mark.parametrize("kind", scale([EXT4, XFS], [EXT4, XFS, BTRFS]))
def test_beyond_that_the_writer_waits_for_a_frozen_disk_and_nothing_is_lost(tmp_path: Path, kind: str) -> None:
    """A flood fills the pipes while the disk stands still; the writer waits, and afterwards every byte is there."""
    with stalled(tmp_path, kind) as stall:
        stall.writer = stall.rig.write(FLOOD_COUNT, (RECORD_BYTES, 300, 9000))
        wait_until(lambda: is_full(stall.rig.held_fifo), "the FIFO is full")
        assert not stall.writer.finished()


def test_at_30_records_a_second_nobody_waits_for_slow_syncs(tmp_path: Path) -> None:
    """Each fdatasync takes 2 s, and no record waits for one."""
    with Rig(tmp_path / "rig") as rig:
        capture = rig.capture(before=(*SLOW_SYNC, *DELAY))
        rig.put(b"first\n")
        writer = rig.write(PACED_COUNT, (RECORD_BYTES,), rate=RATE)
        writer.end()
        rig.wait_captured(b"first\n" + writer.expected)
        assert writer.progress.longest_nanoseconds < 1_000_000_000  # half of one sync
        capture.kill()


def test_a_flood_is_whole_behind_slow_syncs(tmp_path: Path) -> None:
    """Each fdatasync takes 2 s and segments are small: the writer waits for new segments, and nothing is lost."""
    with Rig(tmp_path / "rig") as rig:
        capture = rig.capture(before=(*SLOW_SYNC, *DELAY), segment_size="1MiB")
        writer = rig.write(2500, (RECORD_BYTES,))
        wait_until(lambda: is_full(rig.held_fifo), "the FIFO is full")
        assert not writer.finished()
        writer.end()
        rig.wait_captured(writer.expected)
        capture.kill()
        capture = rig.capture()
        assert 0 == capture.stop()
        assert writer.expected == rig.content()
        assert 0 == rig.verify()[0]
