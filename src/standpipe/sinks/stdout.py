"""stdout as a sink: bytes out, never a repeated or a lost one, and never waiting where the caller cannot stop it.

stdout is somebody else's pipe most of the time, and its open file description is shared with the supervisor and whoever
started it, so its O_NONBLOCK flag is never touched. splice(2) with SPLICE_F_NONBLOCK does not wait on a full pipe
whatever the flag says; bytes from memory take the way through a private pipe for the same reason.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from standpipe.capture.fifo import grow_pipe, pipe_capacity, pipe_fill

if TYPE_CHECKING:
    from collections.abc import Callable

STDOUT = 1
SPLICE_F_MOVE = 1  # fcntl.h
SPLICE_F_NONBLOCK = 2  # fcntl.h
COPY_BYTES = 256 << 10  # a block where splice cannot be used (a file, a terminal, a socket)


class Output:
    """The open stdout. `wait(descriptor)` waits until it may take more, and returns False to give up."""

    def __init__(self, boot_id: str, wait: Callable[[int], bool], descriptor: int = STDOUT) -> None:
        """Look at what stdout is. Raises OSError where it is closed."""
        self._descriptor = descriptor
        self._wait = wait
        status = os.fstat(descriptor)
        self.is_pipe = stat.S_ISFIFO(status.st_mode)
        self._private_read = self._private_write = -1
        kind = "pipe" if self.is_pipe else "other"
        self.name = f"{kind} {boot_id[:8]}:{status.st_dev}:{status.st_ino}"
        """Tells this pipe or file from any other, in this boot of the kernel or another."""

    @property
    def capacity_bytes(self) -> int:
        """How much the reader may leave unread; 0 where that is not known to be lost with the reader."""
        return pipe_capacity(self._descriptor) if self.is_pipe else 0

    @property
    def unread_bytes(self) -> int:
        """How much the reader has not taken yet (FIONREAD works on a pipe's writing end)."""
        return pipe_fill(self._descriptor) if self.is_pipe else 0

    def send_file(self, source: int, position: int, length: int) -> int:
        """Send bytes of a file; return how many went: fewer if `wait` gave up, or before an error that comes again.

        Raises OSError where none went.
        """
        return self._send(lambda done: self._send_piece(source, position + done, length - done), length)

    def send_bytes(self, data: bytes) -> int:
        """Send bytes from memory; otherwise like send_file."""
        view = memoryview(data)
        return self._send(lambda done: self._send_memory(view[done:]), len(data))

    def _send(self, send_piece: Callable[[int], int], length: int) -> int:
        done = 0
        while done < length:
            try:
                moved = send_piece(done)
            except OSError:
                if done:
                    return done  # what went must be counted; the next call meets the error
                raise
            done += moved
            if not moved and not self._wait(self._descriptor):
                break
        return done

    def _send_piece(self, source: int, position: int, length: int) -> int:
        try:
            if self.is_pipe:
                return os.splice(
                    source, self._descriptor, length, offset_src=position, flags=SPLICE_F_MOVE | SPLICE_F_NONBLOCK
                )
            return os.write(self._descriptor, os.pread(source, min(length, COPY_BYTES), position))
        except BlockingIOError:
            return 0

    def _send_memory(self, view: memoryview) -> int:
        if not self.is_pipe:
            try:
                return os.write(self._descriptor, view)
            except BlockingIOError:
                return 0
        if self._private_write < 0:
            self._private_read, self._private_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            grow_pipe(self._private_write)
        written = os.write(self._private_write, view)
        return self._empty_private(written)

    def _empty_private(self, length: int) -> int:
        """Move what is in the private pipe on; what `wait` gave up on is thrown away with it."""
        moved = 0
        while moved < length:
            try:
                moved += os.splice(
                    self._private_read, self._descriptor, length - moved, flags=SPLICE_F_MOVE | SPLICE_F_NONBLOCK
                )
            except BlockingIOError:
                if not self._wait(self._descriptor):
                    break
            except OSError:
                if not moved:
                    self._close_private()
                    raise
                break
        if moved < length:
            self._close_private()
        return moved

    def _close_private(self) -> None:
        os.close(self._private_read)
        os.close(self._private_write)
        self._private_read = self._private_write = -1
