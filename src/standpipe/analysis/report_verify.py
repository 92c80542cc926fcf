"""Verify the sources of a report: each as `standpipe verify` does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from standpipe.analysis.report_evidence import UNPROVEN, SourceEvidence
from standpipe.analysis.report_sources import verify_archive_command, verify_command
from standpipe.archive.reading import open_archive
from standpipe.evidence.fleet_text import name
from standpipe.evidence.verdict_text import as_json, as_lines
from standpipe.evidence.verify import verify_journal
from standpipe.evidence.verify_archive import ArchiveChecks, verify_archive
from standpipe.journal import identity
from standpipe.journal.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.analysis.report_sources import Sources

    Progress = Callable[[int, int], None]  # bytes done, and in all

JOURNAL, ARCHIVE, PARQUET = "journal", "archive", "parquet"
NO_PROOF = "an export, which holds no proof: verify the journal or the archive that it was made from"


def gather_evidence(sources: Sources, progress: Progress) -> list[SourceEvidence]:
    """Verify every source that can be. Raises JournalError, ArchiveError, StandpipeError, OSError."""
    return [
        *(_verified(path, sources, progress) for path in sources.journals),
        *(found for location in sources.archives for found in _verified_archive(location, sources, progress)),
        *(SourceEvidence(location, PARQUET, UNPROVEN, (NO_PROOF,), "") for location in sources.exports),
    ]


def _verified_archive(location: str, sources: Sources, progress: Progress) -> list[SourceEvidence]:
    """Return the evidence on each journal of an archive."""
    checks = ArchiveChecks(
        accept_recorded=sources.accept_recorded, keys=sources.keys, prefix=(sources.prefix or "").encode()
    )
    verdict = verify_archive(open_archive(location, sources.archive), checks, progress)
    return [
        SourceEvidence(
            location=f"{location}: {name(member)}",
            kind=ARCHIVE,
            verdict=member.findings.verdict,
            lines=tuple(as_lines(member.findings, accept_recorded=sources.accept_recorded)),
            command=verify_archive_command(location, sources),
            facts=as_json(member.findings),
            journal_id=member.journal_id,
            node=member.node,
        )
        for member in verdict.members
    ]


def _verified(path: str, sources: Sources, progress: Progress) -> SourceEvidence:
    layout = Layout(os.path.abspath(path))
    known = identity.read(layout)
    findings = verify_journal(
        layout,
        accept_recorded=sources.accept_recorded,
        keys=sources.keys,
        prefix=None if sources.prefix is None else sources.prefix.encode(),
        progress=progress,
    )
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
