"""stdout as a sink: bytes out, never a repeated or a lost one, and never waiting where the caller cannot stop it.

stdout is somebody else's pipe most of the time, and its open file description is shared with the supervisor and whoever
started it, so its O_NONBLOCK flag is never touched. splice(2) with SPLICE_F_NONBLOCK does not wait on a full pipe
whatever the flag says; bytes from memory take the way through a private pipe for the same reason. A terminal is opened
once more, for a description of our own, and a socket has MSG_DONTWAIT.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from standpipe.capture.fifo import grow_pipe, pipe_capacity, pipe_fill
from standpipe.errors import JournalError, SinkError

if TYPE_CHECKING:
    from collections.abc import Callable

STDOUT = 1
COPY_BYTES = 256 << 10  # a block where splice cannot be used (a file, a terminal, a socket)


def check_open() -> None:
    """Raise SinkError where stdout is closed: the next file opened would become descriptor 1, and get the records.

    So this must be asked before anything is opened.
    """
    try:
        os.fstat(STDOUT)
    except OSError as error:
        raise SinkError(
            "stdout is closed, so records have nowhere to go",
            "Give it a pipe or a file, or configure no sink (`sinks: {}`)",
        ) from error


def _own_writer(descriptor: int, mode: int) -> tuple[Callable[[bytes | memoryview], int], Callable[[], None]]:
    """Return a write(2) to what is no pipe, which does not wait, and a function that closes what was opened for it."""
    if stat.S_ISSOCK(mode):
        import socket  # noqa: PLC0415 - 1 MB, for a rare kind of stdout

        own_socket = socket.socket(fileno=os.dup(descriptor))
        return lambda data: own_socket.send(data, socket.MSG_DONTWAIT), own_socket.close
    if stat.S_ISCHR(mode):
        try:
            own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:  # EACCES: the terminal is another user's; then a write may wait
            return lambda data: os.write(descriptor, data), lambda: None
        return lambda data: os.write(own, data), lambda: os.close(own)
    # A file: its position is shared with whoever opened it, and no reader can make a write wait.
    return lambda data: os.write(descriptor, data), lambda: None


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
        self._write, self._close_own = _own_writer(descriptor, status.st_mode)

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
                moved = os.splice(
                    source, self._descriptor, length, offset_src=position, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
                )
            else:
                moved = self._write(os.pread(source, min(length, COPY_BYTES), position))
        except BlockingIOError:
            return 0
        if not moved:
            raise JournalError(
                f"a segment became shorter while it was delivered: it ends at its byte {position}",
                "Find out who truncated it; `standpipe verify` says what is missing",
            )
        return moved

    def _send_memory(self, view: memoryview) -> int:
        if not self.is_pipe:
            try:
                return self._write(view)
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
                    self._private_read, self._descriptor, length - moved, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
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

    def close(self) -> None:
        """Close what was opened here; stdout itself stays open."""
        self._close_own()
        if self._private_write >= 0:
            self._close_private()

    def _close_private(self) -> None:
        os.close(self._private_read)
        os.close(self._private_write)
        self._private_read = self._private_write = -1
