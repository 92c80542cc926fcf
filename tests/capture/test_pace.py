from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from standpipe.capture.pace import BUSY_FRACTION, PAUSE_MS, WINDOW_SECONDS, Pace

CAPACITY = 1 << 20
QUARTER = CAPACITY // BUSY_FRACTION
LIMIT = QUARTER * 1000 / PAUSE_MS  # bytes a second that fill a quarter of the pipe in one pause


def answers(rate: float, step_seconds: float, steps: int) -> list[bool]:
    """Feed moves at a steady rate in bytes a second, a step apart; return what was said after each."""
    pace = Pace(CAPACITY, 0.0)
    return [pace.is_busy(int(rate * step_seconds), (step + 1) * step_seconds) for step in range(steps)]


def test_usual_load_is_not_busy() -> None:
    """5,000 records of 1.9 kB a second are far from busy: they are coalesced."""
    assert {False} == set(answers(5000 * 1900, 0.003, 100))


def test_large_move_is_busy_at_once() -> None:
    """A move of a quarter of the pipe needs no rate."""
    pace = Pace(CAPACITY, 0.0)
    assert not pace.is_busy(QUARTER - 1, 0.001)
    assert pace.is_busy(QUARTER, 0.002)


def test_small_moves_at_a_high_rate_are_busy() -> None:
    """Where stdout is a small pipe each move is small, and the rate alone tells, after one window."""
    said = answers(1.1 * LIMIT, 0.0005, 100)
    assert {False} == set(said[: int(WINDOW_SECONDS / 0.0005) - 1])
    assert {True} == set(said[int(WINDOW_SECONDS / 0.0005) + 1 :])


def test_rate_below_the_limit_is_not_busy() -> None:
    """A rate that fills less than a quarter of the pipe in a pause is not busy, however long it lasts."""
    assert {False} == set(answers(0.9 * LIMIT, 0.0005, 2000))


def test_calm_after_a_burst() -> None:
    """One window at a low rate ends the busy time."""
    pace = Pace(CAPACITY, 0.0)
    assert pace.is_busy(10 * CAPACITY, 0.010)
    assert pace.is_busy(1, 0.015)
    assert not pace.is_busy(1, 0.030)
    assert not pace.is_busy(1, 10.0)


@given(st.lists(st.tuples(st.integers(0, 2 * CAPACITY), st.floats(0.0, 0.1)), max_size=50))
def test_never_a_pause_after_a_large_move(moves: list[tuple[int, float]]) -> None:
    """Whatever came before, a move of a quarter of the pipe is never followed by a pause."""
    pace = Pace(CAPACITY, 0.0)
    now = 0.0
    for moved, seconds in moves:
        now += seconds
        assert pace.is_busy(moved, now) or moved < QUARTER
