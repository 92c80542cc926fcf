"""`standpipe run`: PID 1 of the Vault container. Holds the pipes, starts everything, reaps, restarts, drains.

Theory of operation. One thread, one poll over a wake-up pipe (signals) and the children's ready pipes. Phases::

    STARTING   capture is being started; COMMAND only after capture is ready, so Vault finds a reader
    RUNNING    signals are forwarded to COMMAND; a dead capture, keep or ship is started again
    CAPTURING  COMMAND has gone: capture takes what is in the pipes (SIGUSR1), and exits
    DELIVERING ship delivers what is in the journal (SIGUSR1), and exits
    KEEPING    keep finishes its step (SIGTERM), and exits
    DONE

Each of the last phases ends at the deadline too. We keep both pipes open in every phase, so the death of a child
never closes one; from CAPTURING on for reading only, so that capture can see the last writer go (POLLHUP). COMMAND
inherits no descriptor of ours, because Vault's plugins would inherit it from Vault, and could read or forge records.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from standpipe.capture.fifo import ensure_fifo, open_fifo, pipe_fill, reopen_read_only
from standpipe.errors import (
    EXIT_COMMAND_NOT_EXECUTABLE,
    EXIT_COMMAND_NOT_FOUND,
    EXIT_OK,
    EXIT_RUN_FAILED,
    EXIT_SIGNAL_BASE,
    EXIT_UNABLE,
)
from standpipe.observe.log import Log
from standpipe.processes.child import PR_SET_CHILD_SUBREAPER, prctl
from standpipe.processes.restart import RestartState, next_restart
from standpipe.processes.spawn import (
    give_terminal,
    keep_descriptors_private,
    spawn_child,
    spawn_command,
    take_terminal_back,
)

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
PROGRESS_SECONDS = 2.0  # a drain that lasts longer is told about, so often
STARTS_BEFORE_GIVING_UP = (
    5  # capture was killed so often before it was ever ready: something is wrong with this machine
)
OVERDUE_POLL_SECONDS = 0.05
KILL_GRACE_SECONDS = 0.5  # after the deadline: between SIGTERM and SIGKILL; enough to write a cursor

STARTING, RUNNING = "starting", "running"
CAPTURING, DELIVERING, KEEPING, DONE = "capturing", "delivering", "keeping", "done"
PHASE_OF = {"capture": CAPTURING, "ship": DELIVERING, "keep": KEEPING}
STOP_SIGNAL = {"capture": signal.SIGUSR1, "ship": signal.SIGUSR1, "keep": signal.SIGTERM}
STOPPED_IN_ORDER = {"capture": (EXIT_OK, EXIT_UNABLE), "ship": (EXIT_OK,), "keep": (EXIT_OK,)}
NEXT_PHASE = {CAPTURING: DELIVERING, DELIVERING: KEEPING, KEEPING: DONE}


@dataclass(slots=True)
class Child:
    """One of our children: how it is started, and what became of it."""

    role: str
    command: list[str]
    pid: int = 0
    ready: bool = False
    ready_end: int = -1
    started_at: float = 0.0
    start_at: float | None = 0.0  # when to start it (again); None while it runs or must not be started
    restart: RestartState = field(default_factory=RestartState)
    asked_at: float | None = None  # when it was asked to stop
    hurried: bool = False  # it was told that the deadline has passed


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What `run` was told."""

    fifo: str
    reserve: str
    command: list[str]
    environment: Mapping[str, str]
    deadline_seconds: float


def _read_only_where_possible(descriptor: int) -> int:
    try:
        return reopen_read_only(descriptor)
    except OSError:
        return descriptor  # /proc is not mounted, say: then capture cannot see the last writer go, and waits a little


