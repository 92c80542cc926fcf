from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from standpipe.processes.restart import (
    DELAY_SECONDS_MAX,
    FIRST_DELAY_SECONDS,
    HEALTHY_SECONDS,
    RestartState,
    next_restart,
)


def delays(*alive_seconds: float) -> list[float]:
    """Return the delays before the restarts of a child that lived so long each time."""
    state, found = RestartState(), []
    for seconds in alive_seconds:
        state, delay_seconds = next_restart(state, seconds)
        found.append(delay_seconds)
    return found


def test_a_child_that_keeps_dying_is_started_ever_more_seldom() -> None:
    """The first restart is immediate; each later one in a row waits twice as long, up to a limit."""
    expected = [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert expected == delays(*[0.0] * 10)


def test_a_child_that_lived_a_while_is_started_at_once() -> None:
    """A child that was alive for the healthy time begins anew, however often it had died before."""
    assert [0.0, 0.1, 0.2, 0.0, 0.1] == delays(0.0, 0.5, 0.999, HEALTHY_SECONDS, 0.0)


@given(st.lists(st.floats(0, 1e9), max_size=60), st.integers(0, 10**6))
def test_a_delay_is_always_sane(alive_seconds: list[float], in_a_row: int) -> None:
    """No history gives a delay that is negative or beyond the limit, or a second immediate restart in a row."""
    found = delays(*alive_seconds)
    assert all(0 <= delay <= DELAY_SECONDS_MAX for delay in found)
    for delay, seconds in zip(found[1:], alive_seconds[1:], strict=True):
        assert (seconds >= HEALTHY_SECONDS) == (delay == 0)
        assert delay == 0 or delay >= FIRST_DELAY_SECONDS
    assert DELAY_SECONDS_MAX >= next_restart(RestartState(in_a_row), 0.0)[1]
