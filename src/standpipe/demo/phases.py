"""The play: what is done to standpipe while the client works, and how Vault fares in each phase."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.demo.journal_bytes import journal_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.demo.client import VaultClient
    from standpipe.demo.stage import Stage

TICK_SECONDS = 0.05  # how often the screen is brought up to date; 20 times a second looks steady
KILLS_PER_PHASE = 2
FULL_PIPE_SHARE = 0.2  # of the ship phase: how long stdout stays unread after the kill

CALM, STALL, SHIP, KEEP, CAPTURE, CALM_AGAIN = "calm", "stall", "ship", "keep", "capture", "calm-again"


@dataclass(slots=True)
class Phase:
    """One act; ``share`` is its part of the whole time."""

    name: str
    title: str
    share: float
    began: float | None = None
    ended: float | None = None
    note: str = ""


def all_phases() -> list[Phase]:
    """Return the acts in order; the shares add up to 1."""
    return [
        Phase(CALM, "calm", 0.18),
        Phase(STALL, "nobody reads stdout", 0.26),
        Phase(SHIP, "kill -9 ship", 0.18),
        Phase(KEEP, "kill -9 keep", 0.14),
        Phase(CAPTURE, "kill -9 capture", 0.16),
        Phase(CALM_AGAIN, "calm again", 0.08),
    ]


class Play:
    """Runs the acts one after the other; ``tick`` is called all the time in between."""

    def __init__(
        self,
        stage: Stage,
        client: VaultClient,
        seconds: float,
        tick: Callable[[], None],
        announce: Callable[[Phase], None],
    ) -> None:
        """Prepare; ``seconds`` is how long the acts take together; ``announce`` is called as each one begins."""
        self.phases = all_phases()
        self._stage = stage
        self._client = client
        self._seconds = seconds
        self._tick = tick
        self._announce = announce

    def perform(self) -> None:
        """Play all acts. Raises StandpipeError where a killed process does not come back."""
        acts = {STALL: self._stall, SHIP: self._kill_ship, KEEP: self._kill_keep, CAPTURE: self._kill_capture}
        for phase in self.phases:
            self._announce(phase)
            phase.began = time.monotonic()
            acts.get(phase.name, self._be_calm)(phase)
            phase.ended = time.monotonic()

    def longest_seconds(self, phase: Phase) -> float | None:
        """Return Vault's longest request in a phase so far."""
        if phase.began is None:
            return None
        return self._client.longest_seconds(phase.began, phase.ended or time.monotonic())

    def requests(self, phase: Phase) -> int:
        """Return how many requests began in a phase so far."""
        return self._client.count_between(phase.began, phase.ended or time.monotonic()) if phase.began else 0

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._tick()
            time.sleep(min(TICK_SECONDS, left))
        self._tick()

    def _be_calm(self, phase: Phase) -> None:
        self._wait(self._seconds * phase.share)

    def _stall(self, phase: Phase) -> None:
        before = journal_length(self._stage.journal)
        self._stage.consumer.stall()
        end = time.monotonic() + self._seconds * phase.share
        while time.monotonic() < end:
            self._wait(TICK_SECONDS)
            grown = journal_length(self._stage.journal) - before
            phase.note = f"the journal grew by {grown / 1024:,.0f} KiB"

    def _kill_ship(self, phase: Phase) -> None:
        # The first kill finds ship in the middle of a write: stdout's pipe is full and nobody has read it yet.
        whole = self._seconds * phase.share
        self._kill("ship", phase)
        self._wait(whole * FULL_PIPE_SHARE)
        self._stage.consumer.resume()
        self._kill_again("ship", phase, whole * (1 - FULL_PIPE_SHARE), KILLS_PER_PHASE - 1)

    def _kill_keep(self, phase: Phase) -> None:
        self._kill_again("keep", phase, self._seconds * phase.share, KILLS_PER_PHASE)

    def _kill_capture(self, phase: Phase) -> None:
        self._kill_again("capture", phase, self._seconds * phase.share, KILLS_PER_PHASE)

    def _kill_again(self, role: str, phase: Phase, seconds: float, times: int) -> None:
        for _ in range(times):
            started = time.monotonic()
            self._kill(role, phase)
            self._wait(max(0.0, seconds / times - (time.monotonic() - started)))

    def _kill(self, role: str, phase: Phase) -> None:
        old = self._stage.kill_role(role)
        before = phase.note or f"process {old}"
        phase.note = f"{before} → …"
        new = self._stage.wait_for_role(role, after=old, idle=self._tick)
        phase.note = f"{before} → {new}"
