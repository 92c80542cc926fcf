"""The hot half of capture's writing: bytes from an intake into the current segment, and where to cut.

Theory of operation. With a FIFO this half runs on the thread that drains it, so it calls splice, tee and read on
pipes and nothing that may wait for the journal's disk except the splice into the segment itself (and a pread of the
segment's last byte, which is as good as always in the page cache). When a segment is
over, it gives it away (`syncer.hand_over`) and is *blocked* until the other thread publishes the next one;
meanwhile bytes gather in the pipes, or in the file that is followed. What an intake moved is exactly what the segment
has got, at ENOSPC too (journal.intake).

A segment is cut at the first newline at which it is at least segment_size long. The kernel's moves cannot see a
newline; so once the soft limit is within reach, the intake shows the bytes that come next, we look for the newline
there, and move exactly that far. Without a newline up to the hard limit the cut falls inside the record.
"""

from __future__ import annotations

import errno
import os

from standpipe.journal.intake import LOOK_AHEAD_BYTES
from standpipe.journal.layout import HARD_LIMIT_FACTOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.journal.intake import FileIntake, PipeIntake
    from standpipe.journal.segment import Segment
    from standpipe.journal.syncer import Syncer

    Intake = PipeIntake | FileIntake

MOVE_BYTES_MAX = 1 << 20  # the largest pipe that an unprivileged user may have; enough for one system call of any kind
FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Writer:
    """Moves bytes from an intake into segments. One thread calls `store`; the syncer publishes segments and room."""

    __slots__ = (
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
        self._published: Segment | None = None
        self.current: Segment | None = current
        self.soft_limit = segment_size
        self.hard_limit = HARD_LIMIT_FACTOR * segment_size
        self.allowed_end = 0  # the journal's cap, as an offset; the syncer moves it
        self.refused = 0  # the errno with which the file system refused bytes; the syncer clears it to try again

    def publish(self, segment: Segment) -> None:
        """Take the segment that follows the one that was handed over; the syncer calls this."""
        self._published = segment

    def store(self, intake: Intake, held: int) -> int:
        """Move up to held bytes, all that the intake has, into segments; return how many went.

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
                count, cut = self._plan_cut(segment, intake, count)
            moved = self._move(segment, intake, count) if count else 0
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

    def _plan_cut(self, segment: Segment, intake: Intake, count: int) -> tuple[int, bool]:
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
        index, seen = intake.newline(start)
        seen = min(seen, count)  # a file may have grown meanwhile
        room = self.hard_limit - segment.length
        if 0 <= index < min(seen, room):
            return index + 1, True
        return min(seen, room), seen >= room

    def _move(self, segment: Segment, intake: Intake, count: int) -> int:
        count = min(count, MOVE_BYTES_MAX, self.allowed_end - segment.end)
        try:
            moved = intake.move(segment.descriptor, segment.length, count)
        except OSError as error:
            self.refused = error.errno or errno.EIO
            self._syncer.wake()
            return 0
        segment.length += moved
        return moved

    def close_line(self) -> bool:
        """Write one newline of our own: what comes next is not the rest of the line. False: there is no room now."""
        segment = self._writable_segment()
        if segment is None:
            return False
        try:
            moved = os.pwrite(segment.descriptor, b"\n", segment.length)
        except OSError as error:
            self.refused = error.errno or errno.EIO
            self._syncer.wake()
            return False
        segment.length += moved
        return True

    def _give_away(self, segment: Segment) -> None:
        self.current = None
        self._syncer.hand_over(segment)
