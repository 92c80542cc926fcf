"""Is anything missing from a journal, or altered? Facts in, findings out.

A journal proves itself: each seal holds the digest of its segment's bytes and of the seal before it, and offsets leave
no room between segments that is not accounted for. What the proof cannot see is said in docs/verify.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from standpipe.evidence.chain_check import chain_of, check_chain, check_idle_seal, check_seal_times, check_seals_signed
from standpipe.evidence.checks import ALL_CHECKS, INTEGRITY, TILING, sees
from standpipe.evidence.damage import Damage
from standpipe.evidence.intervals import Interval, subtract
from standpipe.evidence.last_seen import last_seen
from standpipe.evidence.recorded_gaps import NOT_LOST, RecordedGap, collect_recorded_gaps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.evidence.journal_facts import CopyFacts, JournalFacts, SealFacts, SegmentFacts
    from standpipe.evidence.record_pass import RecordFindings
    from standpipe.evidence.signatures import Keys, SignatureFindings

COMPLETE = "complete"
INCOMPLETE = "incomplete"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SealMark:
    """Which seal stands in a place of the chain: what pins all that came before it. number: as in chain_check.Link."""

    file: str
    base: int
    number: int
    end: int
    digest: str


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
    notices: tuple[Damage, ...] = ()
    """What a person should look at, and what is no damage."""
    checks: frozenset[str] = ALL_CHECKS
    seen: RecordFindings | None = None
    """What the look at every record found; None where there was none."""
    last_seen: str | None = None
    seal_marks: tuple[SealMark, ...] = ()

    @property
    def intact(self) -> bool:
        """Nothing is damaged and no unrecorded address is missing."""
        return not self.damaged and not self.holes


def _marks(facts: JournalFacts) -> Iterator[SealMark]:
    for link in chain_of(facts):
        seal = link.seal
        if seal is not None and not seal.problem:
            yield SealMark(seal.file, link.base, link.number, seal.end, seal.digest)


def unknown_findings(reason: str) -> Findings:
    """Return what is found where nothing could be examined at all."""
    return Findings(UNKNOWN, 0, 0, 0, (), (), (), (reason,), 0, 0, 0, 0, 0, 0, None, None, 0, 0)


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
        if self.seal is not None:
            end = self.seal.end
        elif (copy := self.segment.copies[0]).error or copy.unreadable:
            end = self.segment.base if self.next_base is None else self.next_base
        else:
            end = self.segment.base + copy.size
        return end if self.next_base is None else min(end, self.next_base)


def _counting_seal(facts: JournalFacts, segment: SegmentFacts) -> SealFacts | None:
    """Return the segment's seal, unless it cannot be one of this segment."""
    seal = segment.seal
    if seal is None or seal.problem or seal.base != segment.base or seal.journal_id != facts.journal_id:
        return None
    return None if seal.idle is not None else seal


def _places(facts: JournalFacts) -> list[_Place]:
    places: list[_Place] = []
    next_base: int | None = None
    later_sealed = False
    newest_idle = facts.idle_seals[-1].base if facts.idle_seals else -1
    for segment in reversed(facts.segments):
        # The archive's writer goes on once a segment's seal is there: the newest data alone may wait for its own.
        passed_over = facts.archived and next_base is not None
        sealed_over = later_sealed or newest_idle > segment.base or passed_over
        places.append(_Place(segment, _counting_seal(facts, segment), next_base, sealed_over))
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
    if copy.sha256 and copy.sha256 != seal.sha256:
        yield damage("altered", "the bytes do not have the digest that was sealed")
        return
    sealed = (seal.records, seal.first_time, seal.last_time)
    counted = (copy.newlines, copy.first_time, copy.last_time)
    if sealed != counted:
        yield damage("seal-altered", f"it says {sealed} for records and times, the bytes say {counted}", seal.file)


def _check_seal(facts: JournalFacts, place: _Place, seal: SealFacts) -> Iterator[Damage]:
    """Say what is wrong with a seal where it is. Nothing speaks then for the bytes that it should speak for."""
    segment = place.segment

    def damage(what: str, detail: str) -> Damage:
        return Damage(what, seal.file, segment.base, place.end if segment.copies else segment.base, detail)

    if seal.problem:
        yield damage("seal-unreadable", seal.problem)
    elif seal.journal_id != facts.journal_id:
        yield damage("seal-misplaced", f"it is of another journal, {seal.journal_id!r}, of {seal.base:,}")
    elif seal.base != segment.base:
        yield damage("seal-misplaced", f"it is the seal of {seal.base:,}")
    elif seal.idle is not None:
        yield damage("seal-misplaced", "it is an idle seal")


def _check_segment(facts: JournalFacts, place: _Place) -> Iterator[Damage]:
    segment, next_base = place.segment, place.next_base
    if segment.seal is not None:
        yield from _check_seal(facts, place, segment.seal)
    if place.seal is not None:
        for copy in segment.copies:
            yield from _check_copy(place, place.seal, copy)
        if next_base is not None and place.seal.end > next_base:
            detail = f"the next segment begins at {next_base:,}"
            yield Damage("overlap", place.seal.file, next_base, place.seal.end, detail)
        if facts.archived and not segment.copies and place.seal.end > place.seal.base:
            detail = "its seal is there, its data is not"
            yield Damage("data-missing", place.seal.file, place.seal.base, place.seal.end, detail)
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


def _held(facts: JournalFacts, places: list[_Place]) -> list[_Place]:
    """Return the places whose addresses are no hole: in an archive, missing data is told by its seal."""
    return [place for place in places if place.segment.copies or (facts.archived and place.seal is not None)]


