"""Look at a journal from outside and say how it is. Takes no lock for longer than a glance, and writes nothing."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import termios
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from standpipe.capture.source_map import SourceMap, decode
from standpipe.capture.volume import free_bytes, real_size
from standpipe.errors import JournalError
from standpipe.journal import boot, identity, incidents, lock
from standpipe.journal.cursor import read_cursor
from standpipe.journal.digest import record_time
from standpipe.journal.extra_bytes import extra_bytes
from standpipe.journal.layout import ROLES, TEMPORARY_SUFFIX, Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.seal_store import read_seal
from standpipe.journal.sink_entries import DELIVERING, REMOVED
from standpipe.journal.sink_entries_store import read_entries
from standpipe.observe.status_text import (
    FILE,
    MISSING,
    JournalStatus,
    ProcessStatus,
    ReclaimStatus,
    SinkStatus,
    SourceStatus,
    Status,
    sink_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.journal.segments import Segment

BLOCK_BYTES = 1 << 20  # one read while newlines are counted
TIME_SEARCH_BYTES = 1 << 20  # of the undelivered bytes searched for a record's time: 500 usual records
TIME_SEARCH_LINES = 16  # torn records come in ones and twos


def _number(settings: dict[str, object], key: str) -> int | None:
    value = settings.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(settings: dict[str, object], key: str) -> str | None:
    value = settings.get(key)
    return value if isinstance(value, str) else None


def pipe_bytes(path: str | None) -> int | None:
    """Return how many bytes wait in a FIFO, or None where that cannot be seen.

    Opens it for a moment, so only for a FIFO that another process keeps open for reading: else a writer that waits in
    open(2) would be let in and die of SIGPIPE when we close.
    """
    if path is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return None
        (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return int(count)


def _source(layout: Layout, settings: dict[str, object], *, capture_alive: bool) -> SourceStatus:
    """Return what is known of a FIFO, or that nothing is known."""
    fifo = _text(settings, "fifo")
    return SourceStatus(
        kind=None if fifo is None else "fifo",
        path=fifo,
        offset=None,
        apparent_size=None,
        real_size=None,
        pipe_bytes=pipe_bytes(fifo) if capture_alive else None,
        reserve_bytes=pipe_bytes(layout.reserve) if capture_alive else None,
    )


def _source_map(layout: Layout) -> SourceMap | None:
    """Read source.json; None where it is missing or not ours. Raises OSError for I/O trouble."""
    try:
        with open(layout.source, "rb") as file:
            return decode(file.read())
    except FileNotFoundError:
        return None


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _free_bytes(path: str) -> int | None:
    """Return what a file's volume has left; while the file is missing, its directory's volume."""
    for place in (path, os.path.dirname(path)):
        try:
            return free_bytes(place)
        except OSError:
            continue
    return None


def _file_source(path: str, known: SourceMap | None, journal_end: int) -> SourceStatus:
    """Return how a file as the source is. journal_end was read after `known`, so that an offset never lies ahead."""
    current = known.current if known is not None else None
    offset = current.position_at(journal_end) if current is not None else None
    status = _stat(path)
    is_current = current is not None and status is not None and status.st_ino == current.inode
    return SourceStatus(
        kind=FILE,
        path=path,
        offset=offset,
        apparent_size=status.st_size if status is not None else None,
        real_size=real_size(status) if status is not None else None,
        pipe_bytes=None,
        reserve_bytes=None,
        unread_bytes=max(0, status.st_size - offset) if is_current and status and offset is not None else None,
        free_bytes=_free_bytes(path),
        reclaim=_reclaim(known),
    )


def _reclaim(known: SourceMap | None) -> ReclaimStatus | None:
    if known is None or "way" not in known.reclaim:
        return None
    return ReclaimStatus(known.reclaim["way"], known.reclaim.get("reason", ""))


def _process(layout: Layout, role: str) -> ProcessStatus:
    pid = lock.holder(layout.lock(role))
    return ProcessStatus(pid or None, alive=pid is not None)


def _sealed_records(layout: Layout, segment: Segment) -> int | None:
    """Return the newlines of a whole segment as its seal says, or None without a seal that fits."""
    try:
        seal = read_seal(layout, segment.base)
    except (OSError, JournalError):
        return None
    return seal.records if seal.end == segment.end else None


def _blocks(reader: JournalReader, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of [start, end), or fewer where keep deletes them meanwhile. Raises JournalError."""
    while start < end and (block := reader.read(start, min(BLOCK_BYTES, end - start))):
        yield block
        start += len(block)


