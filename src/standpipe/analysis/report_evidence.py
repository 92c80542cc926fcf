"""What the verifications of a report's sources say, put together: one verdict, and the gaps for the time line. Pure.

A source is told in the words of `standpipe verify` and in the keys of `verify --json`, which are public and stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN

if TYPE_CHECKING:
    from datetime import datetime

UNPROVEN = "unproven"  # the source holds no seals, so nothing can be told of it: Parquet files, for one

WORST_FIRST = (INCOMPLETE, UNKNOWN, UNPROVEN, COMPLETE)

GAPS_MAX = 200  # marks on the time line and rows of their table; the evidence above counts all of them

HOLE = "hole"
HOLE_LOST = "yes"

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SourceEvidence:
    """One place that records were read from, and what verifying it said.

    ``facts`` has the keys of `verify --json`; it is empty where the source cannot be verified.
    """

    location: str
    kind: str  # journal, archive or parquet
    verdict: str
    lines: tuple[str, ...]
    command: str  # the command line that verifies it again
    facts: Json = field(default_factory=dict)
    journal_id: str | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Addresses that are not there, or bytes that never arrived. ``lost``: yes, maybe or no."""

    location: str
    journal: str | None
    node: str | None
    kind: str
    start: int | None
    end: int | None
    lost: str
    detail: str


@dataclass(frozen=True, slots=True)
class TimedGap:
    """A gap and the times of the records on both sides of it; None where there is no such record."""

    gap: Gap
    before: datetime | None
    after: datetime | None


def overall_verdict(sources: Sequence[SourceEvidence]) -> str:
    """Return the worst verdict of all; of no source, unknown."""
    verdicts = {source.verdict for source in sources}
    return next((verdict for verdict in WORST_FIRST if verdict in verdicts), UNKNOWN)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _objects(value: object) -> Iterator[Json]:
    if isinstance(value, Sequence):
        yield from (item for item in value if isinstance(item, Mapping))


def gaps_of(source: SourceEvidence) -> list[Gap]:
    """Return the holes and the recorded gaps of one source, in the order of their addresses."""
    found = []
    holes = source.facts.get("holes")
    for hole in holes if isinstance(holes, Sequence) else ():
        start, end = hole
        found.append(_gap(source, HOLE, start, end, HOLE_LOST, "in no file and in no record of gaps"))
    for entry in _objects(source.facts.get("recorded_gaps")):
        kind, lost, detail = (str(entry.get(key, "")) for key in ("kind", "lost", "detail"))
        found.append(_gap(source, kind, _number(entry.get("from")), _number(entry.get("to")), lost, detail))
    return sorted(found, key=lambda gap: (gap.start or 0, gap.end or 0, gap.kind))


def _gap(source: SourceEvidence, kind: str, start: int | None, end: int | None, lost: str, detail: str) -> Gap:
    return Gap(source.location, source.journal_id, source.node, kind, start, end, lost, detail)


def count_in(facts: Json, *keys: str) -> int | None:
    """Return a number of `verify --json` by its path; the length of a list there; None where there is neither."""
    value: object = facts
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return len(value)
    return _number(value)
