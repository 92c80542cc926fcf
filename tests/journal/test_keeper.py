from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from standpipe.journal import incidents, kinds
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import FINISHED_SEGMENT_MODE, SEAL_SUFFIX, Layout
from standpipe.journal.retention import DROP_OLDEST
from standpipe.journal.seal_store import read_seal, read_seal_bytes
from standpipe.journal.sink_entries import REMOVED, SinkEntry
from standpipe.journal.sink_entries_store import write_entries
from tests.journal.keep_fixture import (
    NOW,
    add_segment,
    fill,
    make_journal,
    make_keeper,
    names,
    never,
    record,
    run_passes,
)
from tests.journal.whole import assert_chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from standpipe.journal.keeper import Keeper

MESSAGES = "messages"
DEADLINE_SECONDS = 60.0
SMALL_VOLUME_BYTES = 256 << 10
SEGMENT_BYTES = 20 * 120  # what keep_fixture.fill writes


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return an empty journal."""
    return make_journal(str(tmp_path))


@pytest.fixture
def log_fd(tmp_path: Path) -> Iterator[int]:
    """Return a descriptor for messages."""
    fd = os.open(tmp_path / MESSAGES, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield fd
    os.close(fd)


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    """Return the root of a small file system of its own."""
    root = tmp_path / "volume"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_VOLUME_BYTES}", "tmpfs", root], check=True)
    yield root
    subprocess.run(["umount", root], check=True)


def set_cursor(layout: Layout, sink: str, offset: int) -> None:
    """Move a sink's cursor."""
    file = CursorFile(layout.cursor(sink))
    file.update(offset=offset, after=offset)
    file.close()


def seal_bases(layout: Layout) -> list[int]:
    """Return the bases of all seals."""
    return sorted(int(name[:20]) for name in names(layout) if name.endswith(SEAL_SUFFIX))


def data_bases(layout: Layout, suffix: str = "") -> list[int]:
    """Return the bases that have data, of one form or of either."""
    suffixes = (suffix,) if suffix else (".log", ".log.zst")
    return sorted({int(name[:20]) for name in names(layout) if name[20:] in suffixes})


def found_incidents(layout: Layout) -> list[tuple[object, object, object]]:
    """Return kind, offset and length of all incidents."""
    return [(i["kind"], i["offset"], i["length"]) for i in incidents.read(layout.incidents)]


def messages(tmp_path: Path) -> list[str]:
    """Return what was logged."""
    return [json.loads(line)["message"] for line in (tmp_path / MESSAGES).read_text().splitlines()]


def free_bytes(path: Path) -> int:
    """Return what a volume has left."""
    volume = os.statvfs(path)
    return volume.f_bavail * volume.f_frsize


def until(keeper: Keeper, condition: Callable[[], bool]) -> None:
    """Do passes until the condition holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        keeper.pass_over(never)


def test_finished_segments_are_sealed_in_order_and_chained(layout: Layout, log_fd: int) -> None:
    """Every closed segment gets a seal that links to the one before; the last segment gets none."""
    fill(layout, 3)
    run_passes(make_keeper(layout, log_fd, sinks=("s",)))
    assert [0, SEGMENT_BYTES, 2 * SEGMENT_BYTES] == seal_bases(layout)
    assert_chain([read_seal_bytes(layout, base) for base in seal_bases(layout)])
    seal = read_seal(layout, 0)
    assert (20, "2026-01-01T00:00:00Z", "2026-01-01T00:00:19Z") == (seal.records, seal.first_time, seal.last_time)
    assert FINISHED_SEGMENT_MODE == os.stat(layout.segment(0, SEAL_SUFFIX)).st_mode & 0o777


def test_an_unfinished_segment_holds_up_sealing(layout: Layout, log_fd: int) -> None:
    """Seals are written in order: what capture still syncs is waited for, and noticed when it is done."""
    end = add_segment(layout, 0, record(0), finished=False)
    middle = add_segment(layout, end, record(1))
    add_segment(layout, middle, b"", finished=False)
    keeper = make_keeper(layout, log_fd)
    run_passes(keeper)
    assert [] == seal_bases(layout)
    os.chmod(layout.segment(0), FINISHED_SEGMENT_MODE)
    run_passes(keeper)
    assert [0, end] == seal_bases(layout)


def test_a_finished_last_segment_is_left_alone(layout: Layout, log_fd: int) -> None:
    """The journal's end is found at the last segment: it is neither sealed nor compressed nor deleted."""
    add_segment(layout, 0, record(0))
    run_passes(make_keeper(layout, log_fd, age_seconds=0.0, size_bytes=0, cap_bytes=2))
    assert {"00000000000000000000.log"} == names(layout)


