from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from standpipe.evidence.intervals import merge, subtract

small = st.tuples(st.integers(0, 40), st.integers(0, 40))


def addresses(intervals: list[tuple[int, int]]) -> set[int]:
    """Return the addresses one by one."""
    return {address for start, end in intervals for address in range(start, end)}


@given(st.lists(small))
def test_merge_keeps_the_addresses_and_leaves_room_between_ranges(intervals: list[tuple[int, int]]) -> None:
    """Merged ranges hold the same addresses, in order, and no two of them touch."""
    merged = merge(intervals)
    assert addresses(intervals) == addresses(merged)
    assert all(before[1] < after[0] for before, after in pairwise(merged))
    assert all(start < end for start, end in merged)


@given(small, st.lists(small))
def test_subtract_leaves_what_nothing_covers(whole: tuple[int, int], covered: list[tuple[int, int]]) -> None:
    """What is left over is the set difference, in order."""
    left = subtract(whole, covered)
    assert addresses([whole]) - addresses(covered) == addresses(left)
    assert sorted(left) == left
