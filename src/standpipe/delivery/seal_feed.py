"""Seals as records of their own kind, for a sink that gets them.

A seal gives the right-hand bound of what must have arrived, and the digest of what arrived before it. It is there only
some time after its segment was closed, so it follows the records that it covers, and sometimes later ones as well.
Idle seals come in their places between those of the segments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.layout import SEGMENT_NUMBER
from standpipe.journal.seal_store import parse_seal_at, read_seal_bytes
from standpipe.records.framing import Record

LOOK_BYTES = 1 << 20  # delivered between two looks while there is a backlog: a look costs as much as 10 records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standpipe.delivery.feed import ReadsJournal
    from standpipe.journal.layout import Layout


class SealFeed:
    """The seals that one sink still has to get. sealed, idle: end and number of the last one it has (Cursor)."""

    def __init__(
        self,
        layout: Layout,
        reader: ReadsJournal,
        sealed: int,
        missing: Callable[[int, int, str], None],
        *,
        idle: int = 0,
    ) -> None:
        self._layout = layout
        self._reader = reader
        self._reached = (sealed, idle)
        self._missing = missing
        self._told = (-1, 0)  # the place of the seal that the disk does not give
        self._look_again_at = 0  # an offset; before it no segment ends that we have not looked at

    def due(self, offset: int, *, at_once: bool) -> Iterator[Record]:
        """Yield every seal of which the segment ends at or before an offset, in the order of the chain, once each.

        The seal of a segment in which the sink began, or went on, is one of them. One that has gone or is damaged is
        left out, and `missing` is told its segment's ends and why; one that the disk does not give now comes later.
        at_once: look now, also where that was done only a while ago.
        """
        if offset < self._look_again_at and not at_once:
            return
        self._look_again_at = offset + LOOK_BYTES
        segments = {(s.base, SEGMENT_NUMBER): s for s in self._reader.segments if s.has_data}
        places = self._reader.seal_places
        newest = places[-1] if places else (0, 0)
        for place in sorted({*segments, *(place for place in places if place[1] != SEGMENT_NUMBER)}):
            segment = segments.get(place)
            base, end = (place[0], place[0]) if segment is None else (segment.base, segment.end)
            idle = place[1] if segment is None else 0
            if (end, idle) <= self._reached:
                continue
            if end > offset or (segment is not None and not segment.sealed and place > newest):
                return
            try:
                body = self._read(place)
            except (FileNotFoundError, JournalError) as error:
                self._reached = (end, idle)
                if segment is not None or not isinstance(error, FileNotFoundError):
                    self._missing(base, end, str(error))  # an idle seal that has gone just now was retention's
                continue
            except OSError as error:  # it is there: tried again, for ever, and the journal is held until then
                if self._told != place:
                    self._told = place
                    self._missing(base, end, str(error))
                return
            self._reached = (end, idle)
            yield Record(base, end - base, body, torn=False, is_seal=True, idle=idle)

    def _read(self, place: tuple[int, int]) -> bytes:
        """Return a seal. Raises OSError, and JournalError where it is damaged or another one's."""
        body = read_seal_bytes(self._layout, *place)
        parse_seal_at(body, *place)
        return body.strip()
