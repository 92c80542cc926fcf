"""Where records come from: a location becomes stretches, and a stretch is read by itself, in any process, in any order.

A stretch is a range of one journal's addresses that begins where a record begins, so it can be framed without what is
before it. Nothing is locked and nothing is written; a journal may be live. What retention deletes meanwhile is a hole.
The last line of a live journal, which has not ended yet, is not a record yet.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import msgspec

from standpipe.config_file import load_config
from standpipe.delivery.edges import parse_time, record_start, records_between
from standpipe.errors import JournalError, StandpipeError
from standpipe.journal import identity, incidents
from standpipe.journal.layout import SEAL_SUFFIX, Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.seal import SEAL_BYTES_MAX, Seal, parse_seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from standpipe.journal.segments import Segment
    from standpipe.records.framing import Record

STRETCH_BYTES = 32 << 20  # raw bytes: half a second's work, so that workers end together and progress is smooth
SLACK_SECONDS = 60.0
"""Vault writes records in the order in which it got to them, not quite in that of their times: how far a segment's
first and last time may be from its earliest and latest."""


class Stretch(msgspec.Struct, frozen=True):
    """The records that begin in [start, end) of one journal. Goes to a worker as JSON."""

    kind: Literal["journal"]
    location: str
    """The journal's directory."""
    node: str
    journal: str
    """The journal's id."""
    start: int
    end: int
    prefix: str = ""
    """Vault's `prefix` option, in front of each record."""

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
    location: str, *, since: datetime | None = None, until: datetime | None = None, prefix: str | None = None
) -> Source:
    """Look at a journal. since, until: leave out segments that their seals place outside of [since, until).

    prefix: Vault's, where None that of the config that ship accepted last. Raises JournalError, OSError.
    """
    layout = Layout(os.path.abspath(location))
    who = identity.read(layout)
    if prefix is None:
        prefix = accepted_prefix(layout)
    seals = read_seals(layout)
    outside = {seal.base for seal in seals if seal.end > seal.base and _is_outside(seal, since, until)}
    reader = JournalReader(layout)
    try:
        ranges = list(_ranges(reader, outside))
    finally:
        reader.close()
    stretches = [Stretch("journal", layout.root, who.node, who.journal_id, *range_, prefix) for range_ in ranges]
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


def _is_outside(seal: Seal, since: datetime | None, until: datetime | None) -> bool:
    first, last = parse_time(seal.first_time), parse_time(seal.last_time)
    if since is not None and last is not None and (since - last).total_seconds() > SLACK_SECONDS:
        return True
    return until is not None and first is not None and (first - until).total_seconds() > SLACK_SECONDS


def _ranges(reader: JournalReader, outside: set[int]) -> Iterator[tuple[int, int]]:
    """Yield ranges of about STRETCH_BYTES that begin where a record begins, without the segments outside."""
    start = end = None
    for segment in reader.segments:
        if not segment.has_data:
            continue
        if start is not None and end is not None:
            enough = segment.base > end or segment.base in outside or end - start >= STRETCH_BYTES
            if enough and _may_cut(reader, segment, end):
                yield start, end
                start = None
        if start is None and segment.base not in outside:
            start = record_start(reader, segment.base, reader.base)
        if start is not None:
            end = segment.end
    if start is not None and end is not None:
        yield start, end


def _may_cut(reader: JournalReader, segment: Segment, end: int) -> bool:
    """Tell whether a record begins at a segment's base; end: that of the segment before it."""
    return segment.base > end or reader.read(segment.base - 1, 1) in (b"\n", b"")


def records_of(stretch: Stretch) -> Iterator[Record]:
    """Yield a stretch's records, in order. Raises JournalError where bytes are damaged, OSError."""
    reader = JournalReader(Layout(stretch.location))
    try:
        yield from records_between(reader, stretch.start, stretch.end, stretch.prefix.encode())
    finally:
        reader.close()
