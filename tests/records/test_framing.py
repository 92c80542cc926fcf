from __future__ import annotations

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.errors import JournalError, UsageError
from standpipe.records.framing import LINE_BYTES_MAX, Framer, Record, parse_line
from standpipe.records.objects import find_object
from tests.records.strategies import ENTRY, PREFIX, entries, find_object_slowly, halves, is_strict_object, streams

BASE = 10**12
MIB = 1024 * 1024
WHITESPACE = b" \t\r"

prefixes = st.sampled_from([b"", PREFIX, b"{", b'"', b"  "])


def split_slowly(data: bytes, prefix: bytes = b"", line_bytes_max: int = LINE_BYTES_MAX) -> list[Record]:
    """Return the records as the rules say it, trying every place of every line."""
    *lines, fragment = data.split(b"\n")
    records: list[Record] = []
    for line in lines:
        if len(line) < line_bytes_max:
            records += split_line_slowly(line, prefix)
        else:
            records += cut_slowly(line, line_bytes_max)
            if len(line) % line_bytes_max == 0:
                records.append(Record(0, 0, b"", torn=True))
            records[-1].length += 1
    records += cut_slowly(fragment, line_bytes_max)
    offset = BASE
    for record in records:
        record.offset = offset
        offset = record.end
    return records


def cut_slowly(text: bytes, size: int) -> list[Record]:
    """Return torn pieces of this size and what is left; their offsets are filled in later."""
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return [Record(0, len(piece), piece, torn=True) for piece in pieces]


def split_line_slowly(line: bytes, prefix: bytes) -> list[Record]:
    """Return the records of one complete line; their offsets are filled in later."""
    for text in (line.removeprefix(prefix).strip(WHITESPACE), line.strip(WHITESPACE)):
        if is_strict_object(text):
            return [Record(0, len(line) + 1, text, torn=False)]
    place = find_object_slowly(line)
    if place is None:
        return [Record(0, len(line) + 1, line, torn=True)]
    text = line[place:].rstrip(WHITESPACE)
    start = place - len(prefix) if line[:place].endswith(prefix) else place
    if not line[:start].strip(WHITESPACE):
        return [Record(0, len(line) + 1, text, torn=False)]
    return [Record(0, start, line[:start], torn=True), Record(0, len(line) + 1 - start, text, torn=False)]


def feed_in_parts(parts: list[bytes], prefix: bytes = b"", line_bytes_max: int = LINE_BYTES_MAX) -> list[Record]:
    """Feed the parts in turn and finish; the framer's own account must add up at every step."""
    framer = Framer(BASE, prefix, line_bytes_max)
    records: list[Record] = []
    fed = BASE
    for part in parts:
        records += framer.feed(part)
        fed += len(part)
        assert fed == framer.offset + framer.pending
        assert framer.offset == (records[-1].end if records else BASE)
        assert framer.pending < line_bytes_max
    return records + framer.finish()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut data at places, counted modulo its length."""
    at = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:stop] for start, stop in pairwise(at)]


def one_byte_each(data: bytes) -> list[bytes]:
    """Cut data everywhere."""
    return [data[at : at + 1] for at in range(len(data))]


@given(streams, prefixes, st.lists(st.integers(0, 2000), max_size=6), st.sampled_from([1, 2, 7, 40, LINE_BYTES_MAX]))
def test_cuts_between_reads_make_no_difference(
    data: bytes, prefix: bytes, places: list[int], line_bytes_max: int
) -> None:
    """Fed whole, byte by byte or at random cuts, a stream gives the records that the slow splitter gives."""
    expected = split_slowly(data, prefix, line_bytes_max)
    assert expected == feed_in_parts([data], prefix, line_bytes_max)
    assert expected == feed_in_parts(one_byte_each(data), prefix, line_bytes_max)
    assert expected == feed_in_parts(cut(data, places), prefix, line_bytes_max)


@given(streams, prefixes, st.sampled_from([5, LINE_BYTES_MAX]))
def test_records_tile_and_bodies_are_their_bytes(data: bytes, prefix: bytes, line_bytes_max: int) -> None:
    """The intervals join up to the input, and each body is its interval without what the rules strip."""
    end = BASE
    for record in feed_in_parts([data], prefix, line_bytes_max):
        assert end == record.offset
        assert 1 <= record.length <= max(line_bytes_max, 1)
        end = record.end
        raw = data[record.offset - BASE : record.end - BASE]
        line = raw.removesuffix(b"\n")
        if record.torn:
            assert line == record.body
        else:
            stripped = line.strip(WHITESPACE)
            assert stripped.endswith(record.body)
            assert stripped.removesuffix(record.body).strip(WHITESPACE) in (b"", prefix.strip(WHITESPACE))
    assert BASE + len(data) == end


@given(halves(), entries, st.sampled_from([b"", PREFIX]))
def test_entry_glued_to_a_half_is_recovered(half: bytes, entry: bytes, prefix: bytes) -> None:
    """Whatever half was left behind, the next entry comes out whole, and the half is kept before it."""
    records = parse_line(half + prefix + entry, BASE, prefix)
    assert (entry, False) == (records[-1].body, records[-1].torn)
    assert len(prefix + entry) + 1 == records[-1].length or not half.strip(WHITESPACE)
    assert [half] == [record.body for record in records[:-1]] or not half.strip(WHITESPACE)


def test_every_cut_of_a_real_entry_is_recovered() -> None:
    """An entry as Vault writes it, torn at each of its bytes, never harms the one glued to it."""
    for size in range(1, len(ENTRY) + 1):
        half = ENTRY[:size]
        expected = [Record(7, size, half, torn=True), Record(7 + size, len(ENTRY) + 1, ENTRY, torn=False)]
        assert expected == parse_line(half + ENTRY, 7)


def test_several_halves_are_one_torn_record() -> None:
    """All that stands before the entry is one interval, however many writes it came from."""
    lead = b'{"time":"1{"time":"2","a":{}'
    assert [lead, b"{}"] == [record.body for record in parse_line(lead + b"{}", 0)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"vault: {}", [(9, b"{}", False)]),
        (b"{}", [(2, b"{}", False)]),
        (b"vault:  {} \r", [(12, b"{}", False)]),
        (b"vault: ", [(7, b"vault: ", True)]),
        (b"vauvault: {}", [(3, b"vau", True), (9, b"{}", False)]),
        (b'vault: {"a":vault: {}', [(12, b'vault: {"a":', True), (9, b"{}", False)]),
        (b'vault: {"a":{}', [(12, b'vault: {"a":', True), (2, b"{}", False)]),
        (b" \tvault: {}", [(11, b"{}", False)]),
        (b"vault: vault: {}", [(7, b"vault: ", True), (9, b"{}", False)]),
    ],
)
def test_prefix_belongs_to_the_record_behind_it(line: bytes, expected: list[tuple[int, bytes, bool]]) -> None:
    """Vault's prefix is inside the interval and outside the body; a line without it is a record as well."""
    records = Framer(0, b"vault: ").feed(line + b"\n")
    lengths = [record.length for record in records[:-1]] + [records[-1].length - 1]
    assert expected == [(length, r.body, r.torn) for length, r in zip(lengths, records, strict=True)]


