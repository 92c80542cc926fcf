"""The hot half of capture's writing: bytes from the reserve into the current segment, and where to cut.

Theory of operation. This half runs on the thread that drains the FIFO, so it calls splice, tee and read on
pipes and nothing that may wait for the journal's disk except the splice into the segment itself (and a pread of the
segment's last byte, which is as good as always in the page cache). When a segment is
over, it gives it away (`syncer.hand_over`) and is *blocked* until the other thread publishes the next one;
meanwhile bytes gather in the pipes. A splice consumes exactly what it wrote, at ENOSPC too, so a byte is always in
the pipe or in the file.

A segment is cut at the first newline at which it is at least segment_size long. splice cannot see a newline; so once
the soft limit is within reach, `tee` copies the head of the reserve into a scratch pipe, we look for the newline
there, and splice exactly that far. Without a newline up to the hard limit the cut falls inside the record.
"""

from __future__ import annotations

import ctypes
import errno
import os

from standpipe.journal.layout import HARD_LIMIT_FACTOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.journal.segment import Segment
    from standpipe.journal.syncer import Syncer

SPLICE_BYTES_MAX = 1 << 20  # the largest pipe that an unprivileged user may have
LOOK_AHEAD_BYTES = 64 << 10  # how much of the reserve is looked at for one newline; most records are 2 KiB
FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _tee_function() -> ctypes._NamedFuncPointer:
    """tee(2) is not in the standard library's os module."""
    function = ctypes.CDLL(None, use_errno=True).tee
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint)
    function.restype = ctypes.c_ssize_t
    return function


class LookAhead:
    """Sees the first bytes of a pipe without consuming them."""

    __slots__ = ("_buffer", "_read_end", "_tee", "_write_end")

    def __init__(self) -> None:
        self._tee = _tee_function()
        self._read_end, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._buffer = bytearray(LOOK_AHEAD_BYTES)

    def newline(self, pipe: int, start: int) -> tuple[int, int]:
        """Return (index of the first newline at or after start, or -1; how many bytes were seen).

        Raises OSError for a failure other than an empty pipe.
        """
        seen = self._tee(pipe, self._write_end, LOOK_AHEAD_BYTES, os.SPLICE_F_NONBLOCK)
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


class Writer:
    """Moves bytes from a pipe into segments. One thread calls `store`; the syncer publishes segments and room."""

    __slots__ = (
        "_look_ahead",
        "_published",
        "_syncer",
        "allowed_end",
        "current",
        "hard_limit",
        "refused",
        "soft_limit",
    )

    def __init__(self, syncer: Syncer, current: Segment, segment_size: int) -> None:
        self._syncer = syncer
        self._look_ahead = LookAhead()
        self._published: Segment | None = None
        self.current: Segment | None = current
        self.soft_limit = segment_size
        self.hard_limit = HARD_LIMIT_FACTOR * segment_size
        self.allowed_end = 0  # the journal's cap, as an offset; the syncer moves it
        self.refused = 0  # the errno with which the file system refused bytes; the syncer clears it to try again

    def publish(self, segment: Segment) -> None:
        """Take the segment that follows the one that was handed over; the syncer calls this."""
        self._published = segment

    def store(self, pipe: int, held: int) -> int:
        """Move up to held bytes, all that the pipe has, into segments; return how many went.

        Fewer than held: the writer is blocked (no segment yet, no room, or refused); the syncer wakes the caller.
        """
        stored = 0
        while True:
            segment = self._writable_segment()
            if segment is None:
                return stored
            count = held - stored
            cut = False
            if segment.cut_wanted or segment.length + count >= self.soft_limit:
                count, cut = self._plan_cut(segment, pipe, count)
            moved = self._splice(segment, pipe, count) if count else 0
            stored += moved
            if cut and moved == count:
                self._give_away(segment)
            elif not moved or stored == held:
                return stored

    def blocked(self) -> bool:
        """Tell whether there is nowhere to write at the moment."""
        return self._writable_segment() is None

    def _writable_segment(self) -> Segment | None:
        segment = self.current
        if segment is None:
            segment, self._published = self._published, None
            self.current = segment
            if segment is None:
                return None
        if self._syncer.takes_back is segment:
            self._give_away(segment)
            return None
        if self.refused:
            return None
        if segment.end >= self.allowed_end:
            self._syncer.want_room()
            return None
        return segment

    def _plan_cut(self, segment: Segment, pipe: int, count: int) -> tuple[int, bool]:
        """Return how many bytes may go into the segment now, and whether it is over after them."""
        start = self.soft_limit - segment.length - 1  # a newline at this index makes the segment soft_limit long
        if segment.cut_wanted:
            if segment.length and os.pread(segment.descriptor, 1, segment.length - 1) == b"\n":
                return 0, True
            start = 0
        start = max(start, 0)
        if start >= LOOK_AHEAD_BYTES:
            return min(count, start), False
        if not count:
            return 0, False
        index, seen = self._look_ahead.newline(pipe, start)
        room = self.hard_limit - segment.length
        if 0 <= index < room:
            return index + 1, True
        return min(seen, room), seen >= room

    def _splice(self, segment: Segment, pipe: int, count: int) -> int:
        count = min(count, SPLICE_BYTES_MAX, self.allowed_end - segment.end)
        try:
            moved = os.splice(
                pipe,
                segment.descriptor,
                count,
                offset_dst=segment.length,
                flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK,
            )
        except BlockingIOError:
            return 0
        except OSError as error:
            self.refused = error.errno or errno.EIO
            self._syncer.wake()
            return 0
        segment.length += moved
        return moved

    def _give_away(self, segment: Segment) -> None:
        self.current = None
        self._syncer.hand_over(segment)
