from __future__ import annotations

import json
import os
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.faults.rig import Rig, read_segments, wait_until
from tests.faults.volumes import EXT4, MIB, XFS, copy_tree, disk_on_disk, in_other_boot, mounted, remove_tree, snapshot
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.faults.rig import Segments

SEGMENT_SIZE = 64 << 10
UNKNOWN_HARD_LIMIT = 1 << 40  # what is skipped where boot.json does not tell the limit
HARD_LIMIT = 2 * SEGMENT_SIZE
SIZES = (300, 2048, 900, 5000)
LARGE_SEGMENT = 4 * MIB  # its tail is not synced before it is full
RATE = 1500  # records a second: 3 MB/s, so a snapshot finds unsynced bytes
SNAPSHOTS_MAX = scale(4, 20)
NEW_SERIAL = 10_000_000  # the records after a power loss cannot be taken for those before
NEW_COUNT = 200


def used_twice(before: Segments, after: Segments) -> list[int]:
    """Return the offsets at which there was one byte before and there is another one after."""
    found = []
    for base, data in before:
        for other_base, other in after:
            begin, end = max(base, other_base), min(base + len(data), other_base + len(other))
            if begin < end and data[begin - base : end - base] != other[begin - other_base : end - other_base]:
                found.append(begin)
    return found


def end_of(segments: Segments) -> int:
    """Return the address after the last byte."""
    return max(base + len(data) for base, data in segments)


def gaps(rig: Rig) -> list[tuple[int, int]]:
    """Return the recorded power-loss gaps."""
    found = []
    for incident in rig.incidents("power-loss"):
        offset, length = incident["offset"], incident["length"]
        assert isinstance(offset, int)
        assert isinstance(length, int)
        found.append((offset, offset + length))
    return found


def check_tiling(rig: Rig) -> None:
    """Every address from 0 to the end is in a segment or in a recorded gap."""
    position = 0
    pieces = [(base, base + len(data)) for base, data in rig.segments()]
    for begin, end in sorted([*pieces, *gaps(rig)]):
        assert begin <= position, f"[{position}, {begin}) is nowhere"
        position = max(position, end)


def other_boot(rig: Rig) -> list[str]:
    """Return the words before a command that make it believe in a restart of the kernel."""
    return in_other_boot(rig.directory, str(uuid.uuid4()))


def wait_captured(rig: Rig, end: int) -> None:
    """Wait until the journal is so long."""
    wait_until(lambda: rig.captured() > end, "there is something new")


def fdatasync(path: Path) -> None:
    """Make a file durable, as keep does with a cursor."""
    descriptor = os.open(path, os.O_RDWR)
    os.fdatasync(descriptor)
    os.close(descriptor)


def cursor_offset(journal: Path) -> int:
    """Return the cursor's offset."""
    data = (journal / "cursors" / "stdout").read_bytes()
    slots = [json.loads(slot.rpartition(b" ")[0]) for slot in (data[:512].strip(), data[4096:4608].strip()) if slot]
    return int(max(slots, key=lambda slot: slot["sequence"])["offset"])


def check_after_loss(rig: Rig, before: Segments) -> int:
    """Start again on what survived; return how many bytes were lost."""
    survived = rig.segments()
    start = survived[-1][0] + 2 * LARGE_SEGMENT
    cursor = cursor_offset(rig.journal)
    capture = rig.capture(before=other_boot(rig), segment_size=str(LARGE_SEGMENT))
    writer = rig.write(NEW_COUNT, SIZES, first=NEW_SERIAL)
    writer.end()
    wait_until(lambda: rig.captured() >= start + len(writer.expected), "the new records are captured")
    assert 0 == capture.stop()
    after = rig.segments()
    assert [] == used_twice(before, after)
    assert start in [base for base, _ in after]
    assert writer.expected == b"".join(data for base, data in after if base >= start)
    assert (end_of(survived), start) in gaps(rig)
    check_tiling(rig)
    assert 0 == rig.keep()
    assert 1 == rig.verify()[0]
    assert 0 == rig.verify("--accept-recorded")[0]
    output = rig.directory / "output"
    assert 0 == rig.ship(output=output)
    assert output.read_bytes().endswith(writer.expected)
    if cursor >= end_of(survived):
        assert writer.expected == output.read_bytes()
    assert end_of(after) == cursor_offset(rig.journal)
    return end_of(before) - end_of(survived)


@pytest.mark.parametrize("kind", [EXT4, XFS])
def test_no_offset_is_used_twice_after_a_power_loss(tmp_path: Path, kind: str) -> None:
    """The disk at one instant, mounted again under another boot id: new addresses, a recorded gap, moved cursors."""
    lost = []
    with disk_on_disk(tmp_path, kind, 128 * MIB) as (lower, upper), Rig(tmp_path / "rig", upper.path / "j") as rig:
        assert upper.image is not None
        rig.capture(segment_size=str(LARGE_SEGMENT), fsync="1h")
        writer = rig.write(1_000_000, SIZES, rate=RATE)
        for number in range(SNAPSHOTS_MAX):
            wait_captured(rig, writer.progress.bytes + MIB)
            assert 0 == rig.ship(output=tmp_path / "output")
            fdatasync(rig.journal / "cursors" / "stdout")
            before = rig.segments()
            copy = tmp_path / f"copy-{number}.img"
            snapshot(lower, upper.image, copy)
            with mounted(copy, tmp_path / "copy"), Rig(tmp_path / f"after-{number}", tmp_path / "copy" / "j") as again:
                lost.append(check_after_loss(again, before))
            copy.unlink()
            if number and max(lost) > 0:
                break
        writer.kill()
    assert max(lost) > 0, "no image lost a byte: this was no power loss"


