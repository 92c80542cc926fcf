from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from standpipe.journal.retention import (
    DROP_OLDEST,
    Action,
    Candidate,
    Delete,
    DeleteIdle,
    Drop,
    Limits,
    excess_bytes,
    headroom_bytes,
    plan,
)

PLENTY = 1 << 40
NOW = 1000.0


def limits(
    age: float | None = None,
    size: int | None = None,
    cap: int = PLENTY,
    segment_size: int = 100,
    on_full: str = "block",
) -> Limits:
    """Return limits that delete nothing, but for the arguments."""
    return Limits(age, size, cap, segment_size, on_full)


def sealed(count: int, *, unsealed: int = 0, data_from: int = 0) -> list[Candidate]:
    """Return segments of 100 bytes, sealed at 0, 1, 2 …; the first ones without data, the last ones not sealed."""
    return [
        Candidate(100 * n, 100 * n + 100, 100, float(n) if n < count else None, n >= data_from, n == count - 1)
        for n in range(count + unsealed)
    ]


def bases(actions: list[Action]) -> list[int]:
    """Return which segments go."""
    return [action.base for action in actions]


def test_nothing_goes_without_a_reason() -> None:
    """Delivered segments stay while no limit is passed."""
    assert [] == plan(sealed(5), None, NOW, limits(), 500, PLENTY)


def test_old_delivered_segments_go() -> None:
    """The age counts from the sealing; a segment exactly as old as the limit stays."""
    actions = plan(sealed(5), None, NOW, limits(age=NOW - 2), 500, PLENTY)
    assert [Delete(0, 100, "age", keep_seal=False), Delete(100, 200, "age", keep_seal=False)] == actions


def test_delivered_segments_above_the_size_go() -> None:
    """The size limit counts delivered segments only."""
    assert [0, 100] == bases(plan(sealed(5), 400, NOW, limits(size=200), 500, PLENTY))


def test_undelivered_segments_stay_when_the_journal_blocks() -> None:
    """With on_full: block nothing undelivered goes, however full it is."""
    assert [] == plan(sealed(5), 0, NOW, limits(age=0, size=0, cap=500), 500, PLENTY)


def test_the_oldest_are_dropped_when_told_so() -> None:
    """With drop-oldest undelivered segments go until the headroom is back, and no further."""
    actions = plan(sealed(5), 0, NOW, limits(cap=500, on_full=DROP_OLDEST), 450, PLENTY)
    assert [Drop(0, 100, keep_seal=False)] == actions
    assert [] == plan(sealed(5), 0, NOW, limits(cap=500, age=0, size=0, on_full=DROP_OLDEST), 400, PLENTY)


def test_a_volume_without_space_is_pressure() -> None:
    """Delivered segments make room where the volume is full though the cap is far."""
    assert [0] == bases(plan(sealed(5), None, NOW, limits(), 500, 50))


def test_the_newest_seal_stays_when_its_data_goes() -> None:
    """The next seal links to the newest one."""
    actions = plan(sealed(2), None, NOW, limits(age=0), 200, PLENTY)
    assert [False, True] == [isinstance(action, Delete) and action.keep_seal for action in actions]


def test_leftover_seals_go_but_the_newest() -> None:
    """A seal whose data is gone goes as soon as a newer one exists."""
    assert [Delete(0, 100, "leftover", keep_seal=False)] == plan(
        sealed(2, data_from=1), None, NOW, limits(), 100, PLENTY
    )
    assert [] == plan(sealed(1, data_from=1, unsealed=1), None, NOW, limits(), 100, PLENTY)


def test_headroom_is_a_segment_or_an_eighth_but_never_over_half() -> None:
    """The headroom's three rules."""
    assert (100, 1000, 50) == (headroom_bytes(400, 100), headroom_bytes(8000, 100), headroom_bytes(100, 100))


@st.composite
def journals(draw: st.DrawFn) -> tuple[list[Candidate], int | None, Limits, int, int]:
    """Draw a journal's closed segments and everything else that a plan needs."""
    sizes = draw(st.lists(st.integers(1, 200), max_size=12))  # two segments never have one base
    sealed_count = draw(st.integers(0, len(sizes)))
    gone = draw(st.integers(0, sealed_count))
    candidates, base = [], draw(st.integers(0, 1000))
    for n, size in enumerate(sizes):
        sealed_at = float(draw(st.integers(0, 1000))) if n < sealed_count else None
        disk = draw(st.integers(0, size)) if n >= gone else 0
        candidates.append(Candidate(base, base + size, disk, sealed_at, n >= gone, n == sealed_count - 1))
        base += size + draw(st.sampled_from([0, 0, 7]))
    durable = draw(st.none() | st.integers(0, base + 10))
    drawn = Limits(
        draw(st.none() | st.integers(0, 1000).map(float)),
        draw(st.none() | st.integers(0, 1500)),
        draw(st.integers(2, 3000)),
        draw(st.integers(1, 200)),
        draw(st.sampled_from(["block", DROP_OLDEST])),
    )
    used = sum(c.disk_bytes for c in candidates) + draw(st.integers(0, 300))
    return candidates, durable, drawn, used, draw(st.integers(0, 3000))


