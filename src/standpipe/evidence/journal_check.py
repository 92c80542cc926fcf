"""Is anything missing from a journal, or altered? Facts in, findings out.

A journal proves itself: each seal holds the digest of its segment's bytes and of the seal before it, and offsets leave
no room between segments that is not accounted for. What the proof cannot see is said in docs/verify.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from standpipe.evidence.intervals import Interval, subtract
from standpipe.evidence.recorded_gaps import NOT_LOST, RecordedGap, collect_recorded_gaps
from standpipe.evidence.signatures import check_signatures, linked_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.evidence.journal_facts import CopyFacts, JournalFacts, SealFacts, SegmentFacts
    from standpipe.evidence.signatures import Keys, SignatureFindings

COMPLETE = "complete"
INCOMPLETE = "incomplete"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was sealed. ``what`` is one of the words of docs/verify.md."""

    what: str
    file: str
    start: int
    end: int
    detail: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What the facts prove."""

    verdict: str
    base: int
    end: int
    records: int
    holes: tuple[Interval, ...]
    damaged: tuple[Damage, ...]
    recorded_gaps: tuple[RecordedGap, ...]
    unreadable: tuple[str, ...]
    seals: int
    signed: int
    broken: int
    segments: int
    checked_bytes: int
    unsealed_bytes: int
    first_time: str | None
    last_time: str | None
    repeated: int
    dead_letters: int
    proven: int | None = None
    """Seals whose signature a trusted key made; None where no key was given."""

    @property
    def intact(self) -> bool:
        """Nothing is damaged and no unrecorded address is missing."""
        return not self.damaged and not self.holes


@dataclass(frozen=True, slots=True)
class _Place:
    """A segment and its surroundings. ``seal``: the one that counts; ``next_base``: of the next segment with data."""

    segment: SegmentFacts
    seal: SealFacts | None
    next_base: int | None
    later_sealed: bool

    @property
    def end(self) -> int:
        """Where the addresses of a segment with data end; what is damaged inside them is no hole as well."""
        copy = self.segment.copies[0]
        if self.seal is not None:
            end = self.seal.end
        elif copy.error or copy.unreadable:
            end = self.segment.base if self.next_base is None else self.next_base
        else:
            end = self.segment.base + copy.size
        return end if self.next_base is None else min(end, self.next_base)


def _counting_seal(facts: JournalFacts, segment: SegmentFacts) -> SealFacts | None:
    """Return the segment's seal, unless it cannot be one of this segment."""
    seal = segment.seal
    if seal is None or seal.problem or seal.base != segment.base or seal.journal_id != facts.journal_id:
        return None
    return seal


def _places(facts: JournalFacts) -> list[_Place]:
    places: list[_Place] = []
    next_base: int | None = None
    later_sealed = False
    for segment in reversed(facts.segments):
        places.append(_Place(segment, _counting_seal(facts, segment), next_base, later_sealed))
        next_base = segment.base if segment.copies else next_base
        later_sealed = later_sealed or segment.seal is not None
    return places[::-1]


def _check_copy(place: _Place, seal: SealFacts, copy: CopyFacts) -> Iterator[Damage]:
    length = seal.end - seal.base

    def damage(what: str, detail: str, file: str = copy.file) -> Damage:
        return Damage(what, file, seal.base, seal.end, detail)

    if copy.unreadable:
        return
    if copy.error:
        yield damage("undecodable", copy.error)
        return
    if copy.size < length:
        yield damage("short", f"{length:,} bytes were sealed, {copy.size:,} are there")
        return
    if copy.size > length and not (place.segment.failed_mark and place.next_base == seal.end):
        # After a failed fsync the copy in the next segment counts, and the surplus here is no part of the journal.
        yield damage("long", f"{length:,} bytes were sealed, {copy.size:,} are there")
    if copy.sha256 != seal.sha256:
        yield damage("altered", "the bytes do not have the digest that was sealed")
        return
    sealed = (seal.records, seal.first_time, seal.last_time)
    counted = (copy.newlines, copy.first_time, copy.last_time)
    if sealed != counted:
        yield damage("seal-altered", f"it says {sealed} for records and times, the bytes say {counted}", seal.file)


