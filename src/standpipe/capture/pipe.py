"""FIFO → reserve → segment, by one thread: the loop that Vault's life hangs on.

Theory of operation. A byte is always in exactly one of three places: the FIFO, the reserve, or a segment; never only in
our memory. `splice` moves it from one to the next and consumes exactly what it delivered, so SIGKILL at any
instruction loses nothing and repeats nothing. FIFO to reserve is a move of pages between two pipes: Vault's pipe
is locked for microseconds. Reserve to segment may take as long as the disk likes: only the reserve is locked then,
and Vault goes on writing into the FIFO.

Wake-ups cost more than bytes, so after a small piece the loop sleeps for PAUSE_MS and takes what has gathered in one
go. It does not sleep while bytes come so fast that a quarter of the pipe would gather in one pause (capture.pace), nor
when the FIFO has no free slot (POLLOUT is clear): FIONREAD would not show that, because a pipe of 1 MiB is full after
256 records of one page each.
"""

from __future__ import annotations

import os
import select
import time

from standpipe.capture.fifo import grow_pipe, is_same_pipe, open_fifo, pipe_fill, reopen_read_only
from standpipe.capture.pace import PAUSE_MS, Pace
from standpipe.journal.intake import PipeIntake
from standpipe.journal.writer import MOVE_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.journal.writer import Writer

IDLE_POLL_SECONDS = 1.0  # an upper bound only: data and signals wake the loop


class Wake:
    """A pipe that ends a poll: written by the syncer and by Python's signal machinery."""

    __slots__ = ("read_end", "write_end")

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def wake(self) -> None:
        """End the current or the next poll."""
        try:
            os.write(self.write_end, b"\n")
        except BlockingIOError:
            return  # full of wake-ups: one is enough

    def clear(self) -> None:
        """Forget the wake-ups so far."""
        try:
            os.read(self.read_end, 4096)
        except BlockingIOError:
            return


def _poll_of(descriptor: int, events: int) -> select.poll:
    poll = select.poll()
    poll.register(descriptor, events)
    return poll


class PipeCapture:
    """Drains one FIFO into a journal."""

    __slots__ = (
        "_fifo",
        "_fifo_in_poll",
        "_fifo_out_poll",
        "_fifo_path",
        "_fifo_poll",
        "_held",
        "_intake",
        "_pace",
        "_reserve",
        "_wake",
        "_wake_poll",
        "_writer",
    )

    def __init__(self, fifo_path: str, reserve_path: str, writer: Writer, wake: Wake) -> None:
        """Open both pipes. Raises SourceError."""
        self._fifo_path = fifo_path
        self._writer = writer
        self._wake = wake
        self._fifo = open_fifo(fifo_path)
        self._pace = Pace(grow_pipe(self._fifo), time.monotonic())
        self._reserve = open_fifo(reserve_path)
        grow_pipe(self._reserve)
        self._intake = PipeIntake(self._reserve)
        self._held = pipe_fill(self._reserve)
        self._wake_poll = _poll_of(wake.read_end, select.POLLIN)
        self._watch_fifo()

    def _watch_fifo(self) -> None:
        self._fifo_in_poll = _poll_of(self._fifo, select.POLLIN)
        self._fifo_out_poll = _poll_of(self._fifo, select.POLLOUT)
        self._fifo_poll = _poll_of(self._fifo, select.POLLIN)
        self._fifo_poll.register(self._wake.read_end, select.POLLIN)

    def run(self, finished: Callable[[], bool]) -> None:
        """Move bytes until finished() says so; it is asked after every wake-up."""
        while not finished():
            self._wait(self.pump())

    def pump(self) -> int:
        """Move what there is, without waiting for more; return the bytes taken from the FIFO."""
        if self._held:
            self._held -= self._writer.store(self._intake, self._held)
        taken = self._take()
        if taken:
            self._held -= self._writer.store(self._intake, self._held)
        elif not self._held:
            self._writer.store(self._intake, 0)  # a cut may be wanted while nothing comes
        return taken

    def _take(self) -> int:
        try:
            taken = os.splice(self._fifo, self._reserve, MOVE_BYTES_MAX, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            return 0
        self._held += taken
        return taken

    def _wait(self, taken: int) -> None:
        """Sleep as long as it is safe to."""
        if taken:
            if not self._pace.is_busy(taken, time.monotonic()) and self._fifo_ready(self._fifo_out_poll):
                self._sleep(self._wake_poll, PAUSE_MS / 1000)
        elif self._held and self._fifo_ready(self._fifo_in_poll):
            self._sleep(self._wake_poll, IDLE_POLL_SECONDS)  # the reserve is full; what the writer waits for wakes us
        else:
            self._sleep(self._fifo_poll, IDLE_POLL_SECONDS)

    def _sleep(self, poll: select.poll, seconds: float) -> None:
        for descriptor, _ in poll.poll(seconds * 1000):
            if descriptor == self._wake.read_end:
                self._wake.clear()

    @staticmethod
    def _fifo_ready(poll: select.poll) -> bool:
        return bool(poll.poll(0))

    def stop_writing_end(self) -> None:
        """Open the FIFO for reading only, so that POLLHUP tells when the last writer has gone. Raises OSError."""
        self._fifo = reopen_read_only(self._fifo)
        self._watch_fifo()

    def writers_gone(self) -> bool:
        """Has every writer closed the FIFO, and is it empty? Always False while we hold a writing end."""
        events = self._fifo_in_poll.poll(0)
        return bool(events) and events[0][1] & select.POLLHUP != 0 and not events[0][1] & select.POLLIN

    def path_leads_elsewhere(self) -> bool:
        """Has somebody put something else at the FIFO's path? Vault's next open would go there."""
        return not is_same_pipe(self._fifo, self._fifo_path)

    @property
    def bytes_in_pipes(self) -> int:
        """Bytes that are not in the journal yet."""
        return pipe_fill(self._fifo) + self._held
