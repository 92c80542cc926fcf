"""``standpipe hold``: a process that keeps pipes open and does nothing else, so that no death of a reader loses bytes.

A pipe and the bytes in it live while any process has it open (pipe(7)). The holder never reads and never writes. It
looks at each path twice a second; where another FIFO has taken a path it holds the new one at once, and the old one
until that is empty and has no writer (capture.followed_fifo says why).
"""

from __future__ import annotations

import os
import select

from standpipe.capture.fifo import pipe_capacity, pipe_fill
from standpipe.capture.followed_fifo import NOT_OPEN, FollowedFifo
from standpipe.cli.plain import Command, Parsed
from standpipe.errors import EXIT_OK
from standpipe.processes.stop_signals import StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.observe.log import Log

TICK_MS = 500  # how long a new FIFO may go unheld

COMMAND = Command(
    "hold",
    "Keeps pipes open, and with them the bytes inside, while their readers are killed and start again. Run it in a"
    " container of its own beside the one that runs Vault, never as a descriptor that Vault inherits:"
    " Vault's plugins would inherit it too. Waits until each path is a FIFO, never reads, holds the new FIFO when a"
    " path is replaced, and the old one until it is empty and has no writer. SIGTERM or SIGINT ends it.",
    operand="PATH",
    operand_meaning="A FIFO to hold: the one that Vault writes to, and the journal's, which is named 'reserve'. It may"
    " come later than the holder.",
    many=True,
    exit_codes=(
        ("0", "SIGTERM or SIGINT came."),
        ("2", "The operating system refused something unexpected; stderr says what."),
        ("64", "The command line is wrong."),
        ("70", "A fault of standpipe itself; a restart may mend it."),
    ),
    examples=(
        (
            "standpipe hold /vault/audit/pipe /var/lib/standpipe/reserve",
            "Both pipes of a journalled FIFO: Vault's, and the reserve.",
        ),
    ),
)


class Holder:
    """Holds one path and tells what changes; a state that lasts is told once."""

    __slots__ = ("_fifo", "_log", "_told", "_told_replaced")

    def __init__(self, path: str, log: Log) -> None:
        """Take a path, which need not exist yet."""
        self._fifo = FollowedFifo(path)
        self._log = log
        self._told = ""
        self._told_replaced: list[int] = []

    def look(self) -> None:
        """Hold what the path names now, and let go of what is finished."""
        fifo = self._fifo
        if fifo.refresh():
            size = pipe_capacity(fifo.current)
            self._log.info("holding", fifo=fifo.path, pipe_bytes=size, inside_bytes=pipe_fill(fifo.current))
        if fifo.trouble != self._told:
            self._told = fifo.trouble
            if fifo.trouble:
                state = "waiting for a FIFO" if fifo.current == NOT_OPEN else "still holding the FIFO that was here"
                self._log.warning(state, fifo=fifo.path, reason=fifo.trouble)
        for fd in fifo.close_finished():
            self._log.info("let go of a replaced FIFO: empty, and nobody writes to it", fifo=fifo.path)
            if fd in self._told_replaced:
                self._told_replaced.remove(fd)
        self._tell_replaced()

    def _tell_replaced(self) -> None:
        for fd in self._fifo.replaced:
            inside = pipe_fill(fd)
            if inside and fd not in self._told_replaced:
                self._told_replaced.append(fd)
                self._log.warning(
                    "a replaced FIFO has bytes inside; held until its reader takes them",
                    fifo=self._fifo.path,
                    inside_bytes=inside,
                    rescue=f"if it has no reader any more: cat /proc/{os.getpid()}/fd/{fd}",
                )


def run(parsed: Parsed, log: Log) -> int:
    """Run the command; return its exit status."""
    stop = StopSignals()
    holders = [Holder(path, log) for path in dict.fromkeys(parsed.operands)]
    poller = select.poll()
    poller.register(stop.fd, select.POLLIN)
    while not stop.number:
        for holder in holders:
            holder.look()
        poller.poll(TICK_MS)
    log.info("stopped")
    return EXIT_OK
