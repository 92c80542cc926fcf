"""One lane a node: when its records were sealed, when not, and where something is missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from standpipe.analysis.report_time import Span, as_utc, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from standpipe.analysis.report_evidence import TimedGap
    from standpipe.analysis.report_questions import Answer

LANES_MAX = 24  # nodes; more would be a chart that nobody reads
MARK_SHARE = 250  # a mark is at least this part of the time line wide, so that it is seen

SIGNED = "sealed and signed"
SEALED = "sealed"
UNSEALED = "not yet sealed"
GAP = "gap"

WORDS = (SIGNED, SEALED, UNSEALED, GAP)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a lane."""

    node: str
    word: str
    start: datetime
    end: datetime


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return as_utc(value)
    return parse_time(value) if isinstance(value, str) else None


def _clipped(stretch: Stretch, span: Span) -> Stretch | None:
    start, end = max(stretch.start, span.start), min(stretch.end, span.end)
    return None if start > end else Stretch(stretch.node, stretch.word, start, end)


def _joined(stretches: Iterable[Stretch], apart: timedelta) -> list[Stretch]:
    """Join stretches of one lane and word that are less than `apart` from each other: thousands of seals, few marks."""
    joined: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda s: (s.node, s.start, s.end)):
        last = joined[-1] if joined else None
        if last and (last.node, last.word) == (stretch.node, stretch.word) and stretch.start - last.end <= apart:
            joined[-1] = Stretch(last.node, last.word, last.start, max(last.end, stretch.end))
        else:
            joined.append(stretch)
    return joined


@dataclass(frozen=True, slots=True)
class _Sealed:
    """How far a journal is sealed: the address, and the time of the record before it."""

    end: object
    until: datetime


def _seal_stretch(seal: dict[str, object], before: _Sealed | None) -> Stretch | None:
    sealed_at = _moment(seal["sealed_at"])
    until = before.until if before is not None else None
    last = _moment(seal["last_time"]) or sealed_at  # an empty interval has no records: silence that was sealed
    first = _moment(seal["first_time"]) or until or sealed_at
    if first is None or last is None:
        return None
    if before is not None and before.end == seal["base"]:
        first = min(first, before.until)  # no address between the two: nothing can have been there
    return Stretch(str(seal["node"]), SIGNED if seal["signed"] else SEALED, first, max(first, last))


def _rows(answer: Answer) -> Iterator[dict[str, object]]:
    return (dict(zip(answer.columns, row, strict=True)) for row in answer.rows)


def sealed_stretches(seals: Answer, records: Answer, span: Span) -> list[Stretch]:
    """Return what is sealed and what is not. ``seals`` and ``records`` answer the questions of these names."""
    found: list[Stretch] = []
    sealed: dict[object, _Sealed] = {}  # by journal
    for seal in _rows(seals):
        before = sealed.get(seal["journal"])
        stretch = _seal_stretch(seal, before)
        if stretch is not None:
            found.append(stretch)
            until = max(before.until, stretch.end) if before is not None else stretch.end
            sealed[seal["journal"]] = _Sealed(seal["end"], until)
    for entry in _rows(records):
        first, last = _moment(entry["first_time"]), _moment(entry["last_time"])
        known = sealed.get(entry["journal"])
        if first is None or last is None or (known is not None and last <= known.until):
            continue
        found.append(Stretch(str(entry["node"]), UNSEALED, first if known is None else max(known.until, first), last))
    shown = [stretch for stretch in (_clipped(stretch, span) for stretch in found) if stretch is not None]
    return _joined(shown, span.length / MARK_SHARE)


def gap_stretches(gaps: Iterable[TimedGap], span: Span) -> list[Stretch]:
    """Return the gaps' places on the time line, wide enough to be seen; those without any time are left out."""
    least = span.length / MARK_SHARE
    found = []
    for timed in gaps:
        before, after = timed.before or timed.after, timed.after or timed.before
        if before is None or after is None or after < span.start or before > span.end:
            continue
        start, end = min(before, after), max(before, after)
        if end - start < least:
            start -= (least - (end - start)) / 2
            end = start + least
        stretch = Stretch(timed.gap.node or timed.gap.location, GAP, start, end)
        clipped = _clipped(stretch, span)
        if clipped is not None:
            found.append(clipped)
    return found


def lane_names(stretches: Sequence[Stretch]) -> list[str]:
    """Return the nodes in their order, those with gaps first where there are too many for a chart."""
    names = sorted({stretch.node for stretch in stretches})
    if len(names) <= LANES_MAX:
        return names
    with_gaps = {stretch.node for stretch in stretches if stretch.word == GAP}
    return sorted(sorted(names, key=lambda name: (name not in with_gaps, name))[:LANES_MAX])