def test_object_that_begins_like_the_prefix() -> None:
    """Where the prefix is the beginning of an object, a line without the prefix is a whole record all the same."""
    assert [Record(0, 8, b'{"a":1}', torn=False)] == parse_line(b'{"a":1}', 0, b'{"a"')


def test_empty_lines_are_kept() -> None:
    """An empty line is a torn record of length 1, and the lines around it are unharmed."""
    expected = [
        Record(0, 1, b"", torn=True),
        Record(1, 1, b"", torn=True),
        Record(2, 3, b"{}", torn=False),
        Record(5, 1, b"", torn=True),
        Record(6, 3, b"{}", torn=False),
    ]
    assert expected == Framer(0).feed(b"\n\n{}\n\n{}\n")


def test_line_endings_marks_and_bad_utf8() -> None:
    """CRLF is whitespace, a byte order mark is torn off, an entry that is not UTF-8 is torn; nothing raises."""
    data = b'{"a":1}\r\n\xef\xbb\xbf{"b":2}\n{"c":"\xff"}\n\xff\xfe\n{"d":\xc3{"e":"\xc3\xa9"}\r\n'
    expected = [
        (b'{"a":1}', False),
        (b"\xef\xbb\xbf", True),
        (b'{"b":2}', False),
        (b'{"c":"\xff"}', True),
        (b"\xff\xfe", True),
        (b'{"d":\xc3', True),
        (b'{"e":"\xc3\xa9"}', False),
    ]
    assert expected == [(record.body, record.torn) for record in Framer(0).feed(data)]


@pytest.mark.parametrize("length", [65536 * k + d for k in (1, 2) for d in (-2, -1, 0, 1)])
def test_lines_at_the_edges_of_reads(length: int) -> None:
    """Lines whose end falls just before, on and just after the edge of a read are whole."""
    line = b'{"a":"' + b"x" * (length - 8) + b'"}'
    data = (line + b"\n") * 3
    records = feed_in_parts([data[at : at + 65536] for at in range(0, len(data), 65536)])
    assert [(line, False)] * 3 == [(record.body, record.torn) for record in records]


def test_huge_line_is_one_record_and_the_next_is_unharmed() -> None:
    """A line of 64 MiB, as a LIST can give, comes out whole from reads of 64 KiB."""
    line = b'{"response":{"data":{"keys":["' + b'0123456789abc","' * (4 * MIB) + b'"]}}}'
    data = line + b"\n{}\n"
    records = feed_in_parts([data[at : at + 65536] for at in range(0, len(data), 65536)])
    assert [(len(line) + 1, False), (3, False)] == [(record.length, record.torn) for record in records]
    assert line == records[0].body


