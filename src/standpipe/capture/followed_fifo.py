"""A FIFO's path, followed when somebody puts another FIFO there.

Vault keeps writing into the old pipe until it opens the path again, at SIGHUP or a restart. So the new pipe is opened
at once, that Vault's open need not wait, and the old one is kept until it is empty *and* no writer has it. Closing
earlier loses: the bytes inside can be read by nobody once the last descriptor is gone, because no path leads to them,
and a writer that is still there would get EPIPE.
"""

from __future__ import annotations

import os
import select

from standpipe.capture.fifo import is_same_pipe, open_fifo, reopen_read_only
from standpipe.errors import SourceError

NOT_OPEN = -1


class FollowedFifo:
    """One path, the pipe that it names now (``current``, O_RDWR) and the ones that it named before (``replaced``).

    ``replaced`` is oldest first; its descriptors are O_RDONLY where that could be had, so that POLLHUP can be seen.
    ``trouble`` says why the path cannot be opened now, or is empty.
    """

    __slots__ = ("current", "path", "replaced", "trouble")

    def __init__(self, path: str) -> None:
        """Follow a path from now on; nothing is opened before ``refresh``."""
        self.path = path
        self.current = NOT_OPEN
        self.replaced: list[int] = []
        self.trouble = ""

    def refresh(self) -> bool:
        """Look at the path; return whether ``current`` is a new pipe. Never raises: what is wrong is in ``trouble``."""
        if self.current != NOT_OPEN and is_same_pipe(self.current, self.path):
            self.trouble = ""
            return False
        try:
            opened = open_fifo(self.path)
        except SourceError as error:
            self.trouble = str(error)
            return False
        self.trouble = ""
        if self.current != NOT_OPEN:
            self.replaced.append(_read_only_where_possible(self.current))
        self.current = opened
        return True

    def close_finished(self) -> list[int]:
        """Close the replaced pipes that are empty and have no writer; return their descriptors, now closed."""
        finished = [fd for fd in self.replaced if _is_finished(fd)]
        for fd in finished:
            self.replaced.remove(fd)
            os.close(fd)
        return finished

    def close(self) -> None:
        """Close everything. Bytes in a pipe that nobody else holds are lost."""
        for fd in (*self.replaced, self.current):
            if fd != NOT_OPEN:
                os.close(fd)
        self.replaced.clear()
        self.current = NOT_OPEN


def _read_only_where_possible(fd: int) -> int:
    try:
        return reopen_read_only(fd)
    except OSError:
        return fd  # kept for ever then, which is the safe side


def _is_finished(fd: int) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return any(event & select.POLLHUP and not event & select.POLLIN for _, event in poller.poll(0))
