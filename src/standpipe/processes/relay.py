"""``standpipe relay``: FIFO to stdout, the safe form of ``mkfifo p; cat <> p &``.

Waking up costs more than moving bytes, so after a small move the relay pauses for a moment and lets records gather
(docs/theory-of-operation.md). One thread; it waits in poll(2) only, and nothing is allocated for each record.
"""

from __future__ import annotations

import os
import select
import time

from standpipe.capture.fifo import ensure_fifo, grow_pipe, open_fifo, pipe_fill
from standpipe.capture.followed_fifo import FollowedFifo
from standpipe.capture.pace import PAUSE_MS, Pace
from standpipe.cli.plain import Command, Option, Parsed
from standpipe.errors import EXIT_OK, SinkError, UsageError
from standpipe.processes.relay_moves import SPLICE_REFUSALS, Copier, Splicer, choose
from standpipe.processes.stop_signals import StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.observe.log import Log

STDOUT = 1
PATH_CHECK_SECONDS = 1.0  # between two looks at whether the path still names our FIFO
DRAIN_QUIET_MS = 50  # empty for so long means drained: a writer in the middle of a record is back sooner
DRAIN_SECONDS = 2.0  # after the signal; from then on only what one pipe holds is still moved
GLANCED_FDS = 2  # the FIFO and stdout
SMALL_PIPE = 64 * 1024  # bytes, the kernel's default; less means that a limit was met

COMMAND = Command(
    "relay",
    "Copies a FIFO to stdout, as 'mkfifo P; cat <> P' does, and safely: no end of file when Vault closes the FIFO, the"
    " largest pipe that the kernel allows, less CPU than cat, and a message and an exit status when something breaks."
    " Creates the FIFO if it is missing. Keeps no journal: while stdout stalls, Vault waits once the pipe is full, and"
    " what is in the pipe is lost if the relay is killed and nobody else holds it (see: standpipe hold --help). Where"
    " stdout is not a pipe but a file, a terminal or a socket, up to 128 KiB more are in the relay's memory. SIGTERM or"
    " SIGINT makes it move what is in the FIFO and exit; a second one makes it exit at once. stdout carries audit"
    " records only, messages go to stderr.",
    operand="FIFO",
    operand_meaning="The path that Vault's file audit device writes to. A regular file, directory, symbolic link,"
    " socket or device there is refused. If another FIFO takes its place, the relay reads that one too.",
    options=(
        Option(
            "mode",
            "MODE",
            "Permissions of a FIFO that the relay creates, in octal, whatever the umask is; an existing one keeps its"
            " own. Executable bits are refused, because Vault refuses them.",
            kind="mode",
            default="0600",
        ),
    ),
    exit_codes=(
        ("0", "SIGTERM or SIGINT came, and what the FIFO held was moved."),
        ("2", "The FIFO cannot be used, or the reader of stdout has gone."),
        ("64", "The command line is wrong."),
        ("70", "A fault of standpipe itself; a restart may mend it."),
        ("128+n", "A second signal, of number n, came."),
    ),
    examples=(
        (
            "standpipe relay /vault/audit/pipe &",
            "In an entrypoint, before 'exec vault server …': audit records appear in the container's log.",
        ),
        (
            "standpipe relay --mode 0660 /vault/audit/pipe | gzip > audit.gz",
            "As a sidecar, with a FIFO that a group shares with Vault.",
        ),
    ),
)


