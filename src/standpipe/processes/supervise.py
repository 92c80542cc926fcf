"""What `standpipe run` and `standpipe sidecar` have in common: PID 1 of a container, and the parent of our children.

Theory of operation. One thread, one poll over a wake-up pipe (signals) and the children's ready pipes. Phases::

    STARTING   capture is being started
    RUNNING    capture is ready; a dead capture, keep or ship is started again
    (drain)    CAPTURING, DELIVERING, KEEPING, DONE: processes.drain

What begins RUNNING, what a signal means and when the drain begins differ: processes.command has `run`,
processes.sidecar has `sidecar`. Where the source is a FIFO we keep both pipes open in every phase, so the death of a
child never closes one; in the drain for reading only, so that capture can see the last writer go (POLLHUP).
"""

import os
import select
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from standpipe.capture.fifo import ensure_fifo, open_fifo, pipe_fill, reopen_read_only
from standpipe.errors import EXIT_RUN_FAILED
from standpipe.observe.log import Log
from standpipe.processes.child import PR_SET_CHILD_SUBREAPER, prctl
from standpipe.processes.children import Child, Children, send_signal
from standpipe.processes.drain import DONE, PROGRESS_SECONDS, Drain
from standpipe.processes.spawn import keep_descriptors_private

FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
STARTS_BEFORE_GIVING_UP = (
    5  # capture was killed so often before it was ever ready: something is wrong with this machine
)


def _read_only_where_possible(descriptor: int) -> int:
    try:
        return reopen_read_only(descriptor)
    except OSError:
        return descriptor  # /proc is not mounted, say: then capture cannot see the last writer go, and waits a little


class Supervisor(ABC):
    """One run of our children."""

    could_not_start = "capture could not start"
    drain_signals: tuple[Mapping[str, int], Mapping[str, int]]  # see Drain

    def __init__(
        self,
        pipes: Sequence[str],
        deadline_seconds: float,
        children: Sequence[Child],
        undelivered: Callable[[], int | None],
        log: Log,
    ) -> None:
        """Make and hold the pipes (none where the source is a file). Raises SourceError."""
        self._deadline_seconds = deadline_seconds
        self._poll = select.poll()
        self._children = Children(children, self._poll, log)
        self._undelivered = undelivered
        self._log = log
        self._running = False
        self._drain: Drain | None = None
        self._exit_status = EXIT_RUN_FAILED
        self._bytes_left_in_pipes = 0
        self._others: dict[int, Callable[[int], None]] = {}  # by process id: who is told of its end
        for path in pipes:
            ensure_fifo(path)
        self._held = [open_fifo(path) for path in pipes]

    def run(self) -> int:
        """Supervise until everything has ended; return the exit status."""
        self._listen()
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        keep_descriptors_private()
        while self._drain is None or self._drain.phase != DONE:
            self._children.start_due(time.monotonic())
            self._wait()
            self._reap()
            self._advance(time.monotonic())
        self._tell_end()
        for descriptor in self._held:
            os.close(descriptor)
        return self._final_status()

    # What `run` and `sidecar` do each in their own way.

    @abstractmethod
    def _on_capture_ready(self) -> None:
        """Begin RUNNING."""

    @abstractmethod
    def _on_signal(self, number: int) -> None:
        """Do what a signal asks for; SIGCHLD never comes here."""

    def _final_status(self) -> int:
        """Return the exit status, once everything has ended."""
        return self._exit_status

    # Signals.

    def _listen(self) -> None:
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (*FORWARDED, signal.SIGCHLD):
            signal.signal(number, lambda _number, _frame: None)  # the number arrives through the pipe
        self._signals = read_end
        self._poll.register(read_end, select.POLLIN)

    def _wait(self) -> None:
        for descriptor, _ in self._poll.poll(self._wait_seconds() * 1000):
            if descriptor == self._signals:
                for number in os.read(self._signals, 4096):
                    if number != signal.SIGCHLD:
                        self._on_signal(number)
            else:
                self._children.on_ready(descriptor)

    def _wait_seconds(self) -> float:
        now = time.monotonic()
        times = self._children.start_times()
        if self._drain:
            times += self._drain.wake_times(now)
        return min([max(0.0, at - now) for at in times], default=PROGRESS_SECONDS)

    # Dead processes.

    def _reap(self) -> None:
        """Collect every dead process, also orphans that were handed to us."""
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            status = os.waitstatus_to_exitcode(wait_status)
            child = self._children.of_pid(pid)
            if child:
                self._on_child_end(child, status)
            elif pid in self._others:
                self._others.pop(pid)(status)

    def _on_child_end(self, child: Child, status: int) -> None:
        now = time.monotonic()
        was_ready = self._children.on_end(child)
        if self._drain and self._drain.takes_end(child, status, now):
            return
        gives_up = status >= 0 or child.restart.in_a_row >= STARTS_BEFORE_GIVING_UP
        if not self._running and not self._drain and child.role == "capture" and not was_ready and gives_up:
            self._log.error(self.could_not_start, exit_status=status)
            self._begin_drain(deadline_seconds=0.0)  # nothing was captured, so there is nothing to wait for
            return
        self._children.start_again(child, status, now)

    def _have_config_read(self, number: int) -> None:
        """Pass SIGHUP to ship, which reads its sinks again; one that is only being started reads them anyway."""
        ship = self._children["ship"]
        if ship.pid and ship.ready:
            send_signal(ship.pid, number)

    # Phases.

    def _advance(self, now: float) -> None:
        if not self._running and not self._drain and self._children["capture"].ready:
            self._on_capture_ready()
        if self._drain:
            self._drain.advance(now)

    def _begin_drain(self, deadline_seconds: float | None = None) -> None:
        now = time.monotonic()
        seconds = self._deadline_seconds if deadline_seconds is None else deadline_seconds
        self._drain = Drain(self._children, now + seconds, now, self.drain_signals, self._undelivered, self._log)
        self._held = [_read_only_where_possible(descriptor) for descriptor in self._held]

    def _end_drain_now(self, number: int) -> None:
        if self._drain:
            self._log.warning("the drain ends now", signal=signal.Signals(number).name)
            self._drain.end_now(time.monotonic())

    def _tell_end(self) -> None:
        left = self._bytes_left_in_pipes = sum(pipe_fill(descriptor) for descriptor in self._held)
        if left:
            self._log.error("bytes stay in the pipes; they are lost when the last holder closes them", bytes=left)
        undelivered = self._undelivered()
        if undelivered is None:
            self._log.warning("how much was left undelivered is not known: a cursor or the journal cannot be read")
        elif undelivered:
            self._log.warning("bytes were left undelivered; they stay in the journal", undelivered_bytes=undelivered)
        else:
            self._log.info("everything that was captured was delivered", undelivered_bytes=0)