def _head(facts: JournalFacts, places: list[_Place]) -> tuple[int, int]:
    """Return the first address that has data, and the first that must have: seals alone at the head are retention's."""
    idle_seals = facts.idle_seals
    if facts.archived:
        first = min([place.segment.base for place in places[:1]] + [idle.base for idle in idle_seals[:1]], default=0)
        return first, first
    sealed_end = 0
    for place in places:
        if place.segment.copies:
            base = place.segment.base
            ends = [sealed_end, *(idle.base for idle in idle_seals if idle.base <= base)]
            return base, min(base, max(ends)) if any(ends) else base
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
    for idle in facts.idle_seals:
        highest = max(highest, idle.base)
    covered = [(place.segment.base, place.end) for place in _held(facts, places)]
    explained = [addresses for gap in recorded if (addresses := gap.explains()) is not None]
    return tuple(subtract((must_begin, highest), [*covered, *explained]))


def _tail_missing(facts: JournalFacts, places: list[_Place]) -> Iterator[Damage]:
    """Look for the open segment: one is finished, and so can be sealed, only after the next has taken over."""
    if facts.archived:
        return
    idle = facts.idle_seals[-1] if facts.idle_seals else None
    last = next((place.segment.base for place in reversed(places) if place.segment.copies), -1)
    if idle is not None and last < idle.base:
        file = idle.seal.file if idle.seal is not None else ""
        yield Damage("tail-missing", file, idle.base, idle.base, "no segment follows the newest idle seal")
        return
    newest = next((place for place in reversed(places) if place.seal is not None), None)
    if newest is not None and newest.seal is not None and newest.next_base is None:
        end = newest.seal.end
        yield Damage("tail-missing", newest.seal.file, end, end, "no segment follows the newest seal")


def _verdict(findings: Findings, *, accept_recorded: bool) -> str:
    lost_on_record = TILING in findings.checks and any(gap.lost != NOT_LOST for gap in findings.recorded_gaps)
    if not findings.intact or (lost_on_record and not accept_recorded):
        return INCOMPLETE
    return UNKNOWN if findings.unreadable else COMPLETE


def _damaged(facts: JournalFacts, places: list[_Place], signatures: SignatureFindings | None) -> tuple[Damage, ...]:
    found = [damage for place in places for damage in _check_segment(facts, place)]
    for idle in facts.idle_seals:
        found.extend(check_idle_seal(facts, idle))
    found.extend(check_chain(facts))
    found.extend(_tail_missing(facts, places))
    for fault in signatures.faults if signatures is not None else ():
        found += [Damage(fault.what, fault.seal.file, fault.seal.base, fault.seal.end, fault.detail)]
    return tuple(sorted(found, key=lambda damage: (damage.start, damage.end, damage.what, damage.file)))


def _unreadable(facts: JournalFacts) -> tuple[str, ...]:
    copies = [f"{copy.file}: {copy.unreadable}" for s in facts.segments for copy in s.copies if copy.unreadable]
    seals = [segment.seal_unreadable for segment in facts.segments]
    seals += [idle.seal_unreadable for idle in facts.idle_seals]
    return (*copies, *filter(None, seals))


def check(
    facts: JournalFacts,
    *,
    accept_recorded: bool = False,
    keys: Keys | None = None,
    checks: frozenset[str] = ALL_CHECKS,
) -> Findings:
    """Judge a journal.

    accept_recorded: gaps that were recorded when they came to be do not count against it. keys: those that must have
    signed the seals; without them signatures are counted only. checks: what is looked for, of evidence.checks; the rest
    is neither told nor judged.
    """
    signatures = None if keys is None else check_seals_signed(facts, keys)
    places = _places(facts)
    data = [place for place in places if place.segment.copies]
    sealed = [(place, place.seal) for place in data if place.seal is not None]
    seals = [link.seal for link in chain_of(facts) if link.seal is not None]
    recorded = collect_recorded_gaps(facts)
    damaged = tuple(damage for damage in _damaged(facts, places, signatures) if sees(checks, damage.what))
    base, must_begin = _head(facts, places)
    findings = Findings(
        verdict=UNKNOWN,
        base=base,
        end=max((place.end for place in _held(facts, places)), default=base),
        records=sum(place.segment.copies[0].newlines for place in data),
        holes=_missing(facts, places, recorded, must_begin) if TILING in checks else (),
        damaged=damaged,
        recorded_gaps=recorded,
        unreadable=_unreadable(facts),
        seals=len(seals),
        signed=sum(seal.signed for seal in seals),
        broken=sum(damage.what == "chain-broken" for damage in damaged),
        segments=len(data),
        checked_bytes=sum(place.segment.copies[0].covered for place, _ in sealed) if INTEGRITY in checks else 0,
        unsealed_bytes=sum(place.end - place.segment.base for place in data if place.seal is None),
        first_time=next((seal.first_time for _, seal in sealed if seal.first_time), None),
        last_time=next((seal.last_time for _, seal in reversed(sealed) if seal.last_time), None),
        repeated=len(facts.repeats),
        dead_letters=sum(count for _, count in facts.dead_letters),
        proven=None if signatures is None else signatures.proven,
        notices=tuple(check_seal_times(facts)) if INTEGRITY in checks else (),
        checks=checks,
        last_seen=last_seen(facts),
        seal_marks=tuple(_marks(facts)),
    )
    return replace(findings, verdict=_verdict(findings, accept_recorded=accept_recorded))
