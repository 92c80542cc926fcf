"""`standpipe keep`: the process that seals, compresses and deletes segments, and makes room.

It has no sink's code, so a sink that crashes cannot stop retention and fill the journal for good. It never exits
because of a disk: whatever fails is said once and tried again (journal.trouble).
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from standpipe.errors import EXIT_OK, EXIT_UNABLE, LockHeldError
from standpipe.journal import identity, lock
from standpipe.journal.keeper import Keeper, KeeperSettings
from standpipe.journal.layout import Layout
from standpipe.processes.child import die_with_parent, tell_ready
from standpipe.records.raw_scan import RawScan

if TYPE_CHECKING:
    from standpipe.observe.log import Log

NICENESS = 10  # Vault, capture and ship come first where cores are short; compression can wait
TICK_SECONDS = 0.25  # how late a finished segment may be sealed, or room be made


@dataclass(frozen=True, slots=True)
class KeepSettings:
    """What one run of keep is told. parent_pid: the supervisor's, None where there is none."""

    journal: str
    keeper: KeeperSettings
    once: bool = False
    ready_fd: int | None = None
    parent_pid: int | None = None
    lock_wait_seconds: float = 0.0


class StopRequest:
    """SIGTERM and SIGINT, taken where we wait for them: no handler runs in the middle of a step.

    Under a supervisor SIGINT is ignored: Ctrl-C reaches the whole group, and the supervisor says when we are to stop.
    """

    def __init__(self, *, supervised: bool) -> None:
        self._signals = {signal.SIGTERM} if supervised else {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        if supervised:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._came = False

    def came(self, wait_seconds: float = 0.0) -> bool:
        """Return whether we were asked to stop; wait for it up to wait_seconds."""
        if not self._came:
            self._came = signal.sigtimedwait(self._signals, wait_seconds) is not None
        return self._came


def _wait_for_journal(layout: Layout, stop: StopRequest) -> bool:
    """Wait until capture has created the journal; False where we were asked to stop first."""
    while not (os.path.exists(layout.identity) and os.path.isdir(layout.segments)):
        if stop.came(TICK_SECONDS):
            return False
    return True


def _acquire(layout: Layout, wait_seconds: float, stop: StopRequest) -> int | None:
    """Take lock.keep; None where we were asked to stop while a predecessor had it. Raises LockHeldError."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return lock.acquire(layout.lock("keep"), "keep")
        except LockHeldError:
            if stop.came():
                return None
            if time.monotonic() >= deadline:
                raise


def run_keep(settings: KeepSettings, log: Log) -> int:
    """Keep a journal until SIGTERM (or once) and return the exit status.

    Raises StandpipeError where the journal cannot be understood or another keep holds it.
    """
    supervised = settings.parent_pid is not None
    if settings.parent_pid is not None:
        die_with_parent(settings.parent_pid)
    layout = Layout(settings.journal)
    stop = StopRequest(supervised=supervised)
    if supervised and not _wait_for_journal(layout, stop):
        return EXIT_OK
    journal = identity.read(layout)
    held = _acquire(layout, settings.lock_wait_seconds, stop)
    if held is None:
        return EXIT_OK
    os.nice(NICENESS)
    try:
        keeper = Keeper(layout, journal, replace(settings.keeper, raw_scan=RawScan), log)
        if settings.ready_fd is not None:
            tell_ready(settings.ready_fd)
        try:
            return _keep(keeper, stop, once=settings.once)
        finally:
            keeper.close()
    finally:
        os.close(held)


def _keep(keeper: Keeper, stop: StopRequest, *, once: bool) -> int:
    while not stop.came():
        more = keeper.pass_over(stop.came)
        if once and not more:
            return EXIT_UNABLE if keeper.troubles else EXIT_OK
        if not more and stop.came(TICK_SECONDS):
            break
    return EXIT_OK
