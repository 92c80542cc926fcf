"""Where records come from: a location becomes stretches, and a stretch is read by itself, in any process, in any order.

A stretch is a range of one journal's addresses that begins where a record begins, so it can be framed without what is
before it. Nothing is locked and nothing is written; a journal may be live. What retention deletes meanwhile is a hole.
The last line of a live journal, which has not ended yet, is not a record yet.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import msgspec

from standpipe.archive.location import ArchiveOptions
from standpipe.config_file import load_config
from standpipe.delivery.edges import parse_time, record_end, records_between
from standpipe.errors import JournalError, StandpipeError
from standpipe.journal import identity, incidents
from standpipe.journal.layout import SEAL_SUFFIX, Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.seal import SEAL_BYTES_MAX, Seal, parse_seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from standpipe.records.framing import Record


class HasRange(Protocol):
    """A segment, in a journal or in an archive."""

    @property
    def base(self) -> int:
        """Its first address."""

    @property
    def end(self) -> int:
        """The address after its last one."""


AnySegment = TypeVar("AnySegment", bound=HasRange)

STRETCH_BYTES = 32 << 20  # raw bytes: half a second's work, so that workers end together and progress is smooth
SLACK_SECONDS = 60.0
"""Vault writes records in the order in which it got to them, not quite in that of their times: how far a segment's
first and last time may be from its earliest and latest."""


class Part(msgspec.Struct, frozen=True):
    """One object of an archive: a segment's addresses and its key."""

    base: int
    end: int
    key: str


class Stretch(msgspec.Struct, frozen=True):
    """The records that begin in [start, end) of one journal. Goes to a worker as JSON."""

    kind: Literal["journal", "archive"]
    location: str
    """The journal's directory, or the archive's location."""
    node: str
    journal: str
    """The journal's id."""
    start: int
    end: int
    prefix: str = ""
    """Vault's `prefix` option, in front of each record."""
    base: int = 0
    """Where its first segment begins: names the stretch, also when retention has removed what is before it."""
    before: Part | None = None
    """Archive: the segment that ends where the first one begins."""
    parts: tuple[Part, ...] = ()
    """Archive: the segments, in order."""
    after: tuple[Part, ...] = ()
    """Archive: some that follow on, for a record that is cut in two by a segment's end."""
    options: ArchiveOptions | None = None
    """Archive: how to reach it."""

    @property
    def bytes(self) -> int:
        """Raw bytes to read."""
        return self.end - self.start


class Source(msgspec.Struct, frozen=True):
    """All that one journal has to say."""

    node: str
    journal: str
    stretches: list[Stretch]
    seals: list[Seal]
    incidents: list[dict[str, object]]


def is_journal(location: str) -> bool:
    """Tell whether a location is a journal's directory."""
    return os.path.isfile(Layout(location).identity)


def journal_source(
    location: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    prefix: str | None = None,
    stretch_bytes: int = STRETCH_BYTES,
) -> Source:
    """Look at a journal. since, until: leave out segments that their seals place outside of [since, until).

    prefix: Vault's, where None that of the config that ship accepted last. stretch_bytes: segments are put together
    until they have so many; 0 makes each a stretch of its own. Raises JournalError, OSError.
    """
    layout = Layout(os.path.abspath(location))
    who = identity.read(layout)
    if prefix is None:
        prefix = accepted_prefix(layout)
    seals = read_seals(layout)
    outside = {seal.base for seal in seals if seal.end > seal.base and is_outside(seal, since, until)}
    reader = JournalReader(layout)
    try:
        kept = [segment for segment in reader.segments if segment.has_data and segment.base not in outside]
        end = reader.end
        stretches = [
            Stretch(
                "journal",
                layout.root,
                who.node,
                who.journal_id,
                record_end(reader, group[0].base, end),
                group[-1].end,
                prefix,
                group[0].base,
            )
            for group in grouped(kept, stretch_bytes)
        ]
    finally:
        reader.close()
    return Source(who.node, who.journal_id, stretches, seals, incidents.read(layout.incidents))


def accepted_prefix(layout: Layout) -> str:
    """Return the prefix of the config that lies in a journal; empty where none does, or it is of another version."""
    if not os.path.exists(layout.config):
        return ""
    try:
        return load_config(layout.config).source.prefix
    except StandpipeError:
        return ""  # records are found behind a prefix that nobody knows as well (records.framing), as torn + record


def read_seals(layout: Layout) -> list[Seal]:
    """Return the seals of a journal, in order. One that is damaged is passed over: `standpipe verify` tells it."""
    found = []
    try:
        names = sorted(os.listdir(layout.segments))
    except FileNotFoundError:
        return []
    for name in names:
        if not name.endswith(SEAL_SUFFIX) or not name[:1].isdigit():
            continue
        try:
            with open(f"{layout.segments}/{name}", "rb") as file:
                found.append(parse_seal(file.read(SEAL_BYTES_MAX + 1), name))
        except (FileNotFoundError, JournalError):
            continue
    return sorted(found, key=lambda seal: (seal.base, seal.end))


def is_outside(seal: Seal, since: datetime | None, until: datetime | None) -> bool:
    """Tell whether no record of a segment can be in [since, until), by what its seal says."""
    first, last = parse_time(seal.first_time), parse_time(seal.last_time)
    if since is not None and last is not None and (since - last).total_seconds() > SLACK_SECONDS:
        return True
    return until is not None and first is not None and (first - until).total_seconds() > SLACK_SECONDS


def grouped(segments: Iterable[AnySegment], stretch_bytes: int) -> Iterator[list[AnySegment]]:
    """Yield runs of segments that follow on without a gap, closed as soon as they have so many bytes."""
    group: list[AnySegment] = []
    for segment in segments:
        if group and (segment.base != group[-1].end or group[-1].end - group[0].base >= stretch_bytes):
            yield group
            group = []
        group.append(segment)
    if group:
        yield group


def journal_records(stretch: Stretch) -> Iterator[Record]:
    """Yield the records of a stretch of a journal, in order. Raises JournalError where bytes are damaged, OSError."""
    reader = JournalReader(Layout(stretch.location))
    try:
        yield from records_between(reader, stretch.start, stretch.end, stretch.prefix.encode())
    finally:
        reader.close()
