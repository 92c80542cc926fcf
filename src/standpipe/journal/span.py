"""What a reader finds at an offset, and the raw file that it keeps open for the next question."""

from __future__ import annotations

import os
from typing import NamedTuple


class Span(NamedTuple):
    """Raw bytes [offset, end), to be had from fd at file_offset. fd is the reader's: valid until the next span()."""

    offset: int
    end: int
    fd: int
    file_offset: int


class Compressed(NamedTuple):
    """Bytes [offset, end) are there, compressed: use read()."""

    offset: int
    end: int


class Hole(NamedTuple):
    """Addresses [start, end) hold nothing, and never will; end is the base of a segment."""

    start: int
    end: int


class OpenLog:
    """The raw segment that was read last, kept open."""

    __slots__ = ("base", "bound", "end", "fd", "fresh", "growing")

    def __init__(self, base: int, fd: int, end: int, bound: int | None, *, growing: bool) -> None:
        self.base = base
        self.fd = fd
        self.end = end
        self.bound = bound  # the base of the segment after it, where one is known
        self.growing = growing
        self.fresh = True  # false: the picture has changed since it was opened

    def span(self, offset: int) -> Span | None:
        """Return what can be read at offset; None where that is not here, or not yet."""
        if self.growing:
            self.end = self.base + os.fstat(self.fd).st_size
            if self.bound is not None and self.end > self.bound:
                self.end = self.bound
        if self.base <= offset < self.end:
            return Span(offset, self.end, self.fd, offset - self.base)
        return None
