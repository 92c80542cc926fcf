"""The orderly end: capture, ship and keep are stopped one after the other, and a deadline ends all of them.

Theory of operation. The phases of a drain, each of which ends when its child has, or at the deadline::

    CAPTURING  capture takes what Vault still writes, or what it left, and exits
    DELIVERING ship delivers what is in the journal (SIGUSR1), and exits
    KEEPING    keep finishes its step (SIGTERM), and exits
    DONE

A child that dies meanwhile is started again and asked again, except keep: what it left is done at the next start.
"""

import signal
from collections.abc import Callable, Mapping

from standpipe.errors import EXIT_OK, EXIT_UNABLE
from standpipe.observe.log import Log
from standpipe.processes.children import Child, Children, send_signal

CAPTURING, DELIVERING, KEEPING, DONE = "capturing", "delivering", "keeping", "done"
ROLE_OF = {CAPTURING: "capture", DELIVERING: "ship", KEEPING: "keep"}
NEXT_PHASE = {CAPTURING: DELIVERING, DELIVERING: KEEPING, KEEPING: DONE}
STOPPED_IN_ORDER = {"capture": (EXIT_OK, EXIT_UNABLE), "ship": (EXIT_OK,), "keep": (EXIT_OK,)}

# Signals for capture: SIGUSR1 says that Vault is dead, SIGTERM that it may write on for a while (processes.capture).
STOP_AFTER_COMMAND = {"capture": signal.SIGUSR1, "ship": signal.SIGUSR1, "keep": signal.SIGTERM}
HURRY_AFTER_COMMAND = {"capture": signal.SIGTERM, "ship": signal.SIGTERM, "keep": signal.SIGTERM}
STOP_BESIDE_VAULT = {**STOP_AFTER_COMMAND, "capture": signal.SIGTERM}
HURRY_BESIDE_VAULT = {**HURRY_AFTER_COMMAND, "capture": signal.SIGUSR1}

PROGRESS_SECONDS = 2.0  # a drain that lasts longer is told about, so often
OVERDUE_POLL_SECONDS = 0.05
KILL_GRACE_SECONDS = 0.5  # after the deadline: between the last signal and SIGKILL; enough to write a cursor


class Drain:
    """The end of one run; ``phase`` is how far it has come."""

    def __init__(
        self,
        children: Children,
        deadline_at: float,
        now: float,
        signals: tuple[Mapping[str, int], Mapping[str, int]],
        undelivered: Callable[[], int | None],
        log: Log,
    ) -> None:
        """Begin. ``signals`` are by role: how a child is asked to stop, and how to hurry at the deadline."""
        self.phase = CAPTURING
        self.capture_status: int | None = None  # None where it was killed, or did not run
        self._children = children
        self._deadline_at = deadline_at
        self._told_at = now
        self._stop_signal, self._hurry_signal = signals
        self._undelivered = undelivered
        self._log = log

    def end_now(self, now: float) -> None:
        """Let the deadline have come."""
        self._deadline_at = min(self._deadline_at, now)

    def is_overdue(self, now: float) -> bool:
        """Tell whether the deadline has passed."""
        return now >= self._deadline_at

    def wake_times(self, now: float) -> list[float]:
        """Return when something is to be done though nothing happens."""
        at_deadline = now + OVERDUE_POLL_SECONDS if self.is_overdue(now) else self._deadline_at
        return [at_deadline, self._told_at + PROGRESS_SECONDS]

    def takes_end(self, child: Child, status: int, now: float) -> bool:
        """Tell whether a child that has ended may stay ended."""
        if child.asked_at is not None and status in STOPPED_IN_ORDER[child.role]:
            if child.role == "capture":
                self.capture_status = status
            return True
        return child.role == "keep" or self.is_overdue(now)

    def advance(self, now: float) -> None:
        """Stop the children one after the other."""
        while self.phase != DONE:
            child = self._children[ROLE_OF[self.phase]]
            if child.pid or child.start_at is not None:
                if not self._overstays(child, now):
                    self._ask_to_stop(child, now)
                    break
                self._children.kill(child)
            self.phase = NEXT_PHASE[self.phase]
        if now - self._told_at >= PROGRESS_SECONDS and self.phase != DONE:
            self._told_at = now
            self._log.info(self.phase, undelivered_bytes=self._undelivered())

    def _overstays(self, child: Child, now: float) -> bool:
        """Tell whether the deadline has passed, and some grace after we asked."""
        asked_at = child.asked_at if child.asked_at is not None else child.started_at
        return now >= max(self._deadline_at, asked_at) + KILL_GRACE_SECONDS

    def _ask_to_stop(self, child: Child, now: float) -> None:
        if not child.pid or not child.ready:
            return
        if child.asked_at is None:
            child.asked_at = now
            send_signal(child.pid, self._stop_signal[child.role])
        if self.is_overdue(now) and not child.hurried:
            child.hurried = True
            send_signal(child.pid, self._hurry_signal[child.role])
