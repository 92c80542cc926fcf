"""What to send next: whole records from the journal, raw or as lines with an envelope.

Nothing is sent before its newline, or a proven end: a gap, or the writer's death. A raw batch is at most
BATCH_BYTES_MAX of the journal, or one record where that is larger; a batch of lines may hold a record more, which began
in the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from standpipe.journal.span import Hole
from standpipe.records.framing import Framer

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.journal.reader import JournalReader
    from standpipe.records.framing import Record

BATCH_BYTES_MAX = 256 << 10  # what kill -9 may repeat; large enough that a system call a batch does not count
TAIL_BYTES = 8 << 10  # the last newline is nearly always here: a record has some 2 KiB
SCAN_BYTES = 256 << 10  # a block of the search for the end of a long record


@dataclass(frozen=True, slots=True)
class Batch:
    """Bytes [start, end) of the journal, to be sent; the cursor is at `next_offset` after them.

    `payload` is what to send, None for the raw bytes themselves; `suffix` is sent after them. `torn` are the records
    among them that are none; `after` is the end of the last record.
    """

    start: int
    end: int
    next_offset: int
    after: int
    payload: bytes | None = None
    suffix: bytes = b""
    torn: tuple[Record, ...] = ()


class Batcher(Protocol):
    """Cuts what follows an offset into batches."""

    def next(self, offset: int) -> Batch | None:
        """Return the batch that begins at offset, None where no whole record follows yet."""

    def last(self, offset: int) -> Batch | None:
        """Return what is left when nothing will follow: a line without its newline, or None."""


class RawBatcher:
    """Batches of raw bytes. Looks for newlines only near the end of what there is."""

    def __init__(self, reader: JournalReader) -> None:
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


class LineBatcher:
    """Batches of lines that `encode(record, after)` makes of records."""

    def __init__(
        self, reader: JournalReader, encode: Callable[[Record, int], bytes], offset: int, after: int, prefix: bytes
    ) -> None:
        self._reader = reader
        self._encode = encode
        self._after = after
        self._framer = Framer(offset, prefix)

    def next(self, offset: int) -> Batch | None:
        """See Batcher; offset must be where the batch before ended."""
        while True:
            position = self._framer.offset + self._framer.pending
            data = self._reader.read(position, BATCH_BYTES_MAX)
            if data:
                records = self._framer.feed(data)
            else:
                hole = self._reader.span(position)
                if not isinstance(hole, Hole):
                    return None
                records = self._framer.skip_to(hole.end)
                return self._batch(offset, position, records)
            if records:
                return self._batch(offset, self._framer.offset, records)

    def last(self, offset: int) -> Batch | None:
        """See Batcher; the rest becomes a torn record."""
        records = self._framer.finish()
        return self._batch(offset, self._framer.offset, records) if records else None

    def _batch(self, start: int, end: int, records: list[Record]) -> Batch:
        lines = []
        for record in records:
            lines.append(self._encode(record, self._after))
            self._after = record.end
        torn = tuple(record for record in records if record.torn)
        return Batch(start, end, self._framer.offset, self._after, payload=b"".join(lines), torn=torn)
