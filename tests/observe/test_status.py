from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.source_map import SourceFile, SourceMap
from standpipe.errors import JournalError
from standpipe.journal import lock
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import Layout
from standpipe.journal.sink_entries import CONFIG_FAULT, REMOVED, SinkEntry
from standpipe.journal.sink_entries_store import write_entries
from standpipe.observe.status import age_seconds, gather_status
from standpipe.observe.status_text import ReclaimStatus
from tests.evidence.craft import JOURNAL_ID, Crafted, healthy

if TYPE_CHECKING:
    from pathlib import Path

    from standpipe.observe.status_text import SinkStatus, Status

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC).timestamp()
SEVEN = 5 * 3600  # seconds from the first record to noon


def look(journal: Crafted) -> Status:
    """Gather a status at noon."""
    return gather_status(Layout(str(journal.root)), NOON)


def set_cursor(journal: Crafted, offset: int, sink: str = "stdout") -> None:
    """Write a sink's cursor."""
    cursor = CursorFile(str(journal.root / "cursors" / sink))
    cursor.update(offset=offset, after=offset)
    cursor.close()


def sink_at(journal: Crafted, offset: int) -> SinkStatus:
    """Return what is said of a sink with this cursor."""
    set_cursor(journal, offset)
    return look(journal).sinks["stdout"]


@pytest.fixture
def journal(tmp_path: Path) -> Crafted:
    """Return four sealed segments of five records, every other one compressed, and a tail with two and a half."""
    return healthy(tmp_path / "journal")


def test_a_journal_at_rest(journal: Crafted) -> None:
    """Its range, its files, nobody alive, no source known."""
    status = look(journal)
    files = (journal.root / "segments").iterdir()
    assert (status.journal.id, status.journal.path) == (JOURNAL_ID, str(journal.root))
    assert (status.journal.base, status.journal.end, status.journal.segments) == (0, 2646, 5)
    assert sum(path.stat().st_size for path in files) == status.journal.bytes
    assert status.journal.cap is None
    assert status.source.kind is None
    assert {role: process.alive for role, process in status.processes.items()} == {
        "capture": False,
        "keep": False,
        "ship": False,
    }


@pytest.mark.parametrize(
    ("cursor", "lag_bytes", "lag_records", "lag_seconds", "state"),
    [
        (0, 2646, 22, SEVEN, "behind"),
        (120, 2526, 21, SEVEN - 1, "behind"),
        (600, 2046, 17, SEVEN - 5, "behind"),
        (720, 1926, 16, SEVEN - 6, "behind"),
        (2400, 246, 2, SEVEN - 20, "behind"),
        (2640, 6, 0, 0.0, "behind"),
        (2646, 0, 0, 0.0, "current"),
        (2647, 0, 0, 0.0, "outside"),
    ],
)
def test_a_sinks_lag(
    journal: Crafted, cursor: int, lag_bytes: int, lag_records: int, lag_seconds: float, state: str
) -> None:
    """Bytes to the end, newlines in them, and the age of the first record that is not delivered."""
    sink = sink_at(journal, cursor)
    assert (cursor, lag_bytes, lag_records, lag_seconds, state) == (
        sink.cursor,
        sink.lag_bytes,
        sink.lag_records,
        sink.lag_seconds,
        sink.state,
    )


def test_whole_sealed_segments_are_counted_by_their_seals(journal: Crafted) -> None:
    """Their bytes are not read: damage in them does not matter here."""
    journal.write(journal.file(1200, ".log"), b"\n" * 600)
    assert sink_at(journal, 600).lag_records == 17


def test_a_cursor_before_the_journal_is_outside(journal: Crafted) -> None:
    """drop-oldest took what the sink had not got; the lag counts what is left."""
    set_cursor(journal, 0)
    journal.remove(0, ".log", ".seal.json")
    sink = look(journal).sinks["stdout"]
    assert (sink.state, sink.lag_bytes, sink.lag_records) == ("outside", 2046, 17)


def test_a_cursor_that_cannot_be_read_is_missing(journal: Crafted) -> None:
    """Neither slot is valid: nothing is known of the sink but its name."""
    (journal.root / "cursors" / "cloud").write_bytes(b"rubbish")
    sink = look(journal).sinks["cloud"]
    assert (sink.state, sink.cursor, sink.lag_bytes) == ("missing", None, None)


def test_torn_records_are_passed_over_for_the_time(journal: Crafted) -> None:
    """The first record that says its time counts; without any the lag in seconds is unknown."""
    whole = b'{"time":"2024-05-06T11:59:50.123456789Z"}\n'
    tail = journal.bases[-1]
    journal.write(journal.file(tail, ".log"), b"torn\n" + whole)
    assert sink_at(journal, tail).lag_seconds == pytest.approx(9.877)
    journal.write(journal.file(tail, ".log"), b"torn\n")
    assert sink_at(journal, tail).lag_seconds is None


