"""Seals as records of their own kind, for a sink that gets them.

A seal gives the right-hand bound of what must have arrived, and the digest of what arrived before it. It is there only
some time after its segment was closed, so it follows the records that it covers, and sometimes later ones as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.seal import parse_seal
from standpipe.journal.seal_store import read_seal_bytes
from standpipe.records.framing import Record

LOOK_BYTES = 1 << 20  # delivered between two looks while there is a backlog: a look costs as much as 10 records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standpipe.delivery.feed import ReadsJournal
    from standpipe.journal.layout import Layout


class SealFeed:
    """The seals that one sink still has to get; `sealed`: the end of the last one that it has."""

    def __init__(
        self, layout: Layout, reader: ReadsJournal, sealed: int, missing: Callable[[int, int, str], None]
    ) -> None:
        self._layout = layout
        self._reader = reader
        self._sealed = sealed
        self._missing = missing
        self._told = -1  # the base of the segment whose seal the disk does not give
        self._look_again_at = 0  # an offset; before it no segment ends that we have not looked at

    def due(self, offset: int, *, at_once: bool) -> Iterator[Record]:
        """Yield every seal of which the segment ends at or before an offset, oldest first, once each.

        The seal of a segment in which the sink began, or went on, is one of them. One that has gone or is damaged is
        left out, and `missing` is told its segment's ends and why; one that the disk does not give now comes later.
        at_once: look now, also where that was done only a while ago.
        """
        if offset < self._look_again_at and not at_once:
            return
        self._look_again_at = offset + LOOK_BYTES
        segments = self._reader.segments
        newest = max((segment.base for segment in segments if segment.sealed), default=0)
        for segment in segments:
            if segment.end <= self._sealed or not segment.has_data:
                continue
            if segment.end > offset or (not segment.sealed and segment.base >= newest):
                return
            try:
                body = self._read(segment.base)
            except (FileNotFoundError, JournalError) as error:
                self._sealed = segment.end
                self._missing(segment.base, segment.end, str(error))
                continue
            except OSError as error:  # it is there: tried again, for ever, and the journal is held until then
                if self._told != segment.base:
                    self._told = segment.base
                    self._missing(segment.base, segment.end, str(error))
                return
            self._sealed = segment.end
            yield Record(segment.base, segment.end - segment.base, body, torn=False, is_seal=True)

    def _read(self, base: int) -> bytes:
        """Return a segment's seal. Raises OSError, and JournalError where it is damaged or another one's."""
        body = read_seal_bytes(self._layout, base).strip()
        found = parse_seal(body).base
        if found != base:
            raise JournalError(f"it is the seal of the segment at {found}", "Restore the file from a copy")
        return body
