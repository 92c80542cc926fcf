"""Journal bytes into records that tile: every byte belongs to exactly one record, and none is dropped.

A complete line that is exactly one JSON object, after Vault's optional prefix, is one record. Vault can leave half an
entry behind (a full disk, a broken pipe) and then glue the next entry to it; so in any other line the place is sought
from which the rest is exactly one object: what stands before it is a *torn* record of its own, and the rest a record
like any other. A line without such a place is one torn record, and so is an empty line.

Nothing is emitted before its newline or a proven end, so the same bytes give the same records however they are cut
into reads.
"""

import msgspec

from standpipe.errors import JournalError, UsageError
from standpipe.records.objects import JSON_WHITESPACE, find_object, is_object

LINE_BYTES_MAX = 128 * 1024 * 1024
"""Bytes of one line, newline included, that are held in memory to parse it. A Vault request is at most 32 MiB
(``max_request_size``), but the answer to a LIST has no limit: lines of some tens of MB have been seen."""


class Record(msgspec.Struct, gc=False):
    """One interval of the journal and what it holds. Nothing in it can refer back to it, so no collector is needed."""

    offset: int
    """Journal offset of the first byte, Vault's prefix included."""
    length: int
    """Bytes, the newline included if there is one."""
    body: bytes
    """The JSON object alone (no prefix, newline or whitespace around it). Torn: all bytes but one final newline."""
    torn: bool
    """The bytes are not one JSON object, or their line never ended."""
    is_seal: bool = False
    """No record, but the seal of a segment: offset and length are the segment's, body is the seal file's object."""
    idle: int = 0
    """The number of an idle seal (journal.seal): its length is 0. 0 for a segment's seal, and for a record."""
    dropped: tuple[str, ...] = ()
    """What was cut out of the body for one destination (records.dropping): dotted paths, or ``*`` for all of it."""

    @property
    def end(self) -> int:
        """Journal offset of the first byte after the record."""
        return self.offset + self.length


def parse_line(line: bytes, offset: int, prefix: bytes = b"") -> list[Record]:
    """Return the one or two records of a complete line, given without its newline, whose first byte is at offset.

    Raises nothing, whatever the bytes. An empty line is a torn record of length 1. Half an entry glued to the
    next one gives a torn record and the entry; a prefix just before the entry belongs to the entry. A
    carriage return at the end is whitespace; a byte order mark is a torn record before the entry; an entry that is
    not UTF-8 is torn.
    """
    body = line.removeprefix(prefix).strip(JSON_WHITESPACE)
    if is_object(body):
        return [Record(offset, len(line) + 1, body, torn=False)]
    return _parse_other_line(line, offset, prefix)


def _parse_other_line(line: bytes, offset: int, prefix: bytes) -> list[Record]:
    """Do what parse_line does, for a line that is not just one object behind the prefix."""
    length = len(line) + 1
    start = find_object(line)
    if start is None:
        return [Record(offset, length, line, torn=True)]
    body = line[start:].rstrip(JSON_WHITESPACE)
    lead = line[:start].removesuffix(prefix)
    if not lead.strip(JSON_WHITESPACE):  # the prefix was no prefix after all, or whitespace stands before it
        return [Record(offset, length, body, torn=False)]
    middle = offset + len(lead)
    return [
        Record(offset, len(lead), lead, torn=True),
        Record(middle, length - len(lead), body, torn=False),
    ]


