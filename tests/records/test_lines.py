from __future__ import annotations

import pytest
from hypothesis import given

from standpipe.records.framing import Framer
from standpipe.records.lines import count_newlines, first_time, last_newline, last_time, line_time
from tests.records.strategies import streams


@pytest.mark.parametrize(("data", "count", "last"), [(b"", 0, -1), (b"ab", 0, -1), (b"\n", 1, 0), (b"a\n\nb", 2, 2)])
def test_newlines(data: bytes, count: int, last: int) -> None:
    """Newlines are counted, and the last one is found."""
    assert (count, last) == (count_newlines(data), last_newline(data))


@pytest.mark.parametrize(
    ("line", "time"),
    [
        (b'{"time":"1"}', "1"),
        (b'{"a":{"time":"1"}}', None),
        (b'{"time":1}', None),
        (b'{"time":""}', None),
        (b'{"time":"1', None),
        (b'{"time":"1{"time":"2"}', "2"),
        (b"vault: {}", None),
        (b'vault: {"time":"3"}\r', "3"),
        (b"", None),
    ],
)
def test_line_time(line: bytes, time: str | None) -> None:
    """A line's time is that of the record that it ends with, behind any prefix; a line without one says None."""
    assert time == line_time(line)


def test_first_and_last_time_pass_over_what_has_none() -> None:
    """Torn lines and the bytes after the last newline have no time and hide none."""
    block = b'"rest of a record"}\n\n{"time":"1"}\n{"time":"2"}\n{"time":"3"}\njunk\n{"time":"4"}'
    assert ("1", "3") == (first_time(block), last_time(block))


@pytest.mark.parametrize("block", [b"", b"\n", b"\n\n", b'{"time":"1"}', b"junk\n{}\n"])
def test_no_time(block: bytes) -> None:
    """A block without a complete line that has a time gives None."""
    assert (None, None) == (first_time(block), last_time(block))


@given(streams)
def test_newline_count_is_the_number_of_lines_framed(data: bytes) -> None:
    """The scan that seals use agrees with framing: each newline ends a record, and nothing after the last one does."""
    framer = Framer(0)
    records = framer.feed(data)
    assert last_newline(data) + 1 == framer.offset
    assert count_newlines(data) == sum(data[record.end - 1 : record.end] == b"\n" for record in records)
