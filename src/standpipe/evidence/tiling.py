"""Do the records of one journal leave a hole? Pure; records in the order of their offsets, in bounded memory.

Each record says where it begins, how long it is, and in `after` where the record before it ended that was sent to the
same destination. So between two neighbours one of these is true:

- the second one begins where the first one ends: nothing is between them;
- `after` is where the first one ends, and the second one begins later: the sink left out what is between (*filtered*);
- `after` is beyond it: what was sent up to `after` is not here: a *hole*. (After a gap in the journal itself `after`
  is the gap's end; the record of the gap, in a seal, then explains the hole.)
- `after` is before it: a copy from another destination, which filters more. Then some record must end at `after`; if
  none does, that one is missing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from standpipe.evidence.intervals import Interval

ENDS_KEPT = 1 << 16
"""Ends of records that are remembered, to find the one that `after` names. Further back than that nothing is concluded;
only copies of one journal from several destinations with different filters look back at all."""

RANGES_KEPT = 100_000  # of holes and the like; beyond, they are counted


@dataclass(slots=True)
class Ranges:
    """Ranges as they are found: the first ones whole, all of them counted."""

    kept: list[Interval] = field(default_factory=list)
    count: int = 0
    size: int = 0

    def add(self, start: int, end: int) -> None:
        """Note a range; what joins up with the last one becomes part of it."""
        self.size += end - start
        if self.kept and self.kept[-1][1] == start and self.count == len(self.kept):
            self.kept[-1] = (self.kept[-1][0], end)
            return
        self.count += 1
        if len(self.kept) < RANGES_KEPT:
            self.kept.append((start, end))


class Tiling:
    """The records of one journal, in the order of their offsets."""

    __slots__ = ("_ends", "_known", "base", "covered", "filtered", "first_after", "holes", "overlaps", "position")

    def __init__(self, start: int | None = None) -> None:
        """start: where the copies must begin; None: wherever they do."""
        self.base = start
        self.position = start or 0
        """Where the records seen so far end."""
        self.first_after: int | None = None
        self.holes = Ranges()
        self.filtered = Ranges()
        self.overlaps = Ranges()
        self.covered = 0
        self._ends: deque[int] = deque()
        self._known: set[int] | None = None  # the same, once somebody looks back: most copies never do

    def take(self, offset: int, end: int, after: int, others: Iterable[int] = ()) -> None:
        """Take the next record. after: the largest that its copies say, others: what else they say."""
        position = self.position
        if self.first_after is None:
            self.first_after = after
            if self.base is None:
                self.base = position = offset
        if after > position:
            self.holes.add(position, after)
            position = after
        elif after < position and after != offset:
            self._look_back(after)
        for other in others:
            self._look_back(other)
        if offset > position:
            self.filtered.add(position, offset)
        elif offset < position:
            self.overlaps.add(offset, min(position, end))
        self.covered += max(0, end - max(offset, position))
        self.position = max(position, end)
        self._remember(end)

    def end_at(self, bound: int) -> Interval | None:
        """Say that all records before a bound were sent; return what is missing before it, or cannot be told.

        Where the sink filters, nobody can tell whether the last records before the bound were left out: the range is
        returned and is no hole. Otherwise it is one.
        """
        if bound <= self.position:
            return None
        missing = (self.position, bound)
        if self.filtered.count:
            return missing
        self.holes.add(*missing)
        self.position = bound
        return None

    def _remember(self, end: int) -> None:
        self._ends.append(end)
        if self._known is not None:
            self._known.add(end)
        if len(self._ends) > ENDS_KEPT:
            gone = self._ends.popleft()
            if self._known is not None:
                self._known.discard(gone)

    def _look_back(self, after: int) -> None:
        """Look for the record that ends at `after`."""
        if not self._ends or after < self._ends[0] or after <= (self.base or 0):
            return
        if self._known is None:
            self._known = set(self._ends)
        if after in self._known:
            return
        before = max(end for end in self._ends if end < after)
        self.holes.add(before, after)
        self._remember(after)  # told once