class Framer:
    """Takes bytes that follow on, in pieces of any size, and gives back the records that they complete.

    Time is linear in the bytes fed. Memory is at most a few times ``line_bytes_max``: a longer line is emitted as
    torn pieces of exactly that size and a rest, which tile, and no part of it is parsed. A reader that starts again
    inside such a line parses the line's rest, and the rest of a JSON object can never pass for an object (find_object).
    """

    __slots__ = ("_held", "_line_bytes_max", "_offset", "_overlong", "_prefix")

    def __init__(
        self,
        offset: int,
        prefix: bytes = b"",
        line_bytes_max: int = LINE_BYTES_MAX,
    ) -> None:
        """Start at a journal offset; raise UsageError for a prefix with a newline, or a limit below one byte."""
        if b"\n" in prefix:
            msg = "The prefix of the audit device contains a newline, so its records are not lines"
            raise UsageError(msg, "Set Vault's prefix option to a text without a newline")
        if line_bytes_max < 1:
            msg = f"A line may not be limited to {line_bytes_max} bytes"
            raise UsageError(msg, "Give a limit of one byte or more")
        self._offset = offset
        self._prefix = prefix
        self._line_bytes_max = line_bytes_max
        self._held = bytearray()
        self._overlong = False  # a line beyond the limit is under way: its rest will be torn pieces, too

    @property
    def offset(self) -> int:
        """Journal offset of the end of the last record emitted, where the pending bytes start."""
        return self._offset

    @property
    def pending(self) -> int:
        """Number of bytes held because their line has not ended yet; offset + pending is the next byte wanted."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Record]:
        """Take the next bytes and return the records that they complete.

        A line that comes in several reads is one record. Where reads are cut makes no difference.
        """
        records: list[Record] = []
        start = 0
        if self._held or self._overlong:
            start = data.find(b"\n") + 1
            if start == 0:
                self._hold(data, records)
                return records
            self._hold(data[: start - 1], records)
            self._end_line(records)
        start = self._frame_lines(data, start, records)
        self._hold(data[start:], records)
        return records

    def _frame_lines(self, data: bytes, start: int, records: list[Record]) -> int:
        """Take the lines that begin at start and end in data, while nothing is held; return where the rest begins."""
        # The one loop that every record goes through: names are local, the usual line is parsed in place, and find(),
        # which is memchr(3), is several times faster than split().
        offset, prefix, line_bytes_max = self._offset, self._prefix, self._line_bytes_max
        while (end := data.find(b"\n", start)) >= 0:
            line = data[start:end]
            length = end + 1 - start
            body = line.removeprefix(prefix).strip(JSON_WHITESPACE)
            if length > line_bytes_max:
                self._offset = offset
                self._hold(line, records)
                self._end_line(records)
            elif is_object(body):
                records.append(Record(offset, length, body, False))  # noqa: FBT003 - by keyword takes half as long again
            else:
                records += _parse_other_line(line, offset, prefix)
            offset += length
            start = end + 1
        self._offset = offset
        return start

    def finish(self) -> list[Record]:
        """Return the pending bytes as a torn record, if any: their end is proven (a gap, or the writer is gone).

        A whole object without its newline is torn as well: its writer did not get to the end. Bytes fed afterwards
        start a line of their own.
        """
        records: list[Record] = []
        self._overlong = False
        if self._held:
            self._emit_torn(self._take(), 0, records)
        return records

    def skip_to(self, offset: int) -> list[Record]:
        """Finish, because a gap follows, and go on at the offset where the gap ends; return what finish returns.

        Raises JournalError if the offset is before the bytes already fed: offsets only grow.
        """
        if offset < self._offset + len(self._held):
            fed = self._offset + len(self._held)
            msg = f"A gap cannot end at offset {offset}: the bytes before {fed} have been read"
            raise JournalError(msg, "Run `standpipe verify` on this journal")
        records = self.finish()
        self._offset = offset
        return records

    def _hold(self, data: bytes, records: list[Record]) -> None:
        """Keep bytes of an unfinished line; emit a piece whenever the limit is reached without a newline."""
        start = 0
        while len(self._held) + len(data) - start >= self._line_bytes_max:
            stop = start + self._line_bytes_max - len(self._held)
            self._held += data[start:stop]
            self._emit_torn(self._take(), 0, records)
            self._overlong = True
            start = stop
        self._held += data[start:] if start else data

    def _end_line(self, records: list[Record]) -> None:
        line = self._take()
        if self._overlong:
            self._overlong = False
            self._emit_torn(line, 1, records)
            return
        records += parse_line(line, self._offset, self._prefix)
        self._offset += len(line) + 1

    def _emit_torn(self, body: bytes, newline_bytes: int, records: list[Record]) -> None:
        records.append(Record(self._offset, len(body) + newline_bytes, body, torn=True))
        self._offset = records[-1].end

    def _take(self) -> bytes:
        held = bytes(self._held)
        self._held = bytearray()  # not clear(): the room for a huge line is given back
        return held
