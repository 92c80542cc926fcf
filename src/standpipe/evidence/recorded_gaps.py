"""Gaps that were recorded when they came to be: by incidents, by seals, and by the mark of a failed fsync. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.evidence.journal_facts import INCIDENTS_FILE, GapFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standpipe.evidence.intervals import Interval
    from standpipe.evidence.journal_facts import JournalFacts

LOST = "yes"
MAYBE_LOST = "maybe"
NOT_LOST = "no"

WORST_LAST = (NOT_LOST, MAYBE_LOST, LOST)

IO_ERROR = "io-error"
TRUNCATED = "truncated"
# Kinds that speak of bytes which are in the journal, or never reached it: they explain no missing address.
LOSS_AT_THE_SOURCE = {
    TRUNCATED: MAYBE_LOST,  # what was written between the last look and the cut is in nobody's count
    "source-lost": MAYBE_LOST,
    "source-rolled-back": NOT_LOST,
    "source-hole": NOT_LOST,
    "source-deleted": NOT_LOST,
    "reclaim-stopped": NOT_LOST,
}
# What a recorded gap means for the bytes in it. A kind that is not listed here, named by a seal, may have lost bytes.
LOSS_BY_KIND = {"dropped": LOST, "power-loss": MAYBE_LOST, IO_ERROR: MAYBE_LOST, **LOSS_AT_THE_SOURCE}


def incident_gap(entry: Mapping[str, object]) -> GapFacts:
    """Return what an incident (journal.incidents) says of a gap."""
    offset, length = entry.get("offset"), entry.get("length")
    start = offset if isinstance(offset, int) else None
    end = start + length if start is not None and isinstance(length, int) else None
    detail = entry.get("detail")
    lost = detail.get("lost_bytes") if isinstance(detail, dict) else None
    lost_bytes = lost if isinstance(lost, int) and not isinstance(lost, bool) else None
    return GapFacts(str(entry["kind"]), start, end, INCIDENTS_FILE, f"recorded at {entry.get('time')}", lost_bytes)


@dataclass(frozen=True, slots=True)
class RecordedGap:
    """A gap on record. ``start`` and ``end`` are null where none were named. ``lost``: yes, maybe or no."""

    kind: str
    start: int | None
    end: int | None
    lost: str
    detail: str

    def explains(self) -> Interval | None:
        """Return the addresses that may hold nothing because of this gap."""
        if self.start is None or self.end is None or self.kind in LOSS_AT_THE_SOURCE:
            return None
        return self.start, self.end


def _loss(gap: GapFacts) -> str:
    """Return whether bytes were lost: by the kind, unless the record itself counts some."""
    if gap.kind == TRUNCATED and (gap.lost_bytes or 0) > 0:
        return LOST
    return LOSS_BY_KIND.get(gap.kind, MAYBE_LOST)


def _add(found: dict[tuple[str, int | None, int | None], RecordedGap], gap: GapFacts) -> None:
    """Note a gap; of two records of one place, the first counts, unless the later one is worse."""
    key, lost = (gap.kind, gap.start, gap.end), _loss(gap)
    known = found.get(key)
    if known is None or WORST_LAST.index(lost) > WORST_LAST.index(known.lost):
        count = f"{gap.lost_bytes:,} bytes of the file, " if lost == LOST and gap.lost_bytes else ""
        found[key] = RecordedGap(gap.kind, gap.start, gap.end, lost, count + gap.detail)


def collect_recorded_gaps(facts: JournalFacts) -> tuple[RecordedGap, ...]:
    """Return every recorded gap once, from incidents, seals and failure marks."""
    found: dict[tuple[str, int | None, int | None], RecordedGap] = {}
    in_seals = [gap for segment in facts.segments if segment.seal for gap in segment.seal.gaps]
    for gap in (*facts.recorded, *in_seals):
        if gap.kind in LOSS_BY_KIND or gap.recorded_in != INCIDENTS_FILE:
            _add(found, gap)
    io_errors = [gap.start for gap in found.values() if gap.kind == IO_ERROR and gap.start is not None]
    for segment in facts.segments:
        ends = [segment.base + copy.size for copy in segment.copies]
        end = max(ends, default=segment.base)
        if segment.failed_mark and not any(segment.base <= start <= end for start in io_errors):
            found[(IO_ERROR, segment.base, end)] = RecordedGap(
                IO_ERROR, segment.base, end, MAYBE_LOST, "an fsync of this segment failed"
            )
    return tuple(sorted(found.values(), key=lambda gap: (gap.start or 0, gap.end or 0, gap.kind)))
