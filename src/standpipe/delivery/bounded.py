"""A journal up to an offset, for whoever reads a part of it as if it were all. The same methods as JournalReader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.journal.span import Span

if TYPE_CHECKING:
    from standpipe.journal.reader import JournalReader
    from standpipe.journal.segments import Segment
    from standpipe.journal.span import Compressed, Hole


class BoundedReader:
    """Reads [.., end)."""

    def __init__(self, reader: JournalReader, end: int) -> None:
        self._reader = reader
        self.end = end

    @property
    def base(self) -> int:
        """The first address that still holds data."""
        return self._reader.base

    @property
    def segments(self) -> list[Segment]:
        """The segments that end before the bound."""
        return [segment for segment in self._reader.segments if segment.end <= self.end]

    def span(self, offset: int) -> Span | Compressed | Hole | None:
        """See JournalReader; None at or past the bound."""
        span = self._reader.span(offset) if offset < self.end else None
        return span._replace(end=min(span.end, self.end)) if isinstance(span, Span) else span

    def read(self, offset: int, limit: int) -> bytes:
        """See JournalReader; b"" at or past the bound."""
        return self._reader.read(offset, min(limit, self.end - offset)) if offset < self.end else b""
