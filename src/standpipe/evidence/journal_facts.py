"""What was seen of a journal on disk, before anything is concluded from it.

Facts are gathered by evidence.verify and judged by evidence.journal_check. They hold one small entry a segment, so the
memory that they take does not grow with the bytes of the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from standpipe.journal.seal import SigningKey

INCIDENTS_FILE = "incidents.jsonl"  # the value of GapFacts.recorded_in for what was read there


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """One data file of a segment, read to its end.

    ``size`` counts raw (uncompressed) bytes. ``sha256`` (hex) and ``newlines`` are over the first ``covered`` of them:
    as many as the seal names, or as the segment covers where there is no seal. ``error`` says why reading ended early:
    the bytes are not what a compressed file may hold. ``unreadable`` says that the operating system refused to read.
    """

    file: str
    size: int
    covered: int
    sha256: str
    newlines: int
    first_time: str | None = None
    last_time: str | None = None
    error: str = ""
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class GapFacts:
    """Addresses that somebody recorded as lost, skipped or at risk; start and end are null where none were named.

    ``lost_bytes``: how many bytes the record itself calls lost; None where it does not say, or cannot know.
    """

    kind: str
    start: int | None
    end: int | None
    recorded_in: str
    detail: str = ""
    lost_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class SealFacts:
    """One seal file. ``digest`` (hex) is over the file's bytes; ``problem`` says why they cannot be understood."""

    file: str
    digest: str
    base: int = 0
    end: int = 0
    journal_id: str = ""
    records: int = 0
    sha256: str = ""
    previous: str | None = None
    first_time: str | None = None
    last_time: str | None = None
    signed: bool = False
    sealed_at: str = ""
    idle: int | None = None
    signature: str | None = None
    signed_bytes: bytes = b""  # what the signature is over; empty without one
    signing_key: SigningKey | None = None
    gaps: tuple[GapFacts, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """Everything under one base: data files (the one that readers use first), seal, failure mark."""

    base: int
    copies: tuple[CopyFacts, ...] = ()
    seal: SealFacts | None = None
    seal_unreadable: str = ""
    failed_mark: bool = False


@dataclass(frozen=True, slots=True)
class IdleSealFacts:
    """The seal file of an interval in which nothing came: where it stands, and what it says, None where unreadable."""

    base: int
    number: int
    seal: SealFacts | None
    seal_unreadable: str = ""


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """A whole journal, as one listing of it showed.

    archived: it is an archive's copy. There the open segment is never found, and data goes after its seal, if at all:
    nothing that a seal speaks of may be missing, at the head neither.
    """

    journal_id: str
    predecessor: str | None
    segments: tuple[SegmentFacts, ...]  # in the order of their bases
    recorded: tuple[GapFacts, ...] = ()  # from incidents.jsonl
    cursors: tuple[tuple[str, int], ...] = ()  # sink, offset; read before the segments were listed
    repeats: tuple[GapFacts, ...] = ()
    dead_letters: tuple[tuple[str, int], ...] = ()  # sink, records
    idle_seals: tuple[IdleSealFacts, ...] = ()  # in the order of (base, number)
    archived: bool = False
