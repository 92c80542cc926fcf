from hypothesis import given
from hypothesis import strategies as st

from standpipe.delivery.backoff import (
    CONFIG_FIRST_SECONDS,
    CONFIG_LONGEST_SECONDS,
    FIRST_SECONDS,
    LONGEST_SECONDS,
    RETRY_AFTER_SECONDS_MAX,
    Backoff,
)


def almost_one() -> float:
    """Return the largest number that a random source may give, nearly."""
    return 1 - 1e-12


def test_the_bound_doubles_up_to_the_longest() -> None:
    """A quarter of a second, then twice that, and never more than half a minute."""
    backoff = Backoff(almost_one)
    found = [round(backoff.next_seconds(None, config_fault=False), 6) for _ in range(9)]
    assert [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] == found


def test_a_delivery_begins_anew() -> None:
    """What went through proves that the destination is there."""
    backoff = Backoff(almost_one)
    for _ in range(5):
        backoff.next_seconds(None, config_fault=False)
    backoff.delivered()
    assert FIRST_SECONDS == round(backoff.next_seconds(None, config_fault=False), 6)


@given(
    chance=st.floats(0, 1, exclude_max=True),
    asked=st.none() | st.floats(0, 1e9),
    faults=st.lists(st.booleans(), min_size=1, max_size=40),
)
def test_bounds(chance: float, asked: float | None, faults: list[bool]) -> None:
    """Never longer than the longest, or what was asked for up to its cap; never shorter than asked; faults are slow."""
    backoff = Backoff(lambda: chance)
    for in_a_row, config_fault in enumerate(faults):
        first = CONFIG_FIRST_SECONDS if config_fault else FIRST_SECONDS
        longest = CONFIG_LONGEST_SECONDS if config_fault else LONGEST_SECONDS
        bound = min(longest, first * 2**in_a_row)
        wanted = 0.0 if asked is None else min(asked, RETRY_AFTER_SECONDS_MAX)
        seconds = backoff.next_seconds(asked, config_fault=config_fault)
        assert max(wanted, bound / 2 if config_fault else 0.0) <= seconds <= max(bound, wanted)


def test_thousands_of_failures_are_no_large_number() -> None:
    """An outage of a year does not grow the state."""
    backoff = Backoff(almost_one)
    for _ in range(5000):
        backoff.next_seconds(None, config_fault=False)
    assert LONGEST_SECONDS == round(backoff.next_seconds(None, config_fault=False), 6)
