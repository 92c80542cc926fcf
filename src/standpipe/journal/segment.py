"""A segment that capture has open, and the steps that make one appear and finish it.

Each function is one durable step of the life that journal.layout describes. Only capture's second thread and
start-up call them: the thread that drains the FIFO must never wait for open, rename or fsync.
"""

from __future__ import annotations

import os

from standpipe.journal.atomic import fsync_directory, unlink_if_there
from standpipe.journal.layout import FINISHED_SEGMENT_MODE, OPEN_SEGMENT_MODE, Layout

COPY_BYTES = 256 << 10  # a block of a copy: small beside capture's memory budget, large beside a system call


class Segment:
    """An open segment. The draining thread moves ``length``; the other thread moves ``synced_length``."""

    __slots__ = ("base", "cut_wanted", "descriptor", "length", "opened_at", "synced_length")

    def __init__(self, base: int, descriptor: int, length: int, synced_length: int, opened_at: float) -> None:
        self.base = base
        self.descriptor = descriptor
        self.length = length
        self.synced_length = synced_length
        self.opened_at = opened_at
        self.cut_wanted = False

    @property
    def end(self) -> int:
        """The journal offset after the last byte."""
        return self.base + self.length


def prepare_next(layout: Layout) -> int:
    """Create the file that will become the next segment, durably. Raises OSError."""
    unlink_if_there(layout.next_segment)
    descriptor = os.open(layout.next_segment, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, OPEN_SEGMENT_MODE)
    try:
        os.fsync(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def name_next(layout: Layout, base: int) -> None:
    """Give the prepared file its name, durable before anybody can write a first byte. Raises OSError."""
    os.rename(layout.next_segment, layout.segment(base))
    fsync_directory(layout.segments)


def create(layout: Layout, base: int, now: float) -> Segment:
    """Prepare, name and return an empty segment. Raises OSError."""
    descriptor = prepare_next(layout)
    try:
        name_next(layout, base)
    except OSError:
        os.close(descriptor)
        raise
    return Segment(base, descriptor, 0, 0, now)


def open_last(layout: Layout, base: int, now: float) -> Segment:
    """Open an unfinished segment to go on writing at its end. Raises OSError."""
    descriptor = os.open(layout.segment(base), os.O_RDWR | os.O_NOFOLLOW)
    length = os.fstat(descriptor).st_size
    return Segment(base, descriptor, length, 0, now)


def finish(segment: Segment) -> None:
    """Mark a synced segment as finished (mode 0400) and close it. Raises OSError."""
    os.fchmod(segment.descriptor, FINISHED_SEGMENT_MODE)
    os.close(segment.descriptor)


def copy_range(source: int, start: int, end: int, target: int) -> None:
    """Copy bytes [start, end) of source to the beginning of target through our memory.

    Never copy_file_range: a file system that shares blocks would hand the broken ones on. Raises OSError; a source
    that ends early raises EOFError.
    """
    position = start
    while position < end:
        block = os.pread(source, min(COPY_BYTES, end - position), position)
        if not block:
            raise EOFError(f"the segment ends at {position}, before {end}")
        view = memoryview(block)
        while view:
            written = os.pwrite(target, view, position - start)
            view = view[written:]
            position += written
