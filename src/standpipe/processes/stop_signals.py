"""SIGTERM and SIGINT as something that poll(2) can wait for, in the small processes: relay and hold."""

from __future__ import annotations

import os
import signal

from standpipe.errors import EXIT_SIGNAL_BASE

READ_SIZE = 64  # bytes; one byte a signal, and more than a few mean the same as one
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

INIT_PID = 1


class StopSignals:
    """Remembers that SIGTERM or SIGINT came and makes ``fd`` readable then; a second one ends the process at once.

    The second exit is taken inside the handler, so it works even while a write to a stalled stdout blocks. As PID 1
    orphans that are given to us are reaped by the kernel (SIGCHLD ignored: wait(2), NOTES).
    """

    __slots__ = ("_writer", "fd", "number")

    def __init__(self) -> None:
        """Install the handlers. Raises OSError where no pipe can be had."""
        self.number = 0
        self.fd, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)
        if os.getpid() == INIT_PID:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.number:
            os._exit(EXIT_SIGNAL_BASE + number)
        self.number = number

    def clear(self) -> None:
        """Make ``fd`` wait for the next signal."""
        try:
            os.read(self.fd, READ_SIZE)
        except BlockingIOError:
            return
