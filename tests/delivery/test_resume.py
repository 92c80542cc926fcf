from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.delivery.resume import LATEST, Output, Resume, first_start, lost_cursor, resume, start_of_new
from standpipe.journal.cursor import Cursor

PIPE, OTHER_PIPE = "pipe boot:1:2", "pipe boot:1:3"
FILE, OTHER_FILE = "other boot:1:4", "other boot:1:5"
BASE, END = 1000, 9000
CAPACITY = 4096


class Case(NamedTuple):
    """A cursor, what stdout is now, and what follows."""

    what: str
    cursor: Cursor
    output: Output
    expected: Resume


def cursor(offset: int, output: str | None, writing: int | None = None, unread: int | None = None) -> Cursor:
    """Return a state."""
    return Cursor(offset, offset, writing, output, unread)


CASES = [
    Case("never written", cursor(5000, None), Output(PIPE, CAPACITY), Resume(5000)),
    Case("same pipe, at rest", cursor(5000, PIPE, unread=10), Output(PIPE, CAPACITY), Resume(5000)),
    Case("same file, at rest", cursor(5000, FILE), Output(FILE, 0), Resume(5000)),
    Case(
        "same pipe, a write under way",
        cursor(5000, PIPE, writing=5300),
        Output(PIPE, CAPACITY),
        Resume(5000, end_fragment=True, repeat_end=5300, incident="repeat"),
    ),
    Case(
        "same file, a write under way",
        cursor(5000, FILE, writing=5300),
        Output(FILE, 0),
        Resume(5000, end_fragment=True, repeat_end=5300, incident="repeat"),
    ),
    Case(
        "an output that nobody noted, a write under way",
        cursor(5000, None, writing=5300),
        Output(PIPE, CAPACITY),
        Resume(5000, repeat_end=5300, incident="repeat"),
    ),
    Case("another file, at rest", cursor(5000, FILE), Output(OTHER_FILE, 0), Resume(5000)),
    Case(
        "another file, a write under way",
        cursor(5000, FILE, writing=5300),
        Output(OTHER_FILE, 0),
        Resume(5000, repeat_end=5300, incident="repeat"),
    ),
    Case("another pipe, all was read", cursor(5000, PIPE, unread=0), Output(OTHER_PIPE, CAPACITY), Resume(5000)),
    Case(
        "another pipe, a rest was not read",
        cursor(5000, PIPE, unread=300),
        Output(OTHER_PIPE, CAPACITY),
        Resume(4700, align=True, repeat_end=5000, incident="repeat"),
    ),
    Case(
        "a smaller pipe, a larger rest was not read",
        cursor(5000, PIPE, unread=3000),
        Output(OTHER_PIPE, 1024),
        Resume(2000, align=True, repeat_end=5000, incident="repeat"),
    ),
    Case(
        "another pipe, nobody knows what was read",
        cursor(5100, PIPE),
        Output(OTHER_PIPE, 4096),
        Resume(1004, align=True, repeat_end=5100, incident="repeat"),
    ),
    Case(
        "another pipe, more unread than the journal has",
        cursor(5000, PIPE, unread=4500),
        Output(OTHER_PIPE, CAPACITY),
        Resume(BASE, align=True, repeat_end=5000, incident="repeat"),
    ),
    Case(
        "another pipe, a write under way",
        cursor(5000, PIPE, writing=5300, unread=300),
        Output(OTHER_PIPE, CAPACITY),
        Resume(4700, align=True, repeat_end=5300, incident="repeat"),
    ),
    Case(
        "another pipe, all was read, a write under way",
        cursor(5000, PIPE, writing=5300, unread=0),
        Output(OTHER_PIPE, CAPACITY),
        Resume(5000, align=True, repeat_end=5300, incident="repeat"),
    ),
    Case(
        "a file after a pipe with a rest",
        cursor(5000, PIPE, unread=300),
        Output(FILE, 0),
        Resume(4700, align=True, repeat_end=5000, incident="repeat"),
    ),
    Case("a pipe after a file", cursor(5000, FILE), Output(PIPE, CAPACITY), Resume(5000)),
    Case("beyond the end", cursor(9001, PIPE), Output(PIPE, CAPACITY), Resume(END, incident="cursor-moved")),
    Case(
        "beyond the end, a write under way",
        cursor(9001, PIPE, writing=9100),
        Output(PIPE, CAPACITY),
        Resume(END, end_fragment=True, incident="cursor-moved"),
    ),
    Case("before the base", cursor(999, PIPE), Output(PIPE, CAPACITY), Resume(BASE, incident="cursor-moved")),
    Case(
        "before the base, a write under way",
        cursor(999, PIPE, writing=1100),
        Output(PIPE, CAPACITY),
        Resume(BASE, end_fragment=True, incident="cursor-moved"),
    ),
    Case(
        "before the base, a write under way on another pipe",
        cursor(999, PIPE, writing=1100),
        Output(OTHER_PIPE, CAPACITY),
        Resume(BASE, incident="cursor-moved"),
    ),
    Case("at the base", cursor(BASE, PIPE), Output(PIPE, CAPACITY), Resume(BASE)),
    Case("at the end", cursor(END, PIPE), Output(PIPE, CAPACITY), Resume(END)),
]


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_a_known_cursor(case: Case) -> None:
    """Each case of a known cursor goes on at its place, and says what may be repeated."""
    assert case.expected == resume(case.cursor, case.output, BASE, END)


