"""From a location to what is there, and from a stretch to its records, whatever kind they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.analysis.archive_source import archive_records
from standpipe.analysis.sources import Stretch, journal_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.records.framing import Record


def records_of(stretch: Stretch) -> Iterator[Record]:
    """Yield a stretch's records, in order. Raises JournalError where bytes are damaged, ArchiveError, OSError."""
    return archive_records(stretch) if stretch.kind == "archive" else journal_records(stretch)
