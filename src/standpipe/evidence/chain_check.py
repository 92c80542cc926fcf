"""The chain of seals: does each link to the one before, who signed them, and do their times make sense. Pure.

Seals are chained in the order of their places: the idle seals at an offset, then that of the segment that begins there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from standpipe.evidence.damage import Damage
from standpipe.evidence.intervals import subtract
from standpipe.evidence.signatures import check_signatures, linked_runs
from standpipe.journal.layout import SEGMENT_NUMBER
from standpipe.journal.seal import DROPPED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.evidence.journal_facts import IdleSealFacts, JournalFacts, SealFacts, SegmentFacts
    from standpipe.evidence.signatures import Keys, SignatureFindings

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
CLOCK_TOLERANCE = timedelta(seconds=60)  # Vault and keep have one clock; steps of some seconds are NTP's at a start
SEALED_BEFORE_RECORD = "sealed-before-record"
SEALED_BEFORE_PREVIOUS = "sealed-before-previous"


@dataclass(frozen=True, slots=True)
class Link:
    """A seal file in its place in the chain; seal: None where it could not be read."""

    base: int
    number: int
    seal: SealFacts | None


def chain_of(facts: JournalFacts) -> list[Link]:
    """Return all seal files in the order in which they are chained."""
    links = [Link(idle.base, idle.number, idle.seal) for idle in facts.idle_seals]
    links += [
        Link(segment.base, SEGMENT_NUMBER, segment.seal)
        for segment in facts.segments
        if segment.seal is not None or segment.seal_unreadable
    ]
    return sorted(links, key=lambda link: (link.base, link.number))


def check_chain(facts: JournalFacts) -> Iterator[Damage]:
    """Compare each seal's link with the seal before it; the first one may link to a seal that retention removed."""
    chain = chain_of(facts)
    for before, link in zip([None, *chain], chain, strict=False):
        seal = link.seal
        if seal is not None and not seal.problem and not _links(facts, before, link, seal):
            to = "what journal.json says" if before is None or before.seal is None else before.seal.file
            end = seal.end if seal.base == link.base else link.base  # a misplaced one's own addresses are elsewhere
            yield Damage("chain-broken", seal.file, link.base, end, f"it does not link to {to}")


def _links(facts: JournalFacts, before: Link | None, link: Link, seal: SealFacts) -> bool:
    if before is not None and before.seal is not None:
        return seal.previous == before.seal.digest or (facts.archived and _dropped(facts, before.seal.end, link.base))
    if before is not None:  # a seal that nobody could read proves nothing
        return True
    if link.base > 0 or link.number not in (1, SEGMENT_NUMBER):
        return seal.previous is not None
    return seal.previous == facts.predecessor


def _dropped(facts: JournalFacts, start: int, end: int) -> bool:
    """Tell whether seals say that all between was dropped: then it was before the archive got it, and its seals too."""
    seals = [segment.seal for segment in facts.segments if segment.seal is not None]
    dropped = [
        (gap.start, gap.end)
        for seal in seals
        for gap in seal.gaps
        if gap.kind == DROPPED and gap.start is not None and gap.end is not None
    ]
    return start < end and not subtract((start, end), dropped)


def check_idle_seal(facts: JournalFacts, idle: IdleSealFacts) -> Iterator[Damage]:
    """Compare an idle seal with its place; that it is one of a run is for the chain to say."""
    seal = idle.seal
    if seal is None:
        return

    def damage(what: str, detail: str) -> Damage:
        return Damage(what, seal.file, idle.base, idle.base, detail)

    if seal.problem:
        yield damage("seal-unreadable", seal.problem)
    elif (seal.base, seal.idle) != (idle.base, idle.number):
        yield damage("seal-misplaced", f"it is the idle seal {seal.idle} of {seal.base:,}")
    elif seal.journal_id != facts.journal_id:
        yield damage("seal-misplaced", f"it is of another journal, {seal.journal_id!r}")
    elif (seal.records, seal.sha256) != (0, EMPTY_SHA256):
        yield damage("seal-altered", "it is an idle seal and does not have the digest of no bytes")
    else:
        for segment in facts.segments:
            if segment.base < idle.base and segment.copies and _holds(segment, idle.base):
                yield damage("seal-misplaced", f"nothing had come beyond {idle.base:,}, inside of {segment.base:,}")


def _holds(segment: SegmentFacts, offset: int) -> bool:
    """Tell whether an offset lies inside of a segment, and not where one begins that overlaps it."""
    return segment.seal is not None and not segment.seal.problem and segment.base < offset < segment.seal.end


def check_seals_signed(facts: JournalFacts, keys: Keys) -> SignatureFindings:
    """Judge the signatures of all seals that can be read, in the order of the chain."""
    seals = [link.seal for link in chain_of(facts) if link.seal is not None and not link.seal.problem]
    return check_signatures(linked_runs(seals), keys)


def _moment(text: str | None) -> datetime | None:
    """Return a time; None where it is none. One without an offset is taken to be UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def check_seal_times(facts: JournalFacts) -> Iterator[Damage]:
    """Compare each seal's time with that of its last record, and with that of the seal before.

    A clock that was set back does this as well, so it is no damage: whoever reads the seals must know it.
    """
    before: tuple[datetime, SealFacts] | None = None
    for link in chain_of(facts):
        seal = link.seal
        moment = None if seal is None or seal.problem else _moment(seal.sealed_at)
        if seal is None or moment is None:
            continue
        last = _moment(seal.last_time)
        if last is not None and last - moment > CLOCK_TOLERANCE:
            detail = f"it was sealed at {seal.sealed_at}, and its last record is of {seal.last_time}"
            yield Damage(SEALED_BEFORE_RECORD, seal.file, seal.base, seal.end, detail)
        if before is not None and before[0] - moment > CLOCK_TOLERANCE:
            detail = f"it was sealed at {seal.sealed_at}, and the seal before it at {before[1].sealed_at}"
            yield Damage(SEALED_BEFORE_PREVIOUS, seal.file, seal.base, seal.end, detail)
        before = (moment, seal)