@pytest.mark.parametrize(
    ("option", "added", "expected"),
    [
        (None, False, BASE),
        (None, True, END),
        ("earliest", False, BASE),
        ("earliest", True, BASE),
        (LATEST, False, END),
        (LATEST, True, END),
    ],
)
def test_where_a_new_sink_begins(option: str | None, *, added: bool, expected: int) -> None:
    """The first sinks of a journal get all of it; one that is added gets what comes; `start` beats both."""
    assert expected == start_of_new(option, BASE, END, added=added)


@pytest.mark.parametrize(("start", "expected"), [(0, BASE), (BASE + 5, BASE + 5), (END + 5, END)])
def test_a_first_start(start: int, expected: int) -> None:
    """A sink without a cursor begins where it was entered, within what the journal still holds."""
    assert Resume(expected) == first_start(start, BASE, END)


@pytest.mark.parametrize(("start", "expected"), [(0, BASE), (BASE + 5, BASE + 5), (END + 5, END)])
def test_a_lost_cursor(start: int, expected: int) -> None:
    """A damaged cursor means all that the sink should have had again, recorded, and never a gap."""
    lost = lost_cursor(start, BASE, END)
    assert Resume(expected, repeat_end=END, incident="cursor-lost") == lost


names = st.sampled_from([None, PIPE, OTHER_PIPE, FILE, OTHER_FILE])
outputs = st.one_of(
    st.builds(Output, st.sampled_from([PIPE, OTHER_PIPE]), st.integers(4096, 1 << 20)),
    st.builds(Output, st.sampled_from([FILE, OTHER_FILE]), st.just(0)),
)


@given(
    st.integers(0, 10**6),
    st.none() | st.integers(1, 10**6),
    names,
    st.none() | st.integers(0, 1 << 20),
    outputs,
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_nothing_is_skipped_and_nothing_is_repeated_in_secret(
    offset: int, ahead: int | None, name: str | None, unread: int | None, output: Output, base: int, length: int
) -> None:
    """Delivery never goes on beyond the cursor but at the journal's base; a step back or a cut write is recorded."""
    state = cursor(offset, name, None if ahead is None else offset + ahead, unread)
    plan = resume(state, output, base, base + length)
    assert base <= plan.offset <= max(base, min(offset, base + length))
    if plan.offset != offset or (ahead is not None and base <= offset):
        assert plan.incident is not None
    if plan.incident == "repeat":
        assert (ahead or 0) + offset == plan.repeat_end
    if plan.end_fragment:
        assert (True, name) == (ahead is not None, output.name)
