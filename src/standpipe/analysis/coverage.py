"""Which addresses of which journals were taken already, so that a journal and its archive count a record once. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from standpipe.analysis.sources import Source, Stretch


class Coverage:
    """Ranges of journals' addresses."""

    def __init__(self) -> None:
        """Begin with none."""
        self._ranges: dict[str, list[tuple[int, int]]] = {}

    def add(self, journal: str, start: int, end: int) -> None:
        """Say that [start, end) of a journal was taken."""
        self._ranges.setdefault(journal, []).append((start, end))

    def without(self, source: Source) -> Source:
        """Return the source without what was taken before, and take the rest.

        The ends of ranges are where records begin, so what is left of a stretch begins where a record does.
        """
        kept = [piece for stretch in source.stretches for piece in self._left(stretch)]
        for stretch in kept:
            self.add(source.journal, stretch.start, stretch.end)
        return replace(source, stretches=kept)

    def _left(self, stretch: Stretch) -> list[Stretch]:
        left = [(stretch.start, stretch.end)]
        for start, end in self._ranges.get(stretch.journal, ()):
            left = [
                piece
                for before, after in left
                for piece in ((before, min(after, start)), (max(before, end), after))
                if piece[0] < piece[1]
            ]
        return [replace(stretch, start=start, end=end) for start, end in left]
