"""The demo's comparison of stdout with the journal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from standpipe.demo.alignment import ListedRepeat, align, split_records

LINES = [f'{{"n":{number}}}\n'.encode() for number in range(6)]
JOURNAL = b"".join(LINES)
BASE = 1000
SIZE = len(LINES[0])


def offset(number: int) -> int:
    """Return the journal offset of a line."""
    return BASE + number * SIZE


def test_the_same_bytes() -> None:
    """An stdout that is the journal has everything once."""
    found = align(JOURNAL, JOURNAL, BASE, [])
    assert (6, 0, 0, 0, [], True) == (
        len(found.delivered),
        found.repeated,
        found.cut_lines,
        found.missing,
        found.strangers,
        found.same_digest,
    )


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, SIZE - 1))
def test_a_cut_and_a_listed_repeat_are_allowed(first: int, last: int, cut: int) -> None:
    """After a cut line the listed records come again; nothing is then missing, unlisted or out of order."""
    first, last = min(first, last), max(first, last)
    fragment = LINES[last][:cut] + b"\n" if cut else b""
    stdout = b"".join(LINES[:last]) + fragment + b"".join(LINES[first:])
    found = align(stdout, JOURNAL, BASE, [ListedRepeat(offset(first), (last - first) * SIZE + cut)])
    completed = cut == SIZE - 1  # only its newline was missing, and ship's own newline then makes it a record
    assert (last - first + completed, 0, 0, 0, []) == (
        found.repeated,
        found.repeated_unlisted,
        found.out_of_order,
        found.missing,
        found.strangers,
    )
    assert (bool(fragment) and not completed) == (found.cut_lines == 1)
    assert found.same_digest


def test_a_repeat_outside_the_list_is_counted() -> None:
    """Records that come twice without being listed are told apart from listed ones."""
    stdout = b"".join(LINES[:4] + LINES[2:])
    found = align(stdout, JOURNAL, BASE, [ListedRepeat(offset(2), SIZE)])
    assert (2, 1) == (found.repeated, found.repeated_unlisted)


@given(st.integers(0, 5))
def test_a_lost_line_is_missing(number: int) -> None:
    """A line that never came is missing, and the digests differ."""
    found = align(b"".join(LINES[:number] + LINES[number + 1 :]), JOURNAL, BASE, [])
    assert (1, False) == (found.missing, found.same_digest)


@given(st.integers(0, len(JOURNAL) - 1))
def test_one_byte_less_in_the_journal_is_seen(position: int) -> None:
    """Whatever byte the journal lacks, its bytes are no longer those of stdout."""
    found = align(JOURNAL, JOURNAL[:position] + JOURNAL[position + 1 :], BASE, [])
    assert found.strangers
    assert not found.same_digest


def test_strangers_count_as_delivered() -> None:
    """What is on stdout is delivered, whether the journal has it or not; only then do the counts not lean on it."""
    found = align(JOURNAL, b"".join(LINES[3:]), BASE, [])
    assert (LINES, LINES[:3], False) == (found.delivered, found.strangers, found.same_digest)


def test_lines_that_change_places_are_out_of_order() -> None:
    """A line that comes before the one that should precede it is counted, though none is missing."""
    found = align(LINES[1] + LINES[0] + b"".join(LINES[2:]), JOURNAL, BASE, [])
    assert (2, 0) == (found.out_of_order, found.missing)


def test_a_cut_line_needs_a_listed_repeat() -> None:
    """Half a line on stdout is a stranger where ship lists nothing."""
    found = align(LINES[0][:3] + b"\n" + JOURNAL, JOURNAL, BASE, [])
    assert [LINES[0][:3] + b"\n"] == found.strangers


@given(st.binary(max_size=50))
def test_split_records_loses_nothing(data: bytes) -> None:
    """The lines put together are the data."""
    assert data == b"".join(split_records(data))
