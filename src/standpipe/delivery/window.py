"""What is under way to one destination, and how far it has acknowledged without a gap. Pure.

Acknowledgements may come in any order; the cursor moves only over the parcels of which all earlier ones are done.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.delivery.feed import Parcel
    from standpipe.sinks.base import Batch


@dataclass(slots=True)
class Flight:
    """A parcel under way.

    todo: batches that wait to be sent. in_air: how many are being sent. unburied: how many of its records are to be
    dead letters and are not on the disk yet. dead: how many are.
    """

    parcel: Parcel
    todo: deque[Batch] = field(default_factory=deque)
    in_air: int = 0
    unburied: int = 0
    dead: int = 0

    @property
    def done(self) -> bool:
        """Whether the destination has, or will never take, everything in it."""
        return not self.todo and not self.in_air and not self.unburied


class Window:
    """The flights, in the order of the journal."""

    def __init__(self) -> None:
        self._flights: deque[Flight] = deque()

    def __len__(self) -> int:
        """Return how many parcels are not acknowledged."""
        return len(self._flights)

    @property
    def size_bytes(self) -> int:
        """The size of all payloads that are not acknowledged."""
        return sum(flight.parcel.size_bytes for flight in self._flights)

    def __iter__(self) -> Iterator[Flight]:
        """Return them in order."""
        return iter(self._flights)

    def add(self, parcel: Parcel) -> Flight:
        """Take a parcel."""
        flight = Flight(parcel, deque([parcel.batch] if parcel.batch.payloads else []))
        self._flights.append(flight)
        return flight

    def acknowledged(self) -> list[Flight]:
        """Take away and return the flights at the front that are done."""
        done = []
        while self._flights and self._flights[0].done:
            done.append(self._flights.popleft())
        return done
