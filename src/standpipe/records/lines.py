"""Newline scans over raw journal bytes: a seal's count and times come from here, without framing the segment."""

from collections.abc import Iterator

from standpipe.records.fields import parse_fields
from standpipe.records.framing import parse_line

NEWLINE = b"\n"


def count_newlines(data: bytes) -> int:
    """Return how many lines end in these bytes."""
    return data.count(NEWLINE)


def last_newline(data: bytes) -> int:
    """Return the index of the last newline; -1 if there is none."""
    return data.rfind(NEWLINE)


def line_time(line: bytes) -> str | None:
    """Return the ``time`` of the record that a complete line ends with; None if it is torn or does not say.

    Vault's prefix need not be known: it is found like half an entry before the record.
    """
    record = parse_line(line, 0)[-1]
    return None if record.torn else parse_fields(record.body).time or None


def first_time(block: bytes) -> str | None:
    """Return the time of the first complete line that has one.

    ``block`` is the beginning of a segment. Where a record straddles the cut, the first line is its rest and has no
    time. None if no complete line of the block has a time; more bytes may.
    """
    return next((time for line in _lines(block) if (time := line_time(line)) is not None), None)


def last_time(block: bytes) -> str | None:
    """Return the time of the last complete line that has one.

    ``block`` is the end of a segment; bytes after its last newline are no line. Its first line may have been cut by
    the block's own beginning, and may then lack its time. None if no complete line of the block has a time; those of
    a longer block may.
    """
    return next((time for line in _lines_backwards(block) if (time := line_time(line)) is not None), None)


def _lines(block: bytes) -> Iterator[bytes]:
    start = 0
    while (end := block.find(NEWLINE, start)) >= 0:
        yield block[start:end]
        start = end + 1


def _lines_backwards(block: bytes) -> Iterator[bytes]:
    end = block.rfind(NEWLINE)
    while end >= 0:
        start = block.rfind(NEWLINE, 0, end)
        yield block[start + 1 : end]
        end = start