@given(journals())
def test_a_plan_keeps_every_promise(journal: tuple[list[Candidate], int | None, Limits, int, int]) -> None:
    """Only sealed ones, a contiguous prefix, nothing undelivered under block, never the newest seal, no idle drop."""
    candidates, durable, drawn, used, free = journal
    actions = plan(candidates, durable, NOW, drawn, used, free)
    by_base = {candidate.base: candidate for candidate in candidates}
    gone = set(bases(actions))
    left_with_data = [c for c in candidates if c.has_data and c.base not in gone]
    assert all(base < left_with_data[0].base for base in gone) if left_with_data else True
    excess = excess_bytes(drawn, used, free)
    for action in actions:
        candidate = by_base[action.base]
        delivered = durable is None or candidate.end <= durable
        assert candidate.sealed_at is not None
        assert not isinstance(action, DeleteIdle)
        assert action.keep_seal or not candidate.newest_seal
        if candidate.has_data:
            assert delivered == isinstance(action, Delete)
            assert delivered or (drawn.on_full == DROP_OLDEST and excess > 0)
        excess -= candidate.disk_bytes
    stuck = next((c for c in left_with_data if excess > 0), None)
    if stuck is not None and stuck.sealed_at is not None:
        assert drawn.on_full == "block"
        assert durable is not None
        assert stuck.end > durable


@given(journals())
def test_a_second_plan_finds_nothing_more(journal: tuple[list[Candidate], int | None, Limits, int, int]) -> None:
    """What a plan leaves is what should be left: carried out, the next one is empty."""
    candidates, durable, drawn, used, free = journal
    actions = {action.base: action for action in plan(candidates, durable, NOW, drawn, used, free)}
    after, freed = [], 0
    for c in candidates:
        action = actions.get(c.base)
        if action is None:
            after.append(c)
            continue
        freed += c.disk_bytes
        if not isinstance(action, DeleteIdle) and action.keep_seal:
            after.append(Candidate(c.base, c.end, 0, c.sealed_at, has_data=False, newest_seal=True))
    assert [] == plan(after, durable, NOW, drawn, used - freed, free + freed)


# Idle seals.


def chained(*kinds: str) -> list[Candidate]:
    """Return segments (s) of 100 bytes and idle seals (i) of 10, sealed at 0, 1, 2 …; the last one is the newest."""
    found: list[Candidate] = []
    base = number = 0
    for place, kind in enumerate(kinds):
        newest = place == len(kinds) - 1
        if kind == "s":
            found.append(Candidate(base, base + 100, 100, float(place), newest_seal=newest))
            base, number = base + 100, 0
        else:
            number += 1
            found.append(Candidate(base, base, 10, float(place), has_data=False, newest_seal=newest, idle=number))
    return found


def test_idle_seals_go_by_age() -> None:
    """But for the last one before a segment, which goes with it, and the newest seal."""
    actions = plan(chained("i", "i", "i", "s", "i", "i"), None, NOW, limits(age=NOW - 3), 500, PLENTY)
    assert [DeleteIdle(0, 1, "age"), DeleteIdle(0, 2, "age")] == actions
    actions = plan(chained("s", "i", "i", "i"), None, NOW, limits(age=0), 500, PLENTY)
    assert [Delete(0, 100, "age", keep_seal=False), DeleteIdle(100, 1, "age"), DeleteIdle(100, 2, "age")] == actions


def test_idle_seals_go_with_the_segment_after_them() -> None:
    """Where the size limit deletes a segment, what is before it goes first."""
    actions = plan(chained("i", "s", "i", "i", "s", "i", "s", "i"), None, NOW, limits(size=100), 500, PLENTY)
    expected = [
        DeleteIdle(0, 1, "neighbour"),
        Delete(0, 100, "size", keep_seal=False),
        DeleteIdle(100, 1, "neighbour"),
        DeleteIdle(100, 2, "neighbour"),
        Delete(100, 200, "size", keep_seal=False),
    ]
    assert expected == actions


def test_idle_seals_go_for_room() -> None:
    """Where the journal needs room and nothing comes, they are what there is."""
    actions = plan(chained("i", "i", "i", "i"), None, NOW, limits(cap=1000, segment_size=10), 895, PLENTY)
    assert [DeleteIdle(0, 1, "room"), DeleteIdle(0, 2, "room")] == actions


def test_an_idle_seal_that_a_sink_lacks_stays() -> None:
    """Nothing after it goes either, unless room is made at any price."""
    chain = [replace(c, taken=False) if c.idle == 2 else c for c in chained("s", "i", "i", "i", "s", "s")]
    gone = [Delete(0, 100, "age", keep_seal=False), DeleteIdle(100, 1, "age")]
    assert gone == plan(chain, None, NOW, limits(age=0), 500, PLENTY)
    drop = limits(cap=1000, segment_size=10, on_full=DROP_OLDEST)
    assert DeleteIdle(100, 2, "room") in plan(chain, 0, NOW, drop, 1200, PLENTY)


def test_what_is_left_is_one_run() -> None:
    """A clock that was set back makes no gap in the middle of a chain."""
    chain = chained("i", "i", "i", "i")
    chain[0] = replace(chain[0], sealed_at=NOW + 5)
    assert [1, 2] == [
        a.number for a in plan(chain, None, NOW, limits(age=NOW - 2), 500, PLENTY) if isinstance(a, DeleteIdle)
    ]
