"""From the names in an archive to nodes and segments in order. Pure.

A name belongs to the archive if its last two parts are a date and ``<base>-<end>`` with one of our suffixes
(sinks.objects_key). What stands before the date is the node and, before that, the cluster; where the archive was opened
further down, they are taken from the location itself, and where it was opened further up, the parts above are kept in
`root`, which tells the nodes of two archives apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.layout import (
    COMPRESSED_SUFFIX,
    IDLE_DIGITS,
    OFFSET_DIGITS,
    SEAL_SUFFIX,
    SEGMENT_NUMBER,
    TEMPORARY_SUFFIX,
)
from standpipe.journal.seal import Seal, parse_seal
from standpipe.sinks.objects_key import PROBE_NAME, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NAME = re.compile(
    rf"(?P<base>[0-9]{{{OFFSET_DIGITS}}})-(?P<end>[0-9]{{{OFFSET_DIGITS}}})(?:\.(?P<number>[0-9]{{{IDLE_DIGITS}}}))?"
    rf"(?P<suffix>{re.escape(COMPRESSED_SUFFIX)}|{re.escape(SEAL_SUFFIX)})"
)
PLACE = attrgetter("place")

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class ArchivedSegment:
    """One segment: the journal's addresses [base, end), its data, its seal. Keys are below the archive's location.

    number: tells the seals of empty intervals at one address apart; 0 for a segment's. data_key: "" where no data is
    there (the seal of an empty interval has none), seal_key: "" where no seal is. data_bytes: the compressed size.
    seal_bytes: the seal file's bytes once they were read. seal: what they say, None where they are no seal of ours, for
    which `problem` gives the reason. journal_id: from the seal, else that of the neighbours.
    """

    cluster: str
    node: str
    base: int
    end: int
    date: str
    number: int = 0
    data_key: str = ""
    data_bytes: int = 0
    seal_key: str = ""
    seal_bytes: bytes = b""
    seal: Seal | None = None
    problem: str = ""
    journal_id: str = ""

    @property
    def raw_bytes(self) -> int:
        """Return how many bytes of the journal it covers, by its name."""
        return self.end - self.base

    @property
    def place(self) -> tuple[int, int, int, str]:
        """Return what sorts segments as they are chained: seals of empty intervals come before what follows."""
        return self.base, self.number or SEGMENT_NUMBER, self.end, self.date


@dataclass(frozen=True, slots=True)
class NodeListing:
    """What is named below one ``<cluster>/<node>``. root: what stands before the dates."""

    cluster: str
    node: str
    root: str
    segments: tuple[ArchivedSegment, ...]  # by `place`; seals not read


@dataclass(frozen=True, slots=True)
class Listing:
    """A whole archive's names. foreign: keys that are no part of an archive; unfinished: left by a writer's death."""

    nodes: tuple[NodeListing, ...]
    foreign: tuple[str, ...]
    unfinished: tuple[str, ...]


def _owner(root: str, location: Sequence[str]) -> tuple[str, str]:
    """Return (cluster, node) of what stands before the date."""
    parts = [*location, *root.split("/")] if root else list(location)
    cluster, node = ["", "", *parts][-2:]
    return plain_name(cluster), plain_name(node)


def arrange(names: Iterable[tuple[str, int]], location: Sequence[str]) -> Listing:
    """Sort an archive's names. names: key and size in bytes; location: the parts of the path of the archive itself."""
    found: dict[str, dict[tuple[int, int, int, str], ArchivedSegment]] = {}
    foreign, unfinished = [], []
    for key, size in names:
        above, _, name = key.rpartition("/")
        root, _, date = above.rpartition("/")
        match = NAME.fullmatch(name)
        if match is not None and DATE.fullmatch(date):
            cluster, node = _owner(root, location)
            base, end, number = int(match["base"]), int(match["end"]), int(match["number"] or 0)
            segments = found.setdefault(root, {})
            at = (base, end, number, date)
            segment = segments.get(at) or ArchivedSegment(cluster, node, base, end, date, number)
            is_data = match["suffix"] == COMPRESSED_SUFFIX
            mine = {"data_key": key, "data_bytes": size} if is_data else {"seal_key": key}
            segments[at] = replace(segment, **mine)
        elif name.endswith(TEMPORARY_SUFFIX):
            unfinished.append(key)
        elif name != PROBE_NAME:
            foreign.append(key)
    nodes = [
        NodeListing(*_owner(root, location), root, tuple(sorted(segments.values(), key=PLACE)))
        for root, segments in found.items()
    ]
    nodes.sort(key=lambda node: (node.cluster, node.node, node.root))
    return Listing(tuple(nodes), tuple(sorted(foreign)), tuple(sorted(unfinished)))


def with_seal(segment: ArchivedSegment, data: bytes) -> ArchivedSegment:
    """Return the segment with what its seal file says."""
    try:
        seal = parse_seal(data, segment.seal_key)
    except JournalError as error:
        return replace(segment, seal_bytes=data, problem=error.message)
    return replace(segment, seal_bytes=data, seal=seal, journal_id=seal.journal)


def in_order(segments: Iterable[ArchivedSegment]) -> tuple[ArchivedSegment, ...]:
    """Return a node's segments as they were written: journal after journal, each by its addresses.

    A node has several journals where its volume was lost and a new journal begun, at address 0 again; the one whose
    first seal is older comes first. A segment without a seal that can be read goes to the journal around it.
    """
    every = sorted(segments, key=PLACE)
    journals: dict[str, list[ArchivedSegment]] = {}
    for segment in every:
        if segment.seal is not None:
            journals.setdefault(segment.journal_id, []).append(segment)
    ages = {
        journal_id: min(segment.seal.sealed_at_seconds for segment in mine if segment.seal is not None)
        for journal_id, mine in journals.items()
    }
    for segment in every:
        if segment.seal is None:
            journal_id = _journal_around(segment, journals, ages)
            journals.setdefault(journal_id, []).append(replace(segment, journal_id=journal_id))
    return tuple(
        segment
        for journal_id in sorted(journals, key=lambda name: (ages.get(name, 0.0), name))
        for segment in sorted(journals[journal_id], key=PLACE)
    )


def _journal_around(
    segment: ArchivedSegment, journals: Mapping[str, Sequence[ArchivedSegment]], ages: Mapping[str, float]
) -> str:
    """Return the journal in which the segment's addresses are free, best right behind others; else the newest one."""
    newest_first = sorted(ages, key=lambda name: -ages[name])
    free = [
        name
        for name in newest_first
        if not any(other.base < segment.end and segment.base < other.end for other in journals[name])
    ]
    touching = [
        name for name in free if any(segment.base == other.end or other.base == segment.end for other in journals[name])
    ]
    return next(iter([*touching, *free, *newest_first]), "")
