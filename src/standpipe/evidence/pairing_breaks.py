"""Places at which one half of a pair may be cut off from the other: the head, the tail, gaps, stops. Pure.

A break explains a half that stands close to it in time only: no longer before or after than a request may take. How
long that is, is learnt from the requests that were answered (OPEN_FACTOR × the longest), so that in a log of quick
requests an old one without its response is told, and in one of slow requests a young one is not.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import datetime

OPEN_FACTOR = 4  # the longest answer seen is no bound of the next one; four times that is a rare one
OPEN_SECONDS_MIN = 1.0  # a log of few requests has not shown its slow ones yet
OPEN_SECONDS_MAX = 90.0  # Vault's max_request_duration, by default
MERGE_SECONDS = 1.0  # breaks closer than this are one: what is kept is bounded by the seconds of the log


def parse_seconds(text: str) -> float | None:
    """Return an RFC 3339 time in seconds since 1970, to the microsecond; None where it is no such time."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def open_seconds(longest_seconds: float) -> float:
    """Return how long after its request a response may still be expected, given the longest that one took."""
    return min(max(OPEN_FACTOR * longest_seconds, OPEN_SECONDS_MIN), OPEN_SECONDS_MAX)


class Breaks:
    """Breaks of one node's records, in the order of their offsets.

    Each is ``[start, end]`` in offsets, with the time of the last record before it and of the first one after it, in
    seconds; None where no record told one, and then it explains nothing on that side.
    """

    __slots__ = ("_after", "_before", "_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._before: list[float | None] = []
        self._after: list[float | None] = []

    @property
    def count(self) -> int:
        """How many there are; those that lie close together are one."""
        return len(self._starts)

    def add(self, start: int, end: int, before: float | None) -> None:
        """Note a break that begins at an offset beyond all others, after a record of the given time."""
        last_after = self._after[-1] if self._after else None
        if before is not None and last_after is not None and 0 <= before - last_after <= MERGE_SECONDS:
            self._ends[-1] = end
            self._after[-1] = None
            return
        if self._ends and start <= self._ends[-1] and self._after[-1] is None:  # they touch: nothing stands between
            self._ends[-1] = max(end, self._ends[-1])
            return
        self._starts.append(start)
        self._ends.append(end)
        self._before.append(before)
        self._after.append(None)

    def resume(self, time: float | None) -> None:
        """Say the time of the first record after the last break."""
        if self._after:
            self._after[-1] = time

    def cuts_response(self, offset: int, time: float | None, seconds: float) -> bool:
        """Tell whether the response of a request at this offset may be in a break: the next one begins soon enough."""
        index = bisect_left(self._starts, offset)
        if index and offset < self._ends[index - 1]:
            return True  # between breaks that are one
        before = self._before[index] if index < len(self._starts) else None
        return time is not None and before is not None and before - time <= seconds

    def cuts_request(self, offset: int, time: float | None, seconds: float) -> bool:
        """Tell whether the request of a response at this offset may be in a break: the last one ended late enough."""
        index = bisect_right(self._starts, offset) - 1
        if index >= 0 and offset < self._ends[index]:
            return True
        after = self._after[index] if index >= 0 else None
        return time is not None and after is not None and time - after <= seconds
