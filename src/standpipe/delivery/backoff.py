"""How long to wait before the next attempt. Pure: randomness is an argument.

Full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015): a random time up to a bound that doubles,
so that many senders whom one outage stopped do not come back at one moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SECONDS = 0.25  # a connection that was reset is usually there again at once
LONGEST_SECONDS = 30.0  # an hour's outage ends within this for us; a destination is not pestered
CONFIG_FIRST_SECONDS = 2.0  # a person mends it: nothing is gained by haste
CONFIG_LONGEST_SECONDS = 60.0
RETRY_AFTER_SECONDS_MAX = (
    600.0  # a destination that asks for more is asked again all the same: it may have lost its mind
)
DOUBLINGS_MAX = 16  # beyond the longest time for both


class Backoff:
    """The state of one sink. `random` returns a number in [0, 1)."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._in_a_row = 0

    def delivered(self) -> None:
        """Begin anew: something went through."""
        self._in_a_row = 0

    def next_seconds(self, asked_seconds: float | None, *, config_fault: bool) -> float:
        """Return how long to wait. asked_seconds: what the destination asked for, None where it did not."""
        first, longest = FIRST_SECONDS, LONGEST_SECONDS
        if config_fault:
            first, longest = CONFIG_FIRST_SECONDS, CONFIG_LONGEST_SECONDS
        bound = min(longest, first * (1 << min(self._in_a_row, DOUBLINGS_MAX)))
        self._in_a_row += 1
        seconds = bound * self._random()
        if config_fault:
            seconds = (bound + seconds) / 2  # slowly, also by chance
        return seconds if asked_seconds is None else max(seconds, min(asked_seconds, RETRY_AFTER_SECONDS_MAX))