def test_a_power_loss_is_named_by_the_seal_of_the_tail(layout: Layout, log_fd: int) -> None:
    """The seal of the tail names the skipped addresses, and the chain accepts the jump."""
    end = add_segment(layout, 0, record(0))
    incidents.append(layout.incidents, kinds.POWER_LOSS, end, 1000 - end, {}, NOW)
    after = add_segment(layout, 1000, record(1))
    add_segment(layout, after, b"", finished=False)
    run_passes(make_keeper(layout, log_fd))
    assert [("power-loss", end, 1000 - end)] == [(g.kind, g.offset, g.length) for g in read_seal(layout, 0).gaps]
    assert () == read_seal(layout, 1000).gaps
    assert_chain([read_seal_bytes(layout, base) for base in seal_bases(layout)])


def test_a_seal_that_was_taken_away_does_not_come_back(layout: Layout, log_fd: int) -> None:
    """It does not mend evidence, and goes on after it."""
    fill(layout, 3)
    keeper = make_keeper(layout, log_fd)
    run_passes(keeper)
    os.unlink(layout.segment(SEGMENT_BYTES, SEAL_SUFFIX))
    end = os.stat(layout.segment(3 * SEGMENT_BYTES)).st_size + 3 * SEGMENT_BYTES
    os.chmod(layout.segment(3 * SEGMENT_BYTES), FINISHED_SEGMENT_MODE)
    add_segment(layout, end, b"", finished=False)
    run_passes(keeper)
    assert [0, 2 * SEGMENT_BYTES, 3 * SEGMENT_BYTES] == seal_bases(layout)


def test_segments_without_a_seal_in_the_middle_can_still_be_deleted(layout: Layout, log_fd: int) -> None:
    """A missing seal is verify's business; it must not fill the journal up."""
    fill(layout, 3)
    run_passes(make_keeper(layout, log_fd))
    os.unlink(layout.segment(0, SEAL_SUFFIX))
    run_passes(make_keeper(layout, log_fd, age_seconds=-1.0))
    assert [3 * SEGMENT_BYTES] == data_bases(layout)


def test_what_a_sink_is_about_to_read_is_not_compressed(layout: Layout, log_fd: int) -> None:
    """A segment is compressed when every sink has passed it, or two newer ones are sealed."""
    fill(layout, 3)
    set_cursor(layout, "fast", 3 * SEGMENT_BYTES)
    set_cursor(layout, "slow", 0)
    keeper = make_keeper(layout, log_fd, sinks=("fast", "slow"))
    run_passes(make_keeper(layout, log_fd, sinks=("fast", "never started")))
    run_passes(keeper)
    assert [0] == data_bases(layout, ".log.zst")
    set_cursor(layout, "slow", 2 * SEGMENT_BYTES)
    run_passes(keeper)
    assert [0, SEGMENT_BYTES] == data_bases(layout, ".log.zst")


def test_delivered_segments_go_by_size_and_the_newest_seal_stays(layout: Layout, log_fd: int) -> None:
    """Only what every sink has taken goes; the newest seal stays for the next one to link to."""
    fill(layout, 3)
    set_cursor(layout, "a", 3 * SEGMENT_BYTES)
    set_cursor(layout, "b", SEGMENT_BYTES)
    keeper = make_keeper(layout, log_fd, sinks=("a", "b"), size_bytes=0)
    until(keeper, lambda: data_bases(layout)[0] == SEGMENT_BYTES)
    set_cursor(layout, "b", 3 * SEGMENT_BYTES)
    until(keeper, lambda: data_bases(layout) == [3 * SEGMENT_BYTES])
    keeper.pass_over(never)
    assert [2 * SEGMENT_BYTES] == seal_bases(layout)
    assert [] == found_incidents(layout)


def test_without_a_cursor_nothing_counts_as_delivered(layout: Layout, log_fd: int) -> None:
    """A configured sink that has not started, or whose cursor is unreadable, keeps everything."""
    fill(layout, 3)
    with open(layout.cursor("torn"), "w") as file:
        file.write("junk")
    for sink in ("new", "torn"):
        run_passes(make_keeper(layout, log_fd, sinks=(sink,), size_bytes=0, age_seconds=-1.0, cap_bytes=10))
        assert 4 == len(data_bases(layout))


