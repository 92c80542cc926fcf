"""What the raw copies of one journal prove, segment by segment. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from standpipe.evidence.copies_check import CopiesFindings, Reference, judge
from standpipe.evidence.damage import Damage
from standpipe.evidence.intervals import merge, subtract
from standpipe.evidence.journal_check import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.evidence.raw_copies import RawSegment

FILE = "the raw copies"


def raw_findings(
    journal: str, segments: Sequence[RawSegment], reference: Reference, *, accept_recorded: bool
) -> CopiesFindings:
    """Judge a journal by its raw copies: every segment that was sealed must be there, in [first, last) at least."""
    first, last = reference.first, reference.last
    wanted = [
        found
        for found in segments
        if (first is None or found.seal.end > first) and (last is None or found.seal.base < last)
    ]
    proven = [found for found in wanted if found.proven]
    damaged = list(reference.damaged)
    missing = []
    for found in wanted:
        if found.proven:
            continue
        seal = found.seal
        if found.seen < seal.records:
            missing.append((seal.base, seal.end))
        detail = f"{found.seen:,} records of its time are here, and {seal.records:,} were sealed"
        what = "missing" if found.seen < seal.records else "altered" if found.seen == seal.records else "mixed"
        if what != "missing" or found.seen:
            damaged.append(Damage(what, FILE, seal.base, seal.end, detail))
    explained = [addresses for gap in reference.recorded if (addresses := gap.explains()) is not None]
    holes = [hole for whole in merge(missing) for hole in subtract(whole, explained)]
    proven_bytes = sum(found.seal.end - found.seal.base for found in proven)
    findings = CopiesFindings(
        journal=journal,
        verdict=UNKNOWN,
        base=min((found.seal.base for found in wanted), default=0),
        end=max((found.seal.end for found in wanted), default=0),
        records=sum(found.seal.records for found in proven),
        copies=sum(found.seal.records if found.proven else found.seen for found in wanted),
        repeated=0,
        repeats=(),
        torn=0,
        holes=tuple(holes),
        holes_count=len(holes),
        holes_bytes=sum(end - start for start, end in holes),
        damaged=tuple(damaged),
        damaged_count=len(damaged),
        recorded_gaps=tuple(reference.recorded),
        filtered_count=0,
        filtered_bytes=0,
        undecided=None,
        starts_inside=False,
        seals=len(reference.seals),
        signed=sum(seal.signed for seal in reference.seals),
        notices=reference.notices,
        vouched=reference.vouched,
        broken=sum(damage.what == "chain-broken" for damage in reference.damaged),
        proven=len(proven),
        proven_bytes=proven_bytes,
        unproven=(),
        absent=len(wanted) - len(proven),
        unsealed_bytes=0,
    )
    return replace(findings, verdict=judge(findings, accept_recorded=accept_recorded))
