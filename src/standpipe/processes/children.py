"""Our children: capture, keep and ship. How they are started, who is ready, what became of them."""

import os
import select
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from standpipe.observe.log import Log
from standpipe.processes.restart import RestartState, next_restart
from standpipe.processes.spawn import spawn_child


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


def send_signal(pid: int, number: int) -> None:
    """Send a signal to a process of ours that may have died, and will be reaped then."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


class Children:
    """All of them. Their ready pipes are in ``poll``."""

    def __init__(self, children: Sequence[Child], poll: select.poll, log: Log) -> None:
        self._by_role = {child.role: child for child in children}
        self._poll = poll
        self._log = log

    def __iter__(self) -> Iterator[Child]:
        """Return them in the order in which they are started."""
        return iter(self._by_role.values())

    def __getitem__(self, role: str) -> Child:
        """Return the one of this role."""
        return self._by_role[role]

    def start_due(self, now: float) -> None:
        """Start each whose time has come."""
        for child in self:
            if child.start_at is not None and child.start_at <= now:
                self._start(child, now)

    def start_times(self) -> list[float]:
        """Return when the next starts are due."""
        return [child.start_at for child in self if child.start_at is not None]

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

    def on_ready(self, descriptor: int) -> None:
        """Take what came through a ready pipe."""
        child = next(child for child in self if child.ready_end == descriptor)
        child.ready = os.read(descriptor, 1) == b"\n"  # b"" when it died before it was ready
        self._forget_ready_end(child)

    def _forget_ready_end(self, child: Child) -> None:
        if child.ready_end >= 0:
            self._poll.unregister(child.ready_end)
            os.close(child.ready_end)
            child.ready_end = -1

    def of_pid(self, pid: int) -> Child | None:
        """Return the child that has this process id, if any has it."""
        return next((child for child in self if child.pid == pid), None)

    def on_end(self, child: Child) -> bool:
        """Note that it was reaped; tell whether it had been ready."""
        self._forget_ready_end(child)
        was_ready, child.pid, child.ready = child.ready, 0, False
        return was_ready

    def start_again(self, child: Child, status: int, now: float) -> None:
        """Plan its next start."""
        child.restart, delay_seconds = next_restart(child.restart, now - child.started_at)
        child.start_at = now + delay_seconds
        self._log.warning(f"{child.role} died; it is started again", exit_status=status, delay_seconds=delay_seconds)

    def kill(self, child: Child) -> None:
        """End it whatever it does, and do not start it again."""
        child.start_at = None
        if child.pid:
            self._log.warning(f"{child.role} did not stop in time and was killed")
            send_signal(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            child.pid = 0