class Supervisor:
    """One run of COMMAND."""

    def __init__(
        self, settings: RunSettings, children: Sequence[Child], undelivered: Callable[[], int | None], log: Log
    ) -> None:
        """Make and hold the pipes. Raises SourceError."""
        self._settings = settings
        self._children = {child.role: child for child in children}
        self._undelivered = undelivered
        self._log = log
        self._phase = STARTING
        self._command_pid = 0
        self._exit_status = EXIT_RUN_FAILED
        self._stop_signal = 0
        self._terminated = False
        self._deadline_at = 0.0
        self._told_at = 0.0
        self._poll = select.poll()
        for path in (settings.fifo, settings.reserve):
            ensure_fifo(path)
        self._held = [open_fifo(settings.fifo), open_fifo(settings.reserve)]

    def run(self) -> int:
        """Supervise until everything has ended; return the exit status."""
        self._listen()
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        keep_descriptors_private()
        while self._phase != DONE:
            self._start_due()
            self._wait()
            self._reap()
            self._advance(time.monotonic())
        self._tell_end()
        for descriptor in self._held:
            os.close(descriptor)
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
                    self._on_signal(number)
            else:
                self._on_ready(descriptor)

    def _wait_seconds(self) -> float:
        now = time.monotonic()
        times = [child.start_at for child in self._children.values() if child.start_at is not None]
        if self._phase in NEXT_PHASE:
            overdue = now >= self._deadline_at
            times += [now + OVERDUE_POLL_SECONDS if overdue else self._deadline_at, self._told_at + PROGRESS_SECONDS]
        return min([max(0.0, at - now) for at in times], default=PROGRESS_SECONDS)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            return
        first_term = number == signal.SIGTERM and not self._terminated
        self._terminated = self._terminated or first_term
        if self._command_pid:
            self._kill(self._command_pid, number)
        elif number in STOPPING and self._phase == STARTING:
            self._stop_signal = number
        elif first_term:
            # COMMAND ended by itself, and now the container is stopped, in order: the deadline is for that.
            self._log.info("stopping already: delivering what was captured", signal="SIGTERM")
        elif number in STOPPING and self._phase in NEXT_PHASE:
            self._log.warning("the drain ends now", signal=signal.Signals(number).name)
            self._deadline_at = time.monotonic()

    @staticmethod
    def _kill(pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return  # it has died and will be reaped

    # Children.

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.start_at is not None and child.start_at <= now:
                self._start(child, now)

    def _start(self, child: Child, now: float) -> None:
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            child.pid = spawn_child(child.command, write_end)
        except OSError as error:  # EAGAIN, ENOMEM: COMMAND must not go down with it
            os.close(read_end)
            child.restart, delay_seconds = next_restart(child.restart, 0.0)
            child.start_at = now + delay_seconds
            self._log.error(f"{child.role} cannot be started; it is tried again", error=error.strerror)
            return
        finally:
            os.close(write_end)
        child.ready, child.asked_at, child.hurried = False, None, False
        child.ready_end, child.started_at, child.start_at = read_end, now, None
        self._poll.register(read_end, select.POLLIN)

    def _on_ready(self, descriptor: int) -> None:
        child = next(child for child in self._children.values() if child.ready_end == descriptor)
        child.ready = os.read(descriptor, 1) == b"\n"  # b"" when it died before it was ready
        self._forget_ready_end(child)

    def _forget_ready_end(self, child: Child) -> None:
        if child.ready_end >= 0:
            self._poll.unregister(child.ready_end)
            os.close(child.ready_end)
            child.ready_end = -1

    def _reap(self) -> None:
        """Collect every dead process, also orphans of COMMAND's that were handed to us."""
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            status = os.waitstatus_to_exitcode(wait_status)
            if pid == self._command_pid:
                self._on_command_end(status)
            for child in self._children.values():
                if pid == child.pid:
                    self._on_child_end(child, status)

    def _on_child_end(self, child: Child, status: int) -> None:
        now = time.monotonic()
        self._forget_ready_end(child)
        was_ready, child.pid, child.ready = child.ready, 0, False
        if child.asked_at is not None and status in STOPPED_IN_ORDER[child.role]:
            return  # it stopped because we asked it to
        gives_up = status >= 0 or child.restart.in_a_row >= STARTS_BEFORE_GIVING_UP
        if self._phase == STARTING and child.role == "capture" and not was_ready and gives_up:
            self._log.error("capture could not start, so COMMAND was not started", exit_status=status)
            self._begin_drain()
            self._deadline_at = now  # nothing was captured, so there is nothing to wait for
            return
        if self._phase in NEXT_PHASE and (child.role == "keep" or now >= self._deadline_at):
            return  # what keep left is done at the next start
        child.restart, delay_seconds = next_restart(child.restart, now - child.started_at)
        child.start_at = now + delay_seconds
        self._log.warning(f"{child.role} died; it is started again", exit_status=status, delay_seconds=delay_seconds)

    # COMMAND.

    def _start_command(self) -> None:
        command = self._settings.command
        try:
            self._command_pid = spawn_command(command, self._settings.environment)
        except OSError as error:
            not_found = isinstance(error, (FileNotFoundError, NotADirectoryError))
            self._exit_status = EXIT_COMMAND_NOT_FOUND if not_found else EXIT_COMMAND_NOT_EXECUTABLE
            self._log.error(f"cannot start COMMAND {command[0]}: {error.strerror}")
            self._begin_drain()
            return
        self._phase = RUNNING
        give_terminal(self._command_pid)
        self._log.info("started", command=command[0], pid=self._command_pid)

    def _on_command_end(self, status: int) -> None:
        take_terminal_back(self._command_pid)
        self._command_pid = 0
        self._exit_status = status if status >= 0 else EXIT_SIGNAL_BASE - status
        self._log.info("COMMAND ended; delivering what was captured", exit_status=self._exit_status)
        self._begin_drain()

    # Phases.

    def _advance(self, now: float) -> None:
        if self._phase == STARTING:
            if self._stop_signal:
                self._exit_status = EXIT_SIGNAL_BASE + self._stop_signal
                self._begin_drain()
            elif self._children["capture"].ready:
                self._start_command()
        elif self._phase in NEXT_PHASE:
            self._advance_drain(now)

    def _begin_drain(self) -> None:
        self._phase = CAPTURING
        self._deadline_at = time.monotonic() + self._settings.deadline_seconds
        self._told_at = time.monotonic()
        self._held = [_read_only_where_possible(descriptor) for descriptor in self._held]

    def _advance_drain(self, now: float) -> None:
        """Stop the children one after the other; the deadline ends all of them."""
        while self._phase in NEXT_PHASE:
            child = next(c for c in self._children.values() if PHASE_OF[c.role] == self._phase)
            if child.pid or child.start_at is not None:
                if not self._overstays(child, now):
                    self._ask_to_stop(child, now)
                    break
                self._end(child)
            self._phase = NEXT_PHASE[self._phase]
        if now - self._told_at >= PROGRESS_SECONDS and self._phase in NEXT_PHASE:
            self._told_at = now
            self._log.info(self._phase, undelivered_bytes=self._undelivered())

    def _overstays(self, child: Child, now: float) -> bool:
        """Tell whether the deadline has passed, and some grace after we asked."""
        asked_at = child.asked_at if child.asked_at is not None else child.started_at
        return now >= max(self._deadline_at, asked_at) + KILL_GRACE_SECONDS

    def _ask_to_stop(self, child: Child, now: float) -> None:
        if not child.pid or not child.ready:
            return
        if child.asked_at is None:
            child.asked_at = now
            self._kill(child.pid, STOP_SIGNAL[child.role])
        if now >= self._deadline_at and not child.hurried:
            child.hurried = True
            self._kill(child.pid, signal.SIGTERM)

    def _end(self, child: Child) -> None:
        child.start_at = None
        if child.pid:
            self._log.warning(f"{child.role} did not stop in time and was killed")
            self._kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            child.pid = 0

    def _tell_end(self) -> None:
        in_pipes = sum(pipe_fill(descriptor) for descriptor in self._held)
        if in_pipes:
            self._log.error("bytes stay in the pipes; they are lost when the last holder closes them", bytes=in_pipes)
        left = self._undelivered()
        if left is None:
            self._log.warning("how much was left undelivered is not known: a cursor or the journal cannot be read")
        elif left:
            self._log.warning("bytes were left undelivered; they stay in the journal", undelivered_bytes=left)
        else:
            self._log.info("everything that was captured was delivered", undelivered_bytes=0)
