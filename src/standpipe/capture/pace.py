"""When capture or relay should pause to let records gather, and when that would make Vault wait. Pure."""

from __future__ import annotations

PAUSE_MS = 4  # lets 20 records gather at 5,000 a second; longer gains little, and a full pipe would be met more often
WINDOW_SECONDS = 0.010  # over which the rate is taken: a few pauses, so that one burst does not end the coalescing
BUSY_FRACTION = 4  # of the pipe; what comes in a pause may fill no more than that


class Pace:
    """Tells whether bytes come so fast that ``busy_size`` of them, a quarter of the pipe, would gather in one pause.

    A single move cannot tell: where stdout is a small pipe, every move is small.
    """

    __slots__ = ("_busy", "_bytes", "_since", "busy_size")

    def __init__(self, capacity: int, now: float) -> None:
        """Start for a pipe of this capacity in bytes, at a monotonic time in seconds."""
        self.busy_size = capacity // BUSY_FRACTION
        self._busy = False
        self._bytes = 0
        self._since = now

    def is_busy(self, moved: int, now: float) -> bool:
        """Take in that so many bytes were moved by now; return whether a pause would be wrong."""
        self._bytes += moved
        elapsed = now - self._since
        if elapsed >= WINDOW_SECONDS:
            self._busy = self._bytes * PAUSE_MS >= self.busy_size * 1000 * elapsed
            self._bytes = 0
            self._since = now
        return self._busy or moved >= self.busy_size
