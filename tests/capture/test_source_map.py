from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.capture.source_map import (
    CLOSED_MAX,
    FILES_MAX,
    MARKS_MAX,
    PAIRS_MAX,
    Mark,
    SourceFile,
    SourceMap,
    decode,
)


def new_map() -> SourceMap:
    """Return an empty map."""
    return SourceMap("/audit.log", "boot", 0)


@given(st.lists(st.tuples(st.integers(0, 1 << 60), st.integers(1, 1 << 40)), min_size=1, max_size=20))
def test_what_is_saved_is_read_again(steps: list[tuple[int, int]]) -> None:
    """Encoding and decoding gives the same map, whatever files were begun and left."""
    source_map, journal = new_map(), 0
    for index, (source, count) in enumerate(steps):
        file = SourceFile(index, None if index % 2 else source)
        source_map.begin(file, source, journal)
        source_map.close_line(journal)
        if index % 3 == 0:
            source_map.leave(file, Mark(source + count, count, index))
        journal += count
    again = decode(source_map.encode())
    assert again is not None
    assert source_map.encode() == again.encode()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"{}", b'{"format":2}'])
def test_what_is_no_map_is_none(text: bytes) -> None:
    """Damage and other formats are no map."""
    assert decode(text) is None


@pytest.mark.parametrize("key", ["path", "boot_id", "reclaim", "closed", "files"])
def test_a_map_without_a_member_is_none(key: str) -> None:
    """A map that lacks something is not used in part."""
    entry = json.loads(new_map().encode())
    del entry[key]
    assert decode(json.dumps(entry).encode()) is None


def test_the_position_follows_the_journals_end() -> None:
    """The file with the highest pair is the current one, and its position moves with the journal."""
    source_map, first, second = new_map(), SourceFile(1, None), SourceFile(2, None)
    source_map.begin(first, 0, 0)
    source_map.leave(first, Mark(100, 100, 0))
    source_map.begin(second, 7, 100)
    assert second is source_map.current
    assert 27 == second.position_at(120)


def test_a_pair_that_was_never_used_gives_way() -> None:
    """What begins at an offset takes the place of what would have begun there, and forgets a file without bytes."""
    source_map, first, second = new_map(), SourceFile(1, None), SourceFile(2, None)
    source_map.begin(first, 0, 0)
    source_map.begin(second, 0, 0)
    assert [second] == source_map.files


def test_a_pair_beyond_the_journals_end_is_forgotten() -> None:
    """After a power loss the file before is the current one again, unless a newline of ours is due just there."""
    source_map, first, second = new_map(), SourceFile(1, None), SourceFile(2, None)
    source_map.begin(first, 0, 0)
    source_map.leave(first, Mark(50, 50, 0))
    source_map.close_line(50)
    source_map.begin(second, 0, 51)
    source_map.forget_after(50)
    assert source_map.owes_newline(50)
    assert second is source_map.current
    source_map.forget_after(49)
    assert first is source_map.current
    assert first.end is None
    assert [] == source_map.closed


def test_everything_is_bounded() -> None:
    """However long capture runs, the map stays small, and keeps the newest of all and a file's first mark."""
    source_map = new_map()
    for index in range(3 * FILES_MAX):
        file = SourceFile(index, None)
        for number in range(3 * PAIRS_MAX if index == 3 * FILES_MAX - 1 else 1):
            source_map.begin(file, number, 1000 * index + number)
        for number in range(3 * MARKS_MAX):
            file.add_mark(Mark(number, 0, 0))
        source_map.close_line(1000 * index)
    newest = source_map.files[-1]
    assert (FILES_MAX, PAIRS_MAX, MARKS_MAX) == (len(source_map.files), len(newest.pairs), len(newest.marks))
    assert CLOSED_MAX == len(source_map.closed)
    assert (0, 3 * MARKS_MAX - 1) == (newest.marks[0].offset, newest.marks[-1].offset)


def test_marks_after_a_new_one_are_of_bytes_that_have_gone() -> None:
    """A mark takes the place of all at or after it, and the last one at or before an offset is found."""
    file = SourceFile(1, None)
    for offset in (10, 20, 30, 15):
        file.add_mark(Mark(offset, 1, offset))
    assert [10, 15] == [mark.offset for mark in file.marks]
    found = file.mark_up_to(14)
    assert found is not None
    assert 10 == found.offset
    assert file.mark_up_to(9) is None


def test_an_unknown_birth_says_nothing() -> None:
    """Number and birth tell a file where both are known; another number always does."""
    assert SourceFile(1, 5).is_numbered(1, None)
    assert SourceFile(1, None).is_numbered(1, 5)
    assert not SourceFile(1, 5).is_numbered(1, 6)
    assert not SourceFile(1, 5).is_numbered(2, 5)