def crashed(rig: Rig, lose_bytes: int) -> Segments:
    """Leave a journal as kill -9 does, without the last bytes of its tail; return what had been readable."""
    capture = rig.capture(segment_size=str(SEGMENT_SIZE))
    writer = rig.write(20, SIZES)
    writer.end()
    rig.wait_captured(writer.expected)
    before = rig.segments()
    capture.kill()
    base, data = before[-1]
    os.truncate(rig.journal / "segments" / f"{base:020}.log", len(data) - lose_bytes)
    return before


def killed_at(call: str, count: int) -> Sequence[str]:
    """Return the words before a command that is killed -9 at its count-th call of one kind."""
    inject = f"inject={call}:signal=SIGKILL:when={count}"
    return ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)


def start_and_kill(rig: Rig, words: Sequence[str]) -> bool:
    """Start capture under a tracer that may kill it, then kill it; return whether the tracer did."""
    capture = rig.start(*rig.capture_words(segment_size=str(SEGMENT_SIZE)), before=words)
    wait_until(lambda: not capture.alive() or rig.works(capture), "it is killed, or gets through")
    killed = not capture.alive()
    capture.kill()
    return killed


@pytest.mark.parametrize("call", ["rename", "fsync", "fdatasync", "fchmod", "unlink"])
def test_a_kill_in_the_recovery_from_a_power_loss_uses_no_offset_twice(tmp_path: Path, call: str) -> None:
    """At whichever step the recovery is killed, the next one under the same boot id still skips what was lost."""
    with Rig(tmp_path / "rig") as rig:
        before = crashed(rig, lose_bytes=1000)
        journal = rig.journal
        words = other_boot(rig)
        kills = 0
        killed = True
        while killed:
            rig.journal = tmp_path / "copy"
            copy_tree(journal, rig.journal)
            killed = start_and_kill(rig, [*words, *killed_at(call, kills + 1)])
            capture = rig.capture(before=words, segment_size=str(SEGMENT_SIZE))
            rig.put(b"after\n")
            wait_until(lambda: rig.segments()[-1][1], "the record is captured")
            assert 0 == capture.stop()
            assert [] == used_twice(before, rig.segments()), f"killed at {call} {kills + 1}"
            assert rig.segments()[-1][0] >= before[-1][0] + HARD_LIMIT
            check_tiling(rig)
            assert 0 == rig.verify("--accept-recorded")[0]
            remove_tree(rig.journal)
            kills += killed
        assert kills > 0


def test_a_clean_stop_before_a_restart_of_the_kernel_leaves_no_gap(tmp_path: Path) -> None:
    """Everything was synced, so writing goes on where it ended."""
    with Rig(tmp_path / "rig") as rig:
        capture = rig.capture()
        rig.put(b"before\n")
        rig.wait_captured(b"before\n")
        assert 0 == capture.stop()
        capture = rig.capture(before=other_boot(rig))
        rig.put(b"after\n")
        rig.wait_captured(b"before\nafter\n")
        assert 0 == capture.stop()
        assert [] == rig.incidents()
        assert 0 == rig.verify()[0]


def test_a_kill_without_a_restart_of_the_kernel_leaves_no_gap(tmp_path: Path) -> None:
    """The page cache is still there, so writing goes on where it ended."""
    with Rig(tmp_path / "rig") as rig:
        whole = b""
        for number in range(3):
            capture = rig.capture()
            rig.put(b"life %d\n" % number)
            whole += b"life %d\n" % number
            rig.wait_captured(whole)
            capture.kill()
        assert [] == rig.incidents()
        assert 0 == rig.verify()[0]


@pytest.mark.parametrize("damage", [None, b"", b"{", b'{"boot_id": "x", "clean": true}\n', bytes(100)])
def test_a_missing_or_damaged_boot_file_counts_as_a_power_loss(tmp_path: Path, damage: bytes | None) -> None:
    """Without boot.json nobody knows what was lost, so addresses are skipped, and the gap is recorded."""
    with Rig(tmp_path / "rig") as rig:
        before = crashed(rig, lose_bytes=1000)
        path = rig.journal / "boot.json"
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage)
        capture = rig.capture(segment_size=str(SEGMENT_SIZE))
        rig.put(b"after\n")
        wait_until(lambda: rig.segments()[-1][1] == b"after\n", "the record is captured")
        assert 0 == capture.stop()
        assert [] == used_twice(before, rig.segments())
        assert [(end_of(before) - 1000, before[-1][0] + UNKNOWN_HARD_LIMIT)] == gaps(rig)
        check_tiling(rig)


def test_the_hard_limit_of_the_time_of_the_loss_counts(tmp_path: Path) -> None:
    """A smaller segment_size after a power loss skips as many addresses as the larger one may have used."""
    with Rig(tmp_path / "rig") as rig:
        before = crashed(rig, lose_bytes=1000)
        capture = rig.capture(before=other_boot(rig), segment_size="4KiB")
        rig.put(b"after\n")
        wait_until(lambda: rig.segments()[-1][1] == b"after\n", "the record is captured")
        assert 0 == capture.stop()
        assert before[-1][0] + HARD_LIMIT == read_segments(rig.journal)[-1][0]
        check_tiling(rig)