def _check_seal(facts: JournalFacts, segment: SegmentFacts, seal: SealFacts) -> Iterator[Damage]:
    if seal.problem:
        yield Damage("seal-unreadable", seal.file, segment.base, segment.base, seal.problem)
    elif seal.base != segment.base:
        yield Damage("seal-misplaced", seal.file, segment.base, segment.base, f"it is the seal of {seal.base:,}")
    elif seal.journal_id != facts.journal_id:
        detail = f"it is of another journal, {seal.journal_id!r}"
        yield Damage("seal-misplaced", seal.file, segment.base, segment.base, detail)


def _check_segment(facts: JournalFacts, place: _Place) -> Iterator[Damage]:
    segment, next_base = place.segment, place.next_base
    if segment.seal is not None:
        yield from _check_seal(facts, segment, segment.seal)
    if place.seal is not None:
        for copy in segment.copies:
            yield from _check_copy(place, place.seal, copy)
        if next_base is not None and place.seal.end > next_base:
            detail = f"the next segment begins at {next_base:,}"
            yield Damage("overlap", place.seal.file, next_base, place.seal.end, detail)
    elif segment.copies:
        yield from _check_unsealed(place, segment.copies[0])


def _check_unsealed(place: _Place, copy: CopyFacts) -> Iterator[Damage]:
    segment, next_base = place.segment, place.next_base
    end = segment.base + copy.size
    if place.later_sealed and segment.seal is None and not segment.seal_unreadable:
        detail = "later segments are sealed and this one is not"
        yield Damage("seal-missing", copy.file, segment.base, place.end, detail)
    if copy.error:
        yield Damage("undecodable", copy.file, segment.base, place.end, copy.error)
    if next_base is not None and end > next_base and not segment.failed_mark:
        yield Damage("overlap", copy.file, next_base, end, f"the next segment begins at {next_base:,}")


def _check_chain(facts: JournalFacts) -> Iterator[Damage]:
    """Compare each seal's link with the seal before it; the first one may link to a seal that retention removed."""
    before: SegmentFacts | None = None
    for segment in facts.segments:
        seal = segment.seal
        if seal is not None and not seal.problem and not _links(facts, before, segment.base, seal):
            link = "what journal.json says" if before is None or before.seal is None else before.seal.file
            yield Damage("chain-broken", seal.file, seal.base, seal.end, f"it does not link to {link}")
        if seal is not None or segment.seal_unreadable:
            before = segment


def _links(facts: JournalFacts, before: SegmentFacts | None, base: int, seal: SealFacts) -> bool:
    if before is not None and before.seal is None:
        return True  # a seal that nobody could read proves nothing
    if before is not None and before.seal is not None:
        return seal.previous == before.seal.digest
    return seal.previous is not None if base > 0 else seal.previous == facts.predecessor


def _head(places: list[_Place]) -> tuple[int, int]:
    """Return the first address that has data, and the first that must have: seals alone at the head are retention's."""
    sealed_end = 0
    for place in places:
        if place.segment.copies:
            base = place.segment.base
            return base, min(base, sealed_end) if sealed_end else base
        if place.seal is not None:
            sealed_end = place.seal.end
    return sealed_end, sealed_end


def _missing(
    facts: JournalFacts, places: list[_Place], recorded: tuple[RecordedGap, ...], must_begin: int
) -> tuple[Interval, ...]:
    """Return the addresses that something names, that no file holds and that no recorded gap explains."""
    highest = max((offset for _, offset in facts.cursors), default=0)
    for place in places:
        if place.segment.copies:
            highest = max(highest, place.end)
        elif place.seal is not None:
            highest = max(highest, place.seal.end)
    covered = [(place.segment.base, place.end) for place in places if place.segment.copies]
    explained = [addresses for gap in recorded if (addresses := gap.explains()) is not None]
    return tuple(subtract((must_begin, highest), [*covered, *explained]))


