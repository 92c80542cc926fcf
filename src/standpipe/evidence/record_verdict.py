"""What the look at every record adds to the verdict over a journal. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN

if TYPE_CHECKING:
    from standpipe.evidence.journal_check import Findings
    from standpipe.evidence.record_pass import RecordFindings


def add_records(findings: Findings, seen: RecordFindings, *, require_pairs: bool) -> Findings:
    """Return the findings with what the records say. Halves that are alone count against it where that is asked for."""
    unreadable = (*findings.unreadable, *([seen.refused] if seen.refused else []))
    alone = seen.pairing is not None and seen.pairing.unexplained > 0
    verdict = findings.verdict
    if require_pairs and alone:
        verdict = INCOMPLETE
    elif verdict == COMPLETE and unreadable:
        verdict = UNKNOWN
    return replace(findings, verdict=verdict, unreadable=unreadable, seen=seen)
