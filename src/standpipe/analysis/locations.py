"""What a person may name: journals, archives, exports; each location says by itself which it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.analysis.archive_source import Window, archive_sources
from standpipe.analysis.coverage import Coverage
from standpipe.analysis.parquet_place import is_export
from standpipe.analysis.sources import STRETCH_BYTES, is_journal, journal_source
from standpipe.archive.location import is_url
from standpipe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from standpipe.analysis.sources import Source
    from standpipe.archive.location import ArchiveOptions


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records of the locations are wanted, and how to get at them.

    since, until: times in [since, until). prefix: Vault's, where the journal does not know it (an archive never does).
    """

    since: datetime | None = None
    until: datetime | None = None
    prefix: str | None = None
    archive: ArchiveOptions | None = None
    stretch_bytes: int = STRETCH_BYTES


def sources_at(locations: Sequence[str], wanted: Wanted, covered: Coverage | None = None) -> list[Source]:
    """Look at journals and archives. What two of them hold, or `covered` has already, is taken once: the first wins.

    Raises UsageError for a location that is neither, JournalError, ArchiveError, OSError.
    """
    covered = Coverage() if covered is None else covered
    return [covered.without(source) for location in locations for source in _sources(location, wanted)]


def _sources(location: str, wanted: Wanted) -> list[Source]:
    if is_journal(location):
        source = journal_source(
            location,
            since=wanted.since,
            until=wanted.until,
            prefix=wanted.prefix,
            stretch_bytes=wanted.stretch_bytes,
        )
        return [source]
    if not is_url(location) and not os.path.isdir(location):
        raise UsageError(
            f"{location} is no journal, archive or export",
            "Name a directory, or a URL of s3://, gs://, az:// or file://",
        )
    if is_export(location):
        raise UsageError(f"{location} is an export of Parquet files", "Name it with --parquet")
    window = Window(wanted.since, wanted.until, wanted.prefix or "", wanted.stretch_bytes)
    sources = archive_sources(location, window, wanted.archive)
    if not sources:
        raise UsageError(f"{location} holds no segments", "Name a journal's or an archive's directory or URL")
    return sources