def _tail_missing(places: list[_Place]) -> Iterator[Damage]:
    """Look for the open segment: one is finished, and so can be sealed, only after the next has taken over."""
    newest = next((place for place in reversed(places) if place.seal is not None), None)
    if newest is not None and newest.seal is not None and newest.next_base is None:
        end = newest.seal.end
        yield Damage("tail-missing", newest.seal.file, end, end, "no segment follows the newest seal")


def _verdict(findings: Findings, *, accept_recorded: bool) -> str:
    lost_on_record = any(gap.lost != NOT_LOST for gap in findings.recorded_gaps)
    if not findings.intact or (lost_on_record and not accept_recorded):
        return INCOMPLETE
    return UNKNOWN if findings.unreadable else COMPLETE


def _check_signatures(facts: JournalFacts, keys: Keys) -> SignatureFindings:
    """Judge the signatures of all seals that can be read, in the order of the chain."""
    seals = [segment.seal for segment in facts.segments if segment.seal is not None and not segment.seal.problem]
    return check_signatures(linked_runs(seals), keys)


def _damaged(facts: JournalFacts, places: list[_Place], signatures: SignatureFindings | None) -> tuple[Damage, ...]:
    found = [damage for place in places for damage in _check_segment(facts, place)]
    found.extend(_check_chain(facts))
    found.extend(_tail_missing(places))
    for fault in signatures.faults if signatures is not None else ():
        found += [Damage(fault.what, fault.seal.file, fault.seal.base, fault.seal.end, fault.detail)]
    return tuple(sorted(found, key=lambda damage: (damage.start, damage.end, damage.what, damage.file)))


def _unreadable(facts: JournalFacts) -> tuple[str, ...]:
    copies = [f"{copy.file}: {copy.unreadable}" for s in facts.segments for copy in s.copies if copy.unreadable]
    return (*copies, *(s.seal_unreadable for s in facts.segments if s.seal_unreadable))


def check(facts: JournalFacts, *, accept_recorded: bool = False, keys: Keys | None = None) -> Findings:
    """Judge a journal.

    accept_recorded: gaps that were recorded when they came to be do not count against it. keys: those that must have
    signed the seals; without them signatures are counted only.
    """
    signatures = None if keys is None else _check_signatures(facts, keys)
    places = _places(facts)
    data = [place for place in places if place.segment.copies]
    sealed = [(place, place.seal) for place in data if place.seal is not None]
    seals = [segment.seal for segment in facts.segments if segment.seal is not None]
    recorded = collect_recorded_gaps(facts)
    damaged = _damaged(facts, places, signatures)
    base, must_begin = _head(places)
    findings = Findings(
        verdict=UNKNOWN,
        base=base,
        end=max((place.end for place in data), default=base),
        records=sum(place.segment.copies[0].newlines for place in data),
        holes=_missing(facts, places, recorded, must_begin),
        damaged=damaged,
        recorded_gaps=recorded,
        unreadable=_unreadable(facts),
        seals=len(seals),
        signed=sum(seal.signed for seal in seals),
        broken=sum(damage.what == "chain-broken" for damage in damaged),
        segments=len(data),
        checked_bytes=sum(place.segment.copies[0].covered for place, _ in sealed),
        unsealed_bytes=sum(place.end - place.segment.base for place in data if place.seal is None),
        first_time=next((seal.first_time for _, seal in sealed if seal.first_time), None),
        last_time=next((seal.last_time for _, seal in reversed(sealed) if seal.last_time), None),
        repeated=len(facts.repeats),
        dead_letters=sum(count for _, count in facts.dead_letters),
        proven=None if signatures is None else signatures.proven,
    )
    return replace(findings, verdict=_verdict(findings, accept_recorded=accept_recorded))