def test_damaged_bytes_leave_the_lag_in_records_unknown(journal: Crafted) -> None:
    """Part of a compressed segment would have to be unpacked for the count, and cannot be."""
    journal.flip(journal.file(600, ".log.zst"), 30)
    sink = sink_at(journal, 720)
    assert (sink.state, sink.lag_bytes, sink.lag_records) == ("behind", 1926, None)


def test_live_processes_are_seen_by_their_locks(journal: Crafted) -> None:
    """A role is alive while somebody holds its lock; afterwards it is not, though the file stays."""
    layout = Layout(str(journal.root))
    descriptor = lock.acquire(layout.lock("ship"), "ship")
    alive = look(journal).processes["ship"]
    os.close(descriptor)
    assert (alive.pid, alive.alive) == (os.getpid(), True)
    assert look(journal).processes["ship"].alive is False


def boot(journal: Crafted, settings: dict[str, object]) -> None:
    """Write boot.json with capture's settings."""
    entry = {"boot_id": "b", "clean": False, "segment_hard_limit": 1 << 20, **settings}
    (journal.root / "boot.json").write_text(json.dumps(entry))


def test_a_fifo_source_is_looked_into_while_capture_lives(journal: Crafted, tmp_path: Path) -> None:
    """The bytes that wait in the FIFO and in the reserve are counted and stay; without a capture nobody opens them."""
    fifo, reserve = tmp_path / "pipe", journal.root / "reserve"
    boot(journal, {"fifo": str(fifo), "max_size": 1 << 30})
    os.mkfifo(fifo)
    os.mkfifo(reserve)
    ends = [os.open(path, os.O_RDWR) for path in (fifo, reserve)]
    os.write(ends[0], b"twelve bytes")
    os.write(ends[1], b"four")
    asleep = look(journal)
    held = lock.acquire(Layout(str(journal.root)).lock("capture"), "capture")
    awake = look(journal)
    left = os.read(ends[0], 100)
    for descriptor in (*ends, held):
        os.close(descriptor)
    assert (asleep.source.pipe_bytes, asleep.source.reserve_bytes) == (None, None)
    assert (awake.source.kind, awake.source.path, awake.source.offset) == ("fifo", str(fifo), None)
    assert (awake.source.pipe_bytes, awake.source.reserve_bytes) == (12, 4)
    assert awake.journal.cap == 1 << 30
    assert left == b"twelve bytes"


def test_a_path_that_is_no_fifo_is_not_counted(journal: Crafted, tmp_path: Path) -> None:
    """Vault made a regular file there: nothing is known of a pipe."""
    path = tmp_path / "pipe"
    path.write_bytes(b"x")
    boot(journal, {"fifo": str(path)})
    held = lock.acquire(Layout(str(journal.root)).lock("capture"), "capture")
    source = look(journal).source
    os.close(held)
    assert (source.kind, source.pipe_bytes, source.reserve_bytes) == ("fifo", None, None)


def follow(journal: Crafted, path: Path, *, inode: int, source: int, at: int) -> None:
    """Write a source.json: from a journal address on, the file's bytes follow from a source offset."""
    known = SourceMap(str(path), "b", 0)
    known.reclaim = {"way": "punch", "reason": "the volume can punch holes"}
    known.begin(SourceFile(inode, None), source, at)
    (journal.root / "source.json").write_bytes(known.encode())
    boot(journal, {"file": str(path), "max_size": 1 << 30})


def test_a_file_source(journal: Crafted, tmp_path: Path) -> None:
    """Where the next byte stands follows from source.json and the journal's end; the sizes are those of the moment."""
    path = tmp_path / "audit.log"
    with path.open("wb") as file:
        file.seek(10_000_000)
        file.write(b"x" * 4096)
    follow(journal, path, inode=path.stat().st_ino, source=10_000_000 - 646, at=2000)
    source = look(journal).source
    assert ("file", str(path), 10_000_000) == (source.kind, source.path, source.offset)
    assert (10_004_096, path.stat().st_blocks * 512, 4096) == (
        source.apparent_size,
        source.real_size,
        source.unread_bytes,
    )
    assert ReclaimStatus("punch", "the volume can punch holes") == source.reclaim
    assert source.free_bytes is not None
    assert 0 < source.free_bytes <= shutil.disk_usage(tmp_path).total
    assert (None, None) == (source.pipe_bytes, source.reserve_bytes)


def test_a_path_that_leads_to_a_file_not_read_yet(journal: Crafted, tmp_path: Path) -> None:
    """The offset belongs to the file that is being read, under whatever name; how much is unread is not known."""
    path = tmp_path / "audit.log"
    path.write_bytes(b"new")
    follow(journal, path, inode=path.stat().st_ino + 1, source=100, at=2646)
    source = look(journal).source
    assert (100, 3, None) == (source.offset, source.apparent_size, source.unread_bytes)


def test_a_file_that_was_cut_has_nothing_unread(journal: Crafted, tmp_path: Path) -> None:
    """Its end lies before the offset until capture has noticed."""
    path = tmp_path / "audit.log"
    path.write_bytes(b"new")
    follow(journal, path, inode=path.stat().st_ino, source=100, at=2646)
    assert 0 == look(journal).source.unread_bytes


