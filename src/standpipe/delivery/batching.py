"""What stdout gets next: whole records from the journal, raw or as lines that a feed makes of them.

Nothing is sent before its newline, or a proven end: a gap, or the writer's death. A batch is at most BATCH_BYTES_MAX of
raw bytes or of lines, or one record where that is larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from standpipe.journal.span import Hole

if TYPE_CHECKING:
    from standpipe.delivery.feed import Feed, Parcel, ReadsJournal

BATCH_BYTES_MAX = 256 << 10  # what kill -9 may repeat; large enough that a system call a batch does not count
TAIL_BYTES = 8 << 10  # the last newline is nearly always here: a record has some 2 KiB
SCAN_BYTES = 256 << 10  # a block of the search for the end of a long record


@dataclass(frozen=True, slots=True)
class Batch:
    """Bytes [start, end) of the journal, to be sent; the cursor is at `next_offset` after them.

    `payload` is what to send, None for the raw bytes themselves; `suffix` is sent after them. `after` is the end of the
    last record; `parcel` what was made lines of, None for raw bytes.
    """

    start: int
    end: int
    next_offset: int
    after: int
    payload: bytes | None = None
    suffix: bytes = b""
    parcel: Parcel | None = None


class Batcher(Protocol):
    """Cuts what follows an offset into batches."""

    def next(self, offset: int) -> Batch | None:
        """Return the batch that begins at offset, None where no whole record follows yet."""

    def last(self, offset: int) -> Batch | None:
        """Return what is left when nothing will follow: a line without its newline, or None."""


class RawBatcher:
    """Batches of raw bytes. Looks for newlines only near the end of what there is."""

    def __init__(self, reader: ReadsJournal) -> None:
        self._reader = reader
        self._scanned_to = 0  # no newline between the current offset and here

    def next(self, offset: int) -> Batch | None:
        """See Batcher."""
        span = self._reader.span(offset)
        if span is None:
            return None
        if isinstance(span, Hole):
            return Batch(offset, offset, span.end, offset)
        end = self._last_line_end(offset, min(span.end, offset + BATCH_BYTES_MAX))
        if end is None:
            return self._long_record(offset)
        return Batch(offset, end, end, end)

    def _last_line_end(self, start: int, end: int) -> int | None:
        """Return the offset after the last newline in [start, end), or None."""
        position = end
        while position > start:
            length = min(TAIL_BYTES if position == end else SCAN_BYTES, position - start)
            found = self._read(position - length, length).rfind(b"\n")
            if found >= 0:
                return position - length + found + 1
            position -= length
        return None

    def _read(self, offset: int, length: int) -> bytes:
        """Read length bytes, which are there, unless keep has deleted them meanwhile."""
        data = self._reader.read(offset, length)
        while len(data) < length and (more := self._reader.read(offset + len(data), length - len(data))):
            data += more
        return data

    def _long_record(self, offset: int) -> Batch | None:
        """Find the end of a record that is longer than a batch, or that a segment's end or a gap cuts."""
        position = max(offset, self._scanned_to)
        while data := self._reader.read(position, SCAN_BYTES):
            found = data.find(b"\n")
            if found >= 0:
                end = position + found + 1
                return Batch(offset, end, end, end)
            position += len(data)
            self._scanned_to = position
        hole = self._reader.span(position)
        if isinstance(hole, Hole):
            return Batch(offset, position, hole.end, position, suffix=b"\n" if position > offset else b"")
        return None

    def last(self, offset: int) -> Batch | None:
        """See Batcher. No newline is added: what follows after another start continues the bytes exactly."""
        end = self._reader.end
        return Batch(offset, end, end, end) if end > offset else None


class ParcelBatcher:
    """Batches of the lines that a feed makes of records."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def next(self, offset: int) -> Batch | None:
        """See Batcher; offset must be where the batch before ended."""
        parcel = self._feed.next(0.0, at_once=True, reads=1)  # small batches: a kill repeats what is in one
        while parcel is None and self._feed.has_more:
            parcel = self._feed.next(0.0, at_once=True, reads=1)
        return self._batch(offset, parcel)

    def last(self, offset: int) -> Batch | None:
        """See Batcher; the rest becomes a torn record."""
        return self._batch(offset, self._feed.last())

    @staticmethod
    def _batch(start: int, parcel: Parcel | None) -> Batch | None:
        if parcel is None:
            return None
        payload = b"".join(parcel.batch.payloads)
        return Batch(start, parcel.offset, parcel.offset, parcel.after, payload=payload, parcel=parcel)
