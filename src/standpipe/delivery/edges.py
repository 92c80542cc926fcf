"""Where records begin and end in a journal, and which one stands at a time: for whoever starts in the middle."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.digest import record_time
from standpipe.journal.seal_store import read_seal
from standpipe.journal.span import Hole
from standpipe.records.framing import Framer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.delivery.feed import ReadsJournal
    from standpipe.journal.layout import Layout
    from standpipe.records.framing import Record
    from standpipe.records.selection import Selects

BLOCK_BYTES = 64 << 10  # of the search for a newline
SCAN_BYTES = 1 << 20  # a read where records are looked at one by one


def _last_line_start(reader: ReadsJournal, start: int, end: int) -> int | None:
    """Return where the last line in [start, end] begins: after a newline, or after a hole; None where neither is."""
    found = None
    position = start
    while position < end:
        data = reader.read(position, end - position)
        if data:
            newline = data.rfind(b"\n")
            found = found if newline < 0 else position + newline + 1
            position += len(data)
            continue
        hole = reader.span(position)
        if not isinstance(hole, Hole):
            break
        found = position = min(hole.end, end)
    return found


def record_start(reader: ReadsJournal, offset: int, base: int) -> int:
    """Return the beginning of the line that holds the byte at offset; base: where the journal begins."""
    end = offset
    while end > base:
        start = max(base, end - BLOCK_BYTES)
        try:
            found = _last_line_start(reader, start, end)
        except JournalError:
            return offset
        if found is not None:
            return found
        end = start
    return base


def record_end(reader: ReadsJournal, offset: int, end: int) -> int:
    """Return the end of the line that holds the byte before offset; end: where the journal ends."""
    if not offset:
        return 0
    position = offset - 1
    while position < end:
        data = reader.read(position, BLOCK_BYTES)
        if not data:  # a hole ends the line, and what stands before it is a record, though a torn one
            hole = reader.span(position)
            return min(hole.end if isinstance(hole, Hole) else position, end)
        found = data.find(b"\n")
        if found >= 0:
            return position + found + 1
        position += len(data)
    return end


def records_between(reader: ReadsJournal, start: int, end: int, prefix: bytes) -> Iterator[Record]:
    """Yield the records that begin in [start, end); start must be where one begins."""
    framer = Framer(start, prefix)
    while True:
        position = framer.offset + framer.pending
        data = reader.read(position, SCAN_BYTES)
        if data:
            records = framer.feed(data)
        else:
            hole = reader.span(position)
            if not isinstance(hole, Hole):
                return
            records = framer.skip_to(hole.end)
        for record in records:
            if record.offset >= end:
                return
            yield record
        if framer.offset >= end:
            return


def end_of_selected_before(
    reader: ReadsJournal, offset: int, base: int, selection: Selects | None, prefix: bytes
) -> int:
    """Return the end of the last record before offset that a sink got: what the one at offset says as `after`.

    offset: where a record begins. Goes back a segment at a time. Where nothing before it was for this sink, or is there
    no more: the end of the last hole before it, or the journal's base.
    """
    if selection is None:
        return offset
    held = [segment for segment in reader.segments if segment.has_data and segment.base <= offset]
    gaps = [later.base for earlier, later in pairwise(held) if earlier.end < later.base]
    floor = max([base, *gaps])  # what a hole lost was not filtered: nothing before its end counts
    stop = offset
    for segment_base in sorted((segment.base for segment in held), reverse=True):
        if segment_base < floor:
            break
        start = max(floor, record_start(reader, segment_base, base))
        wanted = [record.end for record in records_between(reader, start, stop, prefix) if selection.wants(record)]
        if wanted:
            return wanted[-1]
        stop = start
    return floor


def offset_at(layout: Layout, reader: ReadsJournal, moment: datetime, prefix: bytes) -> int:
    """Return the offset of the first record whose time is at or after a moment; the journal's end where none is.

    Whole segments are passed over by what their seals say. Records without a time count to the one after them.
    """
    for segment in reader.segments:
        if not segment.has_data or _ends_before(layout, segment.base, moment):
            continue
        start = record_start(reader, segment.base, reader.base)
        for record in records_between(reader, start, segment.end, prefix):
            time = None if record.torn else parse_time(record_time(record.body))
            if time is not None and time >= moment:
                return record.offset
    return reader.end


def _ends_before(layout: Layout, base: int, moment: datetime) -> bool:
    try:
        last = parse_time(read_seal(layout, base).last_time)
    except (OSError, JournalError):
        return False
    return last is not None and last < moment


def parse_time(text: str | None) -> datetime | None:
    """Return an RFC 3339 time as a moment, to the microsecond; None where it is none. Without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