@pytest.mark.parametrize("text", [None, "rubbish", '{"format":2}'])
def test_a_file_that_is_missing(journal: Crafted, tmp_path: Path, text: str | None) -> None:
    """Without the file, and without a source.json that can be read, only its volume is known."""
    boot(journal, {"file": str(tmp_path / "audit.log")})
    if text is not None:
        (journal.root / "source.json").write_text(text)
    source = look(journal).source
    assert ("file", None, None, None, None) == (
        source.kind,
        source.offset,
        source.apparent_size,
        source.real_size,
        source.reclaim,
    )
    assert source.free_bytes is not None


def test_odd_settings_are_unknown_settings(journal: Crafted) -> None:
    """What boot.json does not say, or says in another form, is null."""
    boot(journal, {"fifo": 7, "max_size": "much"})
    status = look(journal)
    assert (status.source.kind, status.journal.cap) == (None, None)


def test_incidents_and_dead_letters_are_counted(journal: Crafted) -> None:
    """One number a kind, also of older ones; both files and dead letters count for the size, as they do for the cap."""
    before = look(journal).journal.bytes
    journal.incident("torn", 0, 1)
    (journal.root / "incidents.jsonl").rename(journal.root / "incidents.jsonl.1")
    for kind in ("repeat", "torn"):
        journal.incident(kind, 0, 1)
    (journal.root / "deadletter" / "cloud.jsonl").write_bytes(b'{"a":1}\n')
    status = look(journal)
    assert status.incidents == {"repeat": 1, "torn": 2}
    files = sum((journal.root / name).stat().st_size for name in ("incidents.jsonl", "incidents.jsonl.1"))
    assert before + 8 + files == status.journal.bytes


def enter(journal: Crafted, **sinks: SinkEntry) -> None:
    """Write sinks.json."""
    write_entries(str(journal.root / "sinks.json"), sinks)


def test_a_sinks_trouble_is_told_while_ship_runs(journal: Crafted) -> None:
    """Without a ship nobody knows how the destination is now, and the cursor alone speaks."""
    set_cursor(journal, 2646, "web")
    enter(journal, web=SinkEntry("http", 0, CONFIG_FAULT, "it said 403", "2026-01-02T03:04:05Z"))
    sink = look(journal).sinks["web"]
    assert ("current", "http", "", "") == (sink.state, sink.type, sink.why, sink.since)
    held = lock.acquire(str(journal.root / "lock.ship"), "ship")
    sink = look(journal).sinks["web"]
    os.close(held)
    assert ("config-fault", "http", "it said 403", "2026-01-02T03:04:05Z") == (
        sink.state,
        sink.type,
        sink.why,
        sink.since,
    )


def test_entered_and_removed_sinks(journal: Crafted) -> None:
    """One that is entered and has no cursor yet is missing; one that was removed is that, whether ship runs or not."""
    set_cursor(journal, 0, "old")
    enter(journal, new=SinkEntry("http", 0), old=SinkEntry("http", 0, REMOVED, "", "2026-01-02T03:04:05Z"))
    sinks = look(journal).sinks
    assert {"new": "missing", "old": "removed"} == {name: sink.state for name, sink in sinks.items()}
    assert "2026-01-02T03:04:05Z" == sinks["old"].since


def test_a_sink_of_ship_once(journal: Crafted) -> None:
    """`ship --once` enters nothing: such a sink has a cursor, and no more is known of it."""
    set_cursor(journal, 2646, "job")
    enter(journal)
    assert ("current", None) == (look(journal).sinks["job"].state, look(journal).sinks["job"].type)


def test_what_a_cursor_has_counted(journal: Crafted) -> None:
    """Delivered, filtered and dead records."""
    cursor = CursorFile(str(journal.root / "cursors" / "web"))
    cursor.update(offset=0, after=0, delivered=5, filtered=3, dead_letters=1)
    cursor.close()
    sink = look(journal).sinks["web"]
    assert (5, 3, 1) == (sink.delivered, sink.filtered, sink.dead_letters)


def test_an_empty_journal_has_a_status(tmp_path: Path) -> None:
    """Nothing captured yet: zeros, no sinks."""
    status = look(Crafted(tmp_path / "journal"))
    assert (status.journal.base, status.journal.end, status.journal.segments, status.sinks) == (0, 0, 0, {})


def test_no_journal_is_an_error(tmp_path: Path) -> None:
    """There is nothing to tell."""
    with pytest.raises(JournalError, match="no journal"):
        gather_status(Layout(str(tmp_path)), NOON)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2024-05-06T11:59:00Z", 60.0),
        ("2024-05-06T13:59:00+02:00", 60.0),
        ("2024-05-06T11:59:00.123456789Z", 59.877),
        ("2024-05-06T12:00:01Z", 0.0),
        ("2024-05-06T11:59:00", 60.0),
        ("yesterday", None),
    ],
)
def test_ages(time: str, expected: float | None) -> None:
    """Seconds before noon, never negative; a time without a zone is taken as UTC."""
    assert expected == age_seconds(time, NOON)
