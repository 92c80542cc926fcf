"""Two ways to move bytes from a FIFO to stdout without waiting: by splice(2), or through one buffer.

Both have one method, ``move``. stdout's flags are never touched: the open file description is shared with whoever
started us.
"""

from __future__ import annotations

import errno
import os
import stat

BUFFER_SIZE = 128 * 1024  # bytes; the size that GNU cat uses, beyond which nothing was gained

# What splice says where it cannot serve: EINVAL from odd files, ENOSYS and EPERM from sandboxes.
SPLICE_REFUSALS = (errno.EINVAL, errno.ENOSYS, errno.EPERM)


class Splicer:
    """Moves pages from pipe to pipe: no byte passes through this process, so its death loses none.

    ``held`` is always 0, and ``most`` the most bytes that one move takes.
    """

    __slots__ = ("_out",)
    name = "splice"
    held = 0
    most = 1 << 30  # bytes a move; the pipes set the limit

    def __init__(self, out: int) -> None:
        """Move to this descriptor."""
        self._out = out

    def move(self, fifo: int) -> int:
        """Move what there is; 0 where the FIFO is empty or stdout is full. Raises OSError (EPIPE and others)."""
        try:
            return os.splice(fifo, self._out, self.most, flags=os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE)
        except BlockingIOError:
            return 0


class Copier:
    """Reads into one buffer and writes it out, for a stdout that is a file, a terminal or a socket.

    Not splice: into a file it holds the FIFO's lock while the disk works, and Vault would wait with it
    (docs/theory-of-operation.md, "Why the reserve"). ``most`` is the size of the buffer; ``held`` how many bytes are
    in it, read and not yet written: a SIGKILL loses them.
    """

    __slots__ = ("_buffer", "_buffers", "_out", "_start", "held")
    name = "copy"
    most = BUFFER_SIZE

    def __init__(self, out: int) -> None:
        """Move to this descriptor."""
        self._out = out
        self._buffer = memoryview(bytearray(BUFFER_SIZE))
        self._buffers = [self._buffer]
        self._start = 0
        self.held = 0

    def move(self, fifo: int) -> int:
        """Write what is held, or read first; return the bytes written, 0 where the FIFO is empty or stdout is full."""
        if not self.held:
            try:
                self.held = os.readv(fifo, self._buffers)
            except BlockingIOError:
                return 0
            self._start = 0
        try:
            written = os.write(self._out, self._buffer[self._start : self._start + self.held])
        except BlockingIOError:
            return 0
        self._start += written
        self.held -= written
        return written


def choose(out: int) -> Splicer | Copier:
    """Return the way that suits what stdout is. Raises OSError where it is closed."""
    return Splicer(out) if stat.S_ISFIFO(os.fstat(out).st_mode) else Copier(out)
