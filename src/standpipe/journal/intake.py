"""Where the writer takes bytes from: a pipe, by splice and tee, or a file that somebody appends to, by sendfile.

An intake moves bytes to a place in a segment, in the kernel, and shows the bytes that come next without taking them.

**Why not copy_file_range.** Within one file system it may share blocks instead of copying them (XFS, btrfs): it then
takes both inodes' locks and writes dirty pages out first, and Vault's own write waits for that; the shared blocks
would also keep a punched hole from freeing anything. Where blocks are not shared it does what sendfile does. See
docs/theory-of-operation.md for the figures.
"""

from __future__ import annotations

import ctypes
import errno
import os

from standpipe.errors import SourceError

LOOK_AHEAD_BYTES = 64 << 10  # how much is looked at for one newline; most records are 2 KiB


def _tee_function() -> ctypes._NamedFuncPointer:
    """tee(2) is not in the standard library's os module."""
    function = ctypes.CDLL(None, use_errno=True).tee
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint)
    function.restype = ctypes.c_ssize_t
    return function


class PipeIntake:
    """Takes bytes from a pipe. What was moved is no longer in it."""

    __slots__ = ("_buffer", "_pipe", "_read_end", "_tee", "_write_end")

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._tee = _tee_function()
        self._read_end, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._buffer = bytearray(LOOK_AHEAD_BYTES)

    def newline(self, start: int) -> tuple[int, int]:
        """Return (index of the first newline at or after start, or -1; how many bytes were seen).

        Raises OSError for a failure other than an empty pipe.
        """
        seen = self._tee(self._pipe, self._write_end, LOOK_AHEAD_BYTES, os.SPLICE_F_NONBLOCK)
        if seen < 0:
            number = ctypes.get_errno()
            if number == errno.EAGAIN:
                return -1, 0
            raise OSError(number, "tee: " + os.strerror(number))
        view = memoryview(self._buffer)
        filled = 0
        while filled < seen:  # the scratch pipe must be empty again before the next tee
            filled += os.readv(self._read_end, [view[filled:seen]])
        return self._buffer.find(b"\n", start, seen), seen

    def move(self, target: int, position: int, count: int) -> int:
        """Move up to count bytes to a position of target; return how many went, 0 where the pipe is empty."""
        flags = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
        try:
            return os.splice(self._pipe, target, count, offset_dst=position, flags=flags)
        except BlockingIOError:
            return 0


class FileIntake:
    """Takes bytes from a regular file, from `offset` on, which moves with them; the file keeps its bytes."""

    __slots__ = ("_buffer", "_file", "offset")

    def __init__(self, file: int, offset: int) -> None:
        self._file = file
        self._buffer = bytearray(LOOK_AHEAD_BYTES)
        self.offset = offset

    def newline(self, start: int) -> tuple[int, int]:
        """Return (index of the first newline at or after start, or -1; how many bytes were seen). Raises OSError."""
        seen = os.preadv(self._file, [self._buffer], self.offset)
        return self._buffer.find(b"\n", start, seen), seen

    def move(self, target: int, position: int, count: int) -> int:
        """Copy up to count bytes to a position of target; return how many went, 0 at the file's end.

        Raises OSError where target refuses, and SourceError where the file cannot be read.
        """
        os.lseek(target, position, os.SEEK_SET)
        try:
            moved = os.sendfile(target, self._file, self.offset, count)
        except OSError:
            self._check_readable(count)
            raise
        self.offset += moved
        return moved

    def _check_readable(self, count: int) -> None:
        """Tell a file that cannot be read from a target that refuses: sendfile has one errno for both."""
        position = self.offset
        try:
            while position < self.offset + count and (seen := os.preadv(self._file, [self._buffer], position)):
                position += seen
        except OSError as error:
            raise SourceError(
                f"the audit file cannot be read at {position}: {error.strerror}",
                "Look at its disk; nothing after this is captured until it can be read",
            ) from error
