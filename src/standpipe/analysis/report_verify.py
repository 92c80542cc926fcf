"""Verify the sources of a report: each as `standpipe verify` does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from standpipe.analysis.report_evidence import UNPROVEN, SourceEvidence
from standpipe.analysis.report_sources import verify_command
from standpipe.evidence.verdict_text import as_json, as_lines
from standpipe.evidence.verify import verify_journal
from standpipe.journal import identity
from standpipe.journal.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.analysis.report_sources import Sources

    Progress = Callable[[int, int], None]  # bytes done, and in all

JOURNAL, ARCHIVE, PARQUET = "journal", "archive", "parquet"
NOT_VERIFIED = {
    ARCHIVE: "an archive, which this report does not verify",
    PARQUET: "an export, which holds no proof: verify the journal or the archive that it was made from",
}


def gather_evidence(sources: Sources, progress: Progress) -> list[SourceEvidence]:
    """Verify every source that can be. Raises JournalError, OSError."""
    return [
        *(_verified(path, sources, progress) for path in sources.journals),
        *(_unverified(location, ARCHIVE, UNPROVEN) for location in sources.archives),
        *(_unverified(location, PARQUET, UNPROVEN) for location in sources.exports),
    ]


def _verified(path: str, sources: Sources, progress: Progress) -> SourceEvidence:
    layout = Layout(os.path.abspath(path))
    known = identity.read(layout)
    findings = verify_journal(layout, accept_recorded=sources.accept_recorded, keys=sources.keys, progress=progress)
    return SourceEvidence(
        location=path,
        kind=JOURNAL,
        verdict=findings.verdict,
        lines=tuple(as_lines(findings, accept_recorded=sources.accept_recorded)),
        command=verify_command(path, sources),
        facts=as_json(findings),
        journal_id=known.journal_id,
        node=known.node,
    )


def _unverified(location: str, kind: str, verdict: str) -> SourceEvidence:
    return SourceEvidence(location, kind, verdict, (NOT_VERIFIED[kind],), "")
