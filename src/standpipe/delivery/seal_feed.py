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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.delivery.feed import ReadsJournal
    from standpipe.journal.layout import Layout


class SealFeed:
    """The seals that one sink still has to get; `sealed`: the end of the last one that it has."""

    def __init__(self, layout: Layout, reader: ReadsJournal, sealed: int) -> None:
        self._layout = layout
        self._reader = reader
        self._sealed = sealed

    def due(self, offset: int) -> Iterator[Record]:
        """Yield every seal of which the segment ends at or before an offset, oldest first, once each.

        One that cannot be read, or is damaged, is left out: the next seal's link to it shows that it is missing.
        """
        for segment in self._reader.segments:
            if segment.base < self._sealed or not segment.sealed or not segment.has_data:
                continue
            if segment.end > offset:
                return
            self._sealed = segment.end
            try:
                body = read_seal_bytes(self._layout, segment.base).strip()
                parse_seal(body)
            except (OSError, JournalError):
                continue
            yield Record(segment.base, segment.end - segment.base, body, torn=False, is_seal=True)
