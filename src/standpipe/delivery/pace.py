"""How much a slow destination takes at once: what it does not answer in time goes in smaller pieces. Pure.

A line of 7 KB/s needs 150 s for a batch of 1 MiB; with a time-out of 30 s the same batch would be sent for ever and
never arrive. Each time-out halves what is sent at once, down to one record; each few deliveries double it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.sinks.base import Delivered, Retry

if TYPE_CHECKING:
    from standpipe.sinks.base import Batch, Outcome

DELIVERIES_A_STEP = 4  # before more is tried again: a step that fails costs a whole time-out


class Pace:
    """The state of one sink. batch_bytes: what its batches have at most."""

    def __init__(self, batch_bytes: int) -> None:
        self._batch_bytes = batch_bytes
        self._piece_bytes: int | None = None  # None: as the batches come
        self._deliveries = 0

    def cut(self, batch: Batch) -> list[Batch]:
        """Return a batch as pieces that the destination should manage, in order; mostly it is one."""
        if self._piece_bytes is None or len(batch) == 1 or _size(batch) <= self._piece_bytes:
            return [batch]
        return [piece for half in batch.halves() for piece in self.cut(half)]

    def learn(self, batch: Batch, outcome: Outcome) -> None:
        """Take note of what came of an attempt."""
        if isinstance(outcome, Retry) and outcome.timed_out:
            self._deliveries = 0
            self._piece_bytes = max(1, min(_size(batch), self._piece_bytes or self._batch_bytes) // 2)
        elif isinstance(outcome, Delivered) and self._piece_bytes is not None:
            self._deliveries += 1
            if self._deliveries >= DELIVERIES_A_STEP:
                self._deliveries = 0
                self._piece_bytes *= 2
                if self._piece_bytes >= self._batch_bytes:
                    self._piece_bytes = None


def _size(batch: Batch) -> int:
    return sum(map(len, batch.payloads))