class _Lag:
    """How much of a journal lies before its end; asked once a sink."""

    def __init__(self, layout: Layout, reader: JournalReader, now: float) -> None:
        self._layout = layout
        self._reader = reader
        self._now = now
        self._segments = [segment for segment in reader.segments if segment.has_data]

    def records(self, cursor: int) -> int | None:
        """Return the newlines after cursor; whole sealed segments are not read. None where bytes are damaged."""
        count = 0
        try:
            for segment in self._segments:
                if segment.end <= cursor:
                    continue
                sealed = _sealed_records(self._layout, segment) if segment.base >= cursor and segment.sealed else None
                if sealed is None:
                    blocks = _blocks(self._reader, max(cursor, segment.base), segment.end)
                    sealed = sum(block.count(b"\n") for block in blocks)
                count += sealed
        except JournalError:
            return None
        return count

    def seconds(self, cursor: int) -> float | None:
        """Return the age of the first record after cursor: 0 where there is none, None where no time is found."""
        segment = next((segment for segment in self._segments if segment.end > cursor), None)
        if segment is None:
            return 0.0
        start = max(cursor, segment.base)
        try:
            block = b"".join(_blocks(self._reader, start, start + TIME_SEARCH_BYTES))
        except JournalError:
            return None
        lines = block.split(b"\n", TIME_SEARCH_LINES)[:-1]
        if not lines:
            return 0.0 if len(block) < TIME_SEARCH_BYTES else None  # the record under way is not late yet
        ages = (age_seconds(time, self._now) for line in lines if (time := record_time(line)) is not None)
        return next((age for age in ages if age is not None), None)


def age_seconds(time: str, now: float) -> float | None:
    """Return how long ago an RFC 3339 time was, never less than 0; None where it is no time."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(max(0.0, now - aware.timestamp()), 3)


def _cursor(path: str, reader: JournalReader, lag: _Lag, base: int) -> SinkStatus:
    """Return what a cursor says."""
    cursor = read_cursor(path)
    if cursor is None:
        return SinkStatus(None, None, None, None, MISSING)
    end = reader.end  # after the cursor was read, so that a sink never seems to be ahead
    behind = cursor.offset < end
    return SinkStatus(
        cursor=cursor.offset,
        lag_bytes=end - max(cursor.offset, base) if behind else 0,
        lag_records=lag.records(cursor.offset) if behind else 0,
        lag_seconds=lag.seconds(cursor.offset) if behind else 0.0,
        state=sink_state(cursor.offset, base, end),
        delivered=cursor.delivered,
        filtered=cursor.filtered,
        dead_letters=cursor.dead_letters,
    )


def _sinks(layout: Layout, reader: JournalReader, base: int, now: float, *, ship_alive: bool) -> dict[str, SinkStatus]:
    """Return every sink that has a cursor or was entered: its troubles count while ship runs, and are over when not."""
    entries = read_entries(layout.sinks)
    lag = _Lag(layout, reader, now)
    names = {name for name in _names(layout.cursors) if not name.endswith(TEMPORARY_SUFFIX)} | set(entries or ())
    sinks = {}
    for name in sorted(names):
        sink = _cursor(layout.cursor(name), reader, lag, base)
        entry = (entries or {}).get(name)
        if entry is not None:
            sink = replace(sink, type=entry.type)
            if entry.state == REMOVED or (ship_alive and entry.state != DELIVERING):
                sink = replace(sink, state=entry.state, why=entry.why, since=entry.since)
        sinks[name] = sink
    return sinks


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def gather_status(layout: Layout, now: float) -> Status:
    """Return how a journal is at this moment; now is wall-clock time in seconds.

    Raises JournalError where there is no journal, or none in our format, and OSError for I/O trouble.
    """
    who = identity.read(layout)
    state = boot.read(layout.boot)
    settings = state.settings if state is not None else {}
    processes = {role: _process(layout, role) for role in ROLES}
    file = _text(settings, "file")
    source_map = _source_map(layout) if file is not None else None
    reader = JournalReader(layout)
    try:
        base = reader.base
        sinks = _sinks(layout, reader, base, now, ship_alive=processes["ship"].alive)
        journal = JournalStatus(
            id=who.journal_id,
            path=layout.root,
            base=base,
            end=reader.end,
            bytes=reader.file_bytes + extra_bytes(layout),
            segments=sum(segment.has_data for segment in reader.segments),
            cap=_number(settings, "max_size"),
        )
    finally:
        reader.close()
    if file is not None:
        source = _file_source(file, source_map, journal.end)
    else:
        source = _source(layout, settings, capture_alive=processes["capture"].alive)
    counts = Counter(str(entry["kind"]) for entry in incidents.read(layout.incidents))
    return Status(
        journal=journal,
        source=source,
        sinks=sinks,
        incidents=dict(sorted(counts.items())),
        processes=processes,
    )