def test_drop_oldest_records_names_and_deletes(layout: Layout, log_fd: int) -> None:
    """A drop leaves an incident with the sinks that were behind, and the next seal names the range."""
    whole = fill(layout, 3)
    set_cursor(layout, "slow", 7)
    set_cursor(layout, "fast", 3 * SEGMENT_BYTES)
    cap = 2 * SEGMENT_BYTES
    keeper = make_keeper(
        layout,
        log_fd,
        sinks=("slow", "fast"),
        cap_bytes=cap,
        segment_size_bytes=SEGMENT_BYTES // 2,
        on_full=DROP_OLDEST,
    )
    until(keeper, lambda: bool(found_incidents(layout)))
    dropped = found_incidents(layout)
    assert ("dropped", 0, SEGMENT_BYTES) == dropped[0]
    assert {"sinks": {"slow": 7}} == incidents.read(layout.incidents)[0]["detail"]
    assert 0 not in data_bases(layout)
    os.chmod(layout.segment(3 * SEGMENT_BYTES), FINISHED_SEGMENT_MODE)
    add_segment(layout, len(whole), b"", finished=False)
    until(keeper, lambda: seal_bases(layout)[-1] == 3 * SEGMENT_BYTES)
    named = [(g.kind, g.offset, g.length) for g in read_seal(layout, 3 * SEGMENT_BYTES).gaps]
    assert dropped == named


def test_a_segment_that_changed_after_its_seal_is_reported_and_left(
    layout: Layout, log_fd: int, tmp_path: Path
) -> None:
    """The incident is written once, the others are compressed, and the altered one stays raw."""
    fill(layout, 3)
    set_cursor(layout, "s", 0)
    run_passes(make_keeper(layout, log_fd, sinks=("s",)))
    altered = SEGMENT_BYTES
    os.chmod(layout.segment(altered), 0o600)
    with open(layout.segment(altered), "r+b") as file:
        file.write(b"[")
    os.chmod(layout.segment(altered), FINISHED_SEGMENT_MODE)
    keeper = make_keeper(layout, log_fd)
    until(keeper, lambda: data_bases(layout, ".log.zst") == [0, 2 * SEGMENT_BYTES])
    keeper.pass_over(never)
    assert [("damaged", altered, None)] == found_incidents(layout)


def test_a_full_volume_is_said_once_and_worked_through_later(small_volume: Path, log_fd: int, tmp_path: Path) -> None:
    """ENOSPC while sealing: one message, retries, one incident when it fits, and all is done when there is room."""
    layout = make_journal(str(small_volume))
    fill(layout, 3)
    ballast = small_volume / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while free_bytes(small_volume):
            file.write(b"x" * 4096)
    keeper = make_keeper(layout, log_fd)
    until(keeper, lambda: bool(keeper.troubles))
    for _ in range(3):
        keeper.pass_over(never)
    assert [] == seal_bases(layout)
    assert 1 == len([message for message in messages(tmp_path) if message.startswith("cannot seal")])
    ballast.unlink()
    until(keeper, lambda: not keeper.troubles and len(data_bases(layout, ".log.zst")) == 3)
    assert [("disk-full", 0, None)] == found_incidents(layout)
    assert [] == [name for name in names(layout) if name.endswith(".tmp")]


def test_a_pass_stops_between_steps(layout: Layout, log_fd: int) -> None:
    """Asked to stop, a pass begins nothing new."""
    fill(layout, 3)
    answers = iter([False] * 4 + [True] * 50)
    assert not make_keeper(layout, log_fd).pass_over(lambda: next(answers))
    assert 1 <= len(seal_bases(layout)) < 3


def test_who_holds_the_journal(layout: Layout, log_fd: int) -> None:
    """Whom the config names and whom ship has entered, but for those that it has marked as removed."""
    fill(layout, 3)
    set_cursor(layout, "ours", 3 * SEGMENT_BYTES)
    set_cursor(layout, "theirs", SEGMENT_BYTES)
    keeper = make_keeper(layout, log_fd, sinks=("ours",), size_bytes=0)
    write_entries(layout.sinks, {"ours": SinkEntry("http", 0), "theirs": SinkEntry("http", 0)})
    until(keeper, lambda: data_bases(layout)[0] == SEGMENT_BYTES)
    write_entries(layout.sinks, {})
    keeper = make_keeper(layout, log_fd, sinks=("ours", "theirs"), size_bytes=0)
    run_passes(keeper)
    assert SEGMENT_BYTES == data_bases(layout)[0], "the config names it, though nobody has entered it"
    write_entries(layout.sinks, {"ours": SinkEntry("http", 0), "theirs": SinkEntry("http", 0, state=REMOVED)})
    until(keeper, lambda: data_bases(layout) == [3 * SEGMENT_BYTES])