@pytest.mark.parametrize("extra", [0, 1, 5, 10, 11])
def test_line_beyond_the_limit_is_torn_pieces(extra: int) -> None:
    """A line beyond the limit becomes pieces as long as the limit, none is parsed, and the next line is whole."""
    line = b" " * 18 + b"{}" + b" " * extra
    records = Framer(0, line_bytes_max=10).feed(line + b"\n{}\n")
    pieces = [line[at : at + 10] for at in range(0, 20 + extra, 10)] + [b""] * (extra % 10 == 0)
    assert [(piece, True) for piece in pieces] + [(b"{}", False)] == [(record.body, record.torn) for record in records]
    assert len(line) + 1 + 3 == records[-1].end


def test_line_beyond_the_limit_behind_a_short_one() -> None:
    """Pieces of a long line in one read with lines around it stand at their own offsets."""
    expected = [(0, b"{}", False), (3, b"xxxx", True), (7, b"xx", True), (10, b"{}", False)]
    records = Framer(0, line_bytes_max=4).feed(b"{}\nxxxxxx\n{}\n")
    assert expected == [(record.offset, record.body, record.torn) for record in records]


def test_rest_of_a_long_line_that_was_cut_at_the_limit() -> None:
    """Where a read ends with a piece, and nothing of the line is held, what follows is still the line's rest."""
    framer = Framer(0, line_bytes_max=4)
    assert [Record(0, 4, b"xxxx", torn=True)] == framer.feed(b"xxxx")
    assert [Record(4, 3, b"{}", torn=True), Record(7, 3, b"{}", torn=False)] == framer.feed(b"{}\n{}\n")


def test_line_of_exactly_the_limit_is_parsed() -> None:
    """The limit counts the newline."""
    assert [False] == [record.torn for record in Framer(0, line_bytes_max=8).feed(b'{"a":1}\n')]
    assert [True, True] == [record.torn for record in Framer(0, line_bytes_max=7).feed(b'{"a":1}\n')]


def test_memory_is_bounded_without_a_newline() -> None:
    """While a line goes on for ever, never more than the limit is held."""
    framer = Framer(0, line_bytes_max=1000)
    held = []
    for _ in range(100):
        framer.feed(b"{" * 333)
        held.append(framer.pending)
    assert max(held) < 1000


@given(entries, st.data())
def test_rest_of_an_entry_is_no_record(entry: bytes, data: st.DataObject) -> None:
    """A reader that starts again never takes the rest of an entry for an entry, wherever it starts."""
    text = entry.replace(b"\n", b"")
    start = data.draw(st.integers(1, len(text)))
    assert find_object(text[start:]) is None


def test_finish_gives_the_fragment_once_and_the_next_bytes_their_own_record() -> None:
    """A proven end makes the pending bytes torn, even a whole object; what follows starts at its own offset."""
    framer = Framer(100)
    assert [] == framer.feed(b'{"a":1}')
    assert (100, 7) == (framer.offset, framer.pending)
    assert [Record(100, 7, b'{"a":1}', torn=True)] == framer.finish()
    assert [] == framer.finish()
    assert [Record(107, 3, b"{}", torn=False)] == framer.feed(b"{}\n")


def test_finish_ends_an_overlong_line() -> None:
    """After a proven end inside an over-long line, the next line is parsed."""
    framer = Framer(0, line_bytes_max=4)
    assert [Record(0, 4, b"xxxx", torn=True)] == framer.feed(b"xxxxxx")
    assert [Record(4, 2, b"xx", torn=True)] == framer.finish()
    assert [Record(6, 3, b"{}", torn=False)] == framer.feed(b"{}\n")


def test_gap_ends_the_fragment() -> None:
    """A gap never joins the bytes before it to those after it, and framing goes on behind it."""
    framer = Framer(0)
    assert [] == framer.feed(b'{"a":')
    assert [Record(0, 5, b'{"a":', torn=True)] == framer.skip_to(1000)
    assert (1000, 0) == (framer.offset, framer.pending)
    assert [Record(1000, 3, b"1}", torn=True), Record(1003, 3, b"{}", torn=False)] == framer.feed(b"1}\n{}\n")
    assert [] == framer.skip_to(1006)


def test_gap_that_ends_before_bytes_already_read_is_refused() -> None:
    """Offsets only grow: going back is an error that names both offsets, and changes nothing."""
    framer = Framer(0)
    framer.feed(b"{}\nabc")
    with pytest.raises(JournalError, match="offset 5: the bytes before 6 "):
        framer.skip_to(5)
    assert (3, 3) == (framer.offset, framer.pending)


def test_settings_that_cannot_work_are_refused() -> None:
    """A prefix with a newline, and a limit below one byte, are usage errors."""
    with pytest.raises(UsageError, match="newline"):
        Framer(0, b"a\nb")
    with pytest.raises(UsageError, match="0 bytes"):
        Framer(0, line_bytes_max=0)


def test_random_bytes_are_kept() -> None:
    """Binary junk raises nothing and comes back byte by byte."""
    data = os.urandom(MIB)
    records = feed_in_parts([data])
    raw = b"".join(data[record.offset - BASE : record.end - BASE] for record in records)
    assert data == raw
