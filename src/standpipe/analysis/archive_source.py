"""Stretches of an archive of sealed segments: a directory or an object store that the objects sink has filled."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from standpipe.analysis.sources import STRETCH_BYTES, Part, Source, Stretch, grouped, is_outside
from standpipe.archive.arrange import ArchivedSegment
from standpipe.archive.reading import open_archive
from standpipe.records.framing import Framer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from standpipe.archive.location import ArchiveOptions
    from standpipe.archive.reading import Archive
    from standpipe.records.framing import Record

FOLLOWING_MAX = 8  # segments over which one record may reach: each is at least as long as Vault's largest request


@dataclass(frozen=True, slots=True)
class Window:
    """What of an archive is wanted: segments that may hold records of [since, until)."""

    since: datetime | None = None
    until: datetime | None = None
    prefix: str = ""
    stretch_bytes: int = STRETCH_BYTES


def archive_sources(location: str, window: Window, options: ArchiveOptions | None = None) -> list[Source]:
    """Look at an archive: one source for each journal of each node. Raises UsageError, ArchiveError."""
    found = []
    for node in open_archive(location, options).nodes():
        for journal, segments in groupby(node.segments(), key=lambda segment: segment.journal_id):
            mine = list(segments)
            seals = [segment.seal for segment in mine if segment.seal is not None]
            stretches = list(_stretches(location, mine, window, options))
            found.append(Source(node.node, journal, stretches, seals, []))
    return found


def _stretches(
    location: str, segments: Sequence[ArchivedSegment], window: Window, options: ArchiveOptions | None
) -> Iterator[Stretch]:
    """Yield the stretches of one journal."""
    with_data = _without_repeats(segment for segment in segments if segment.data_key)
    places = {segment.base: number for number, segment in enumerate(with_data)}
    parts = [Part(segment.base, segment.end, segment.data_key) for segment in with_data]
    wanted = [
        segment
        for segment in with_data
        if segment.seal is None or not is_outside(segment.seal, window.since, window.until)
    ]
    for group in grouped(wanted, window.stretch_bytes):
        first, last = places[group[0].base], places[group[-1].base]
        before = parts[first - 1] if first and parts[first - 1].end == parts[first].base else None
        after = _follow_on(parts[last : last + 1 + FOLLOWING_MAX])
        yield Stretch(
            "archive",
            location,
            group[0].node,
            group[0].journal_id,
            group[0].base,
            group[-1].end,
            window.prefix,
            group[0].base,
            before,
            tuple(parts[first : last + 1]),
            after,
            options,
        )


def _without_repeats(segments: Iterator[ArchivedSegment]) -> list[ArchivedSegment]:
    """Return the segments that do not overlap the one before."""
    kept: list[ArchivedSegment] = []
    for segment in segments:
        if not kept or segment.base >= kept[-1].end:
            kept.append(segment)
    return kept


def _follow_on(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return those after the first that follow on without a gap."""
    kept: list[Part] = []
    for earlier, later in pairwise(parts):
        if earlier.end != later.base:
            break
        kept.append(later)
    return tuple(kept)


def archive_records(stretch: Stretch) -> Iterator[Record]:
    """Yield the records that begin in a stretch's segments, in order.

    A line that is under way where the archive ends is no record yet; one that a gap follows is torn. Raises
    ArchiveError, JournalError where an object cannot be unpacked.
    """
    archive = open_archive(stretch.location, stretch.options)
    framer = Framer(stretch.base, stretch.prefix.encode())
    for part in (*stretch.parts, *stretch.after):
        if part.base >= stretch.end and (not framer.pending or framer.offset >= stretch.end):
            return
        for block in archive.blocks(_segment(part)):
            for record in framer.feed(block):
                if record.offset >= stretch.end:
                    return
                if record.offset < stretch.start:  # somebody else has it already (analysis.coverage)
                    continue
                # A line that began in the segment before belongs to that one; only a torn one can be such a rest.
                if not (record.torn and record.offset == stretch.base and _is_rest(archive, stretch.before)):
                    yield record


def _is_rest(archive: Archive, before: Part | None) -> bool:
    """Tell whether the segment before ends inside a line."""
    last = b"\n"
    if before is not None:
        for block in archive.blocks(_segment(before)):
            last = block[-1:] or last
    return last != b"\n"


def _segment(part: Part) -> ArchivedSegment:
    """Return what an archive wants to know before it reads."""
    return ArchivedSegment("", "", part.base, part.end, "", data_key=part.key)
