"""From the bytes of a seal file to facts. Pure.

A seal is written in one form only (journal.seal), so one that is not in that form was not written by us: this finds
a changed byte even in the newest seal, to which no other links, unless the change makes another well-formed value.
"""

from __future__ import annotations

from standpipe.errors import JournalError
from standpipe.evidence.journal_facts import GapFacts, SealFacts
from standpipe.journal.seal import Gap, is_canonical, parse_seal, seal_digest, signed_bytes


def _as_gap(gap: Gap, file: str) -> GapFacts:
    end = None if gap.length is None else gap.offset + gap.length
    return GapFacts(gap.kind, gap.offset, end, file, f"recorded at {gap.time}")


def seal_facts(file: str, data: bytes) -> SealFacts:
    """Return what a seal file says, or what is wrong with it."""
    digest = seal_digest(data)
    try:
        seal = parse_seal(data, file)
    except JournalError as error:
        return SealFacts(file, digest, problem=error.message)
    if not is_canonical(data):
        return SealFacts(file, digest, problem=f"{file} is not in the form in which seals are written")
    return SealFacts(
        file=file,
        digest=digest,
        base=seal.base,
        end=seal.end,
        journal_id=seal.journal,
        records=seal.records,
        sha256=seal.sha256,
        previous=seal.previous,
        first_time=seal.first_time,
        last_time=seal.last_time,
        signed=seal.signature is not None,
        sealed_at=seal.sealed_at,
        idle=seal.idle,
        signature=seal.signature,
        signed_bytes=b"" if seal.signature is None else signed_bytes(data),
        signing_key=seal.signing_key,
        gaps=tuple(_as_gap(gap, file) for gap in seal.gaps),
    )