class Relay:
    """One FIFO path, one stdout, and the loop between them."""

    __slots__ = (
        "_blocked",
        "_drain_deadline",
        "_drain_left",
        "_fifo",
        "_glance",
        "_idle",
        "_log",
        "_moved",
        "_mover",
        "_next_path_check",
        "_pace",
        "_pause",
        "_stop",
        "_told",
    )

    def __init__(self, path: str, log: Log, stop: StopSignals) -> None:
        """Open both ends. Raises SourceError."""
        self._log = log
        self._stop = stop
        self._mover: Splicer | Copier = choose(STDOUT)
        self._fifo = FollowedFifo(path)
        self._fifo.current = open_fifo(path)
        self._moved = 0
        self._told = ""
        self._next_path_check = time.monotonic() + PATH_CHECK_SECONDS
        self._drain_deadline = 0.0
        self._drain_left = -1
        self._pause, self._blocked = select.poll(), select.poll()
        for poller, events in ((self._pause, 0), (self._blocked, select.POLLOUT)):
            poller.register(STDOUT, events)  # POLLERR, the reader has gone, is reported for events 0 as well
            poller.register(stop.fd, select.POLLIN)
        self._use_pipes()

    def _use_pipes(self) -> None:
        """Get ready for the pipe that is current now, and for those that it replaced."""
        current = self._fifo.current
        capacity = grow_pipe(current)
        self._pace = Pace(min(capacity, 2 * self._mover.most), time.monotonic())
        self._glance = select.poll()
        self._glance.register(current, select.POLLOUT)
        self._glance.register(STDOUT, select.POLLOUT)
        self._idle = select.poll()
        for fd in (*self._fifo.replaced, current):
            self._idle.register(fd, select.POLLIN)
        self._idle.register(STDOUT, 0)
        self._idle.register(self._stop.fd, select.POLLIN)
        say = self._log.warning if capacity < SMALL_PIPE else self._log.info
        say("relaying", fifo=self._fifo.path, pipe_bytes=capacity, way=self._mover.name)

    def run(self) -> None:
        """Move bytes until a signal came and the FIFO is drained; SinkError where stdout is of no use any more."""
        while not self._is_drained():
            moved = self._move()
            self._moved += moved
            if self._drain_left > 0:
                self._drain_left = max(0, self._drain_left - moved)
            now = time.monotonic()
            if moved == 0:
                self._wait()
            elif not self._pace.is_busy(moved, now):
                self._gather()
            if now >= self._next_path_check:
                self._check_path(now)
        self._log.info("stopped", moved_bytes=self._moved, left_bytes=self._left())

    def _move(self) -> int:
        """Move once, from the oldest pipe that has something; 0 where all are empty or stdout is full."""
        try:
            for fd in self._fifo.replaced:
                moved = self._mover.move(fd)
                if moved or pipe_fill(fd):
                    return moved
            return self._mover.move(self._fifo.current)
        except OSError as error:
            if self._mover.name == "splice" and error.errno in SPLICE_REFUSALS:
                self._log.warning("splice is refused here, copying instead", reason=error.strerror)
                self._mover = Copier(STDOUT)
                return 0
            raise self._stdout_failed(error.strerror) from error

    def _gather(self) -> None:
        """Pause a little after a small move, so that the next one takes many records.

        Not while either side is full, nor while much is left, because stdout could not take it all.
        """
        has_room = [fd for fd, events in self._glance.poll(0) if events & select.POLLOUT]
        left = pipe_fill(self._fifo.current)
        if len(has_room) == GLANCED_FDS and left < self._pace.busy_size and not self._stop.number:
            self._look_at(self._pause.poll(PAUSE_MS))

    def _wait(self) -> None:
        """Wait until the FIFO has something and stdout has room: then a move must succeed."""
        tick = DRAIN_QUIET_MS if self._stop.number else int(PATH_CHECK_SECONDS * 1000)
        events = [] if self._mover.held else self._idle.poll(tick)
        if self._mover.held or self._look_at(events):
            self._look_at(self._blocked.poll(int(PATH_CHECK_SECONDS * 1000)))
        elif self._stop.number and not events:
            self._drain_left = 0

    def _look_at(self, events: list[tuple[int, int]]) -> bool:
        """Notice a dead stdout and a signal; return whether a pipe has something to read."""
        readable = False
        for fd, event in events:
            if fd == STDOUT:
                if event & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                    raise self._stdout_failed("its reader has gone")
            elif fd == self._stop.fd:
                self._stop.clear()
            elif event & select.POLLIN:
                readable = True
            elif event & select.POLLHUP:
                self._next_path_check = 0.0  # a replaced pipe has come to its end: close it, or poll would spin
        return readable

    def _is_drained(self) -> bool:
        """Tell whether a signal came and what had to be moved since was moved."""
        if not self._stop.number:
            return False
        if not self._drain_deadline:
            self._drain_deadline = time.monotonic() + DRAIN_SECONDS
            self._log.info("stopping, draining the FIFO", signal=self._stop.number, left_bytes=self._left())
        if self._drain_left < 0 and time.monotonic() >= self._drain_deadline:
            self._drain_left = self._left()
        return self._drain_left == 0 and not self._mover.held

    def _left(self) -> int:
        return self._mover.held + sum(pipe_fill(fd) for fd in (*self._fifo.replaced, self._fifo.current))

    def _check_path(self, now: float) -> None:
        """See whether Vault's path still leads to us."""
        self._next_path_check = now + PATH_CHECK_SECONDS
        changed = self._fifo.refresh()
        if changed:
            self._log.warning(
                "another FIFO took the path; reading both until the old one has no writer", fifo=self._fifo.path
            )
        if self._fifo.trouble != self._told:
            self._told = self._fifo.trouble
            if self._told:
                self._log.error("the path is no longer our FIFO: Vault would write elsewhere", reason=self._told)
        if self._fifo.close_finished() or changed:
            self._use_pipes()

    def _stdout_failed(self, reason: str | None) -> SinkError:
        message = f"cannot write to stdout: {reason} ({self._moved} bytes were moved, {self._left()} are left)"
        return SinkError(message, "Start the relay again; only a process that still holds the FIFO keeps what is left")


def check_stdout(path: str) -> None:
    """Refuse a stdout that is closed, or that is the FIFO itself: the bytes would go round for ever."""
    try:
        out = os.fstat(STDOUT)
    except OSError as error:
        raise SinkError("stdout is closed", "Give the relay a pipe, a file or a terminal as its stdout") from error
    try:
        fifo = os.stat(path)
    except OSError:
        return  # not there yet, or ensure_fifo tells why it cannot be used
    if (out.st_dev, out.st_ino) == (fifo.st_dev, fifo.st_ino):
        raise UsageError(f"stdout is {path} itself", "Send stdout somewhere else")


def run(parsed: Parsed, log: Log) -> int:
    """Run the command; return its exit status."""
    path = parsed.operands[0]
    check_stdout(path)
    ensure_fifo(path, parsed.integer("mode"))
    Relay(path, log, StopSignals()).run()
    return EXIT_OK
