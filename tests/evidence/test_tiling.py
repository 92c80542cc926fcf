from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.evidence.tiling import RANGES_KEPT, Ranges, Tiling

Record = tuple[int, int, int]  # offset, end, after


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Record], list[int], list[bool]]:
    """Return the records of a journal, which of them one sink was sent, and which of those arrived."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=30))
    sent = draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    arrived = draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    offset, after, records, chosen = 0, 0, [], []
    for size, is_sent in zip(sizes, sent, strict=True):
        if is_sent:
            records.append((offset, offset + size, after))
            chosen.append(len(records) - 1)
            after = offset + size
        offset += size
    return records, chosen, arrived


def addresses(ranges: list[tuple[int, int]]) -> set[int]:
    """Return every address in some ranges."""
    return {address for start, end in ranges for address in range(start, end)}


def tiled(records: list[Record], start: int | None = 0) -> Tiling:
    """Return a tiling that took these."""
    tiling = Tiling(start)
    for offset, end, after in records:
        tiling.take(offset, end, after)
    return tiling


@settings(max_examples=200)
@given(deliveries())
def test_what_did_not_arrive_is_in_a_hole_and_nothing_else_is(made: tuple[list[Record], list[int], list[bool]]) -> None:
    """Against an oracle that knows all: a lost record between two that came is in a hole, and what came is in none."""
    records, _, arrived = made
    here = [record for record, is_here in zip(records, arrived, strict=False) if is_here]
    tiling = tiled(here)
    holes, filtered = addresses(tiling.holes.kept), addresses(tiling.filtered.kept)
    lost = addresses([(r[0], r[1]) for r in records if here and r not in here and r[0] < here[-1][0]])
    came = addresses([(r[0], r[1]) for r in here])
    assert lost <= holes
    assert not holes & came
    assert not filtered & (came | lost)
    assert bool(holes) == bool(lost)
    assert came | holes | filtered == set(range(tiling.position))


@settings(max_examples=200)
@given(deliveries(), st.data())
def test_two_sinks_with_different_filters(
    made: tuple[list[Record], list[int], list[bool]], data: st.DataObject
) -> None:
    """Each sink's lost record is in a hole, although the other one, which filters otherwise, says nothing of it."""
    intervals = [record[:2] for record in made[0]]
    flags = st.lists(st.booleans(), min_size=len(intervals), max_size=len(intervals))
    copies: dict[int, set[Record]] = {}
    lost_of_each = []
    for _ in range(2):
        wanted, after, mine = data.draw(flags), 0, []
        for (offset, end), is_wanted in zip(intervals, wanted, strict=True):
            if is_wanted:
                mine.append((offset, end, after))
                after = end
        lost = data.draw(st.integers(0, len(mine) - 2)) if len(mine) > 1 else None
        lost_of_each.append(mine[lost] if lost is not None else None)
        for number, record in enumerate(mine):
            if number != lost:
                copies.setdefault(record[0], set()).add(record)
    tiling = Tiling(0)
    for offset in sorted(copies):
        afters = sorted({after for _, _, after in copies[offset]})
        tiling.take(offset, max(copies[offset])[1], afters[-1], afters[:-1])
    gone = {record[:2] for record in lost_of_each if record is not None and record[0] not in copies}
    assert addresses(list(gone)) <= addresses(tiling.holes.kept)
    assert bool(gone) == bool(tiling.holes.count)


def test_a_window_begins_at_its_first_record() -> None:
    """Without a bound on the left nothing before the first record is missing."""
    tiling = tiled([(50, 60, 50), (60, 70, 60)], None)
    assert (tiling.base, tiling.position, tiling.holes.count, tiling.first_after) == (50, 70, 0, 50)


def test_the_left_bound_makes_the_head_a_hole() -> None:
    """With a bound, what was sent before the first record is missing."""
    assert tiled([(50, 60, 50)], 0).holes.kept == [(0, 50)]


def test_the_right_bound() -> None:
    """What a seal covers beyond the last record is a hole, unless the sink leaves records out: then nobody can tell."""
    tiling = tiled([(0, 10, 0)])
    assert (tiling.end_at(10), tiling.end_at(15), tiling.holes.kept) == (None, None, [(10, 15)])
    filtering = tiled([(0, 10, 0), (20, 30, 10)])
    assert (filtering.end_at(40), filtering.holes.kept, filtering.position) == ((30, 40), [], 30)


def test_records_that_claim_the_same_addresses() -> None:
    """They are an overlap, and the tiling goes on behind both."""
    tiling = tiled([(0, 10, 0), (5, 12, 5)])
    assert (tiling.overlaps.kept, tiling.position, tiling.covered) == ([(5, 10)], 12, 12)


def test_ranges_are_joined_and_counted() -> None:
    """Neighbours are one range; beyond the limit ranges are counted and not kept."""
    ranges = Ranges()
    for start in (0, 10, 30):
        ranges.add(start, start + 10)
    assert (ranges.kept, ranges.count, ranges.size) == ([(0, 20), (30, 40)], 2, 30)
    for number in range(RANGES_KEPT):
        ranges.add(100 + 2 * number, 101 + 2 * number)
    assert (len(ranges.kept), ranges.count) == (RANGES_KEPT, RANGES_KEPT + 2)
