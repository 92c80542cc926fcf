"""A journal up to an offset, for whoever reads a part of it as if it were all. The same methods as JournalReader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.journal.span import Hole, Span

if TYPE_CHECKING:
    from standpipe.journal.reader import JournalReader
    from standpipe.journal.segments import Segment
    from standpipe.journal.span import Compressed


class BoundedReader:
    """Reads [.., end). `lost_bytes`: how many of the addresses that were come to hold nothing."""

    def __init__(self, reader: JournalReader, end: int) -> None:
        self._reader = reader
        self.end = end
        self.lost_bytes = 0
        self._lost_to = 0

    @property
    def base(self) -> int:
        """The first address that still holds data."""
        return self._reader.base

    @property
    def segments(self) -> list[Segment]:
        """The segments that end before the bound."""
        return [segment for segment in self._reader.segments if segment.end <= self.end]

    @property
    def seal_places(self) -> list[tuple[int, int]]:
        """The seals before the bound, and the idle ones at it."""
        return [place for place in self._reader.seal_places if place[0] <= self.end]

    def span(self, offset: int) -> Span | Compressed | Hole | None:
        """See JournalReader; None at or past the bound."""
        span = self._reader.span(offset) if offset < self.end else None
        if isinstance(span, Hole):
            lost_to = min(span.end, self.end)
            self.lost_bytes += max(0, lost_to - max(offset, self._lost_to))
            self._lost_to = max(lost_to, self._lost_to)
        return span._replace(end=min(span.end, self.end)) if isinstance(span, Span) else span

    def read(self, offset: int, limit: int) -> bytes:
        """See JournalReader; b"" at or past the bound."""
        return self._reader.read(offset, min(limit, self.end - offset)) if offset < self.end else b""
