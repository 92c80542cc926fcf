from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.analysis.coverage import Coverage
from standpipe.analysis.sources import Source, Stretch

RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=8)


@settings(max_examples=200, deadline=None)
@given(RANGES, st.lists(RANGES, max_size=3))
def test_every_address_once(taken: list[tuple[int, int]], sources: list[list[tuple[int, int]]]) -> None:
    """Whatever ranges come: each address of a journal is taken by the first that has it, and by no other."""
    covered = Coverage()
    seen = set()
    for start, length in taken:
        covered.add("j", start, start + length)
        seen |= set(range(start, start + length))
    for ranges in sources:
        disjoint, end = [], 0
        for start, length in sorted(ranges):
            if length and start >= end:
                end = start + length
                disjoint.append(Stretch("journal", "/j", "n", "j", start, end))
        kept = covered.without(Source("n", "j", disjoint, [], []))
        addresses = [at for stretch in kept.stretches for at in range(stretch.start, stretch.end)]
        wanted = {at for stretch in disjoint for at in range(stretch.start, stretch.end)}
        assert sorted(wanted - seen) == sorted(addresses)
        seen |= wanted


def test_other_journals_are_other_addresses() -> None:
    """What one journal has says nothing of another."""
    covered = Coverage()
    covered.add("k", 0, 10)
    source = Source("n", "j", [Stretch("journal", "/j", "n", "j", 0, 10)], [], [])
    assert source == covered.without(source)
