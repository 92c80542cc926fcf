"""Is anything missing from the copies of one journal, or altered? Records in, in the order of their offsets. Pure.

Three checks, each on its own: the records tile (evidence.tiling), their bytes are the ones that were sealed
(evidence.copy_integrity), each request has its response (evidence.pairing, by the caller). What copies cannot show is
in docs/verify-copies.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from standpipe.evidence.checks import ALL_CHECKS, INTEGRITY, TILING
from standpipe.evidence.copy_entry import DROPPED, MALFORMED, REENCODED
from standpipe.evidence.copy_integrity import (
    ALTERED,
    ENCODED_ANEW,
    PROVEN,
    UNPROVEN,
    Proof,
    SegmentProofs,
)
from standpipe.evidence.damage import Damage
from standpipe.evidence.intervals import Interval, subtract
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN
from standpipe.evidence.recorded_gaps import NOT_LOST
from standpipe.evidence.tiling import Ranges, Tiling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from standpipe.evidence.copy_versions import Record
    from standpipe.evidence.journal_facts import SealFacts
    from standpipe.evidence.recorded_gaps import RecordedGap

DAMAGES_KEPT = 100_000  # of one journal; beyond, they are counted
FEW_OF = 100
"""Where fewer than one in so many of the copies that should have the journal's bytes have another length, those are
altered; where more have, something on the way writes JSON anew."""
FEW_COPIES, SMALL_PART_OF = 10, 4
"""So few, and no more than this part of them, are altered as well: of 50 copies one is more than one in a hundred."""

WITHHELD = "fields were cut out for this destination"
OTHER_LENGTH = "its records have not the length that they had: Vault's prefix (--prefix), or encoded anew on the way"


@dataclass(frozen=True, slots=True)
class CopiesFindings:
    """What the copies of one journal prove. Offsets are the journal's.

    base, end       what the copies span
    records         different ones; copies: all of them, repeats and parts included
    repeats         where the repeated ones stand; neighbours are one range
    filtered        ranges that the sink left out, with their number and bytes
    undecided       the range before the last seal's end, where nothing shows whether its records were left out or lost
    starts_inside   a record before base was sent to this destination, and is not here
    proven, unproven  sealed segments whose digest is right; those of which nothing can be said, by reason
    """

    journal: str
    verdict: str
    base: int
    end: int
    records: int
    copies: int
    repeated: int
    repeats: tuple[Interval, ...]
    torn: int
    holes: tuple[Interval, ...]
    holes_count: int
    holes_bytes: int
    damaged: tuple[Damage, ...]
    damaged_count: int
    recorded_gaps: tuple[RecordedGap, ...]
    filtered_count: int
    filtered_bytes: int
    undecided: Interval | None
    starts_inside: bool
    seals: int
    signed: int
    notices: tuple[Damage, ...]
    vouched: int | None
    broken: int
    proven: int
    proven_bytes: int
    unproven: tuple[tuple[str, int], ...]
    absent: int
    unsealed_bytes: int

    @property
    def without_signed_seal(self) -> bool:
        """A key was given and there is no seal at all: taking all of them out must not pass for their being good."""
        return self.vouched is not None and not self.seals


@dataclass(slots=True)
class Reference:
    """What the copies of one journal are judged by.

    seals: in order. first, last: where the copies must begin and end; None: nobody says so. sealed_from: where the
    seals begin that were given, and with them the copies, if they do not begin earlier. recorded: gaps on record.
    notices: what is odd and no damage.
    vouched: seals that a trusted key signed, None where no key was given. proven: addresses that raw copies prove.
    """

    seals: Sequence[SealFacts] = ()
    damaged: Sequence[Damage] = ()
    recorded: Sequence[RecordedGap] = ()
    first: int | None = None
    last: int | None = None
    sealed_from: int | None = None
    notices: tuple[Damage, ...] = ()
    vouched: int | None = None
    checks: frozenset[str] = ALL_CHECKS
    proven: Sequence[Interval] = ()


@dataclass(slots=True)
class _Damages:
    kept: list[Damage] = field(default_factory=list)
    count: int = 0

    def add(self, damage: Damage) -> None:
        self.count += 1
        if len(self.kept) < DAMAGES_KEPT:
            self.kept.append(damage)


class CopiesCheck:
    """Takes the records of one journal and judges them."""

    def __init__(self, journal: str, reference: Reference, place: Callable[[int, int], str]) -> None:
        """place: names an input's line, by their numbers."""
        self._journal = journal
        self._reference = reference
        self._place = place
        self._tiling = Tiling(reference.first)
        self._proofs = SegmentProofs(reference.seals if INTEGRITY in reference.checks else ())
        self._damages = _Damages()
        self._other_length = _Damages()
        self._conflicts: dict[int, tuple[int, list[str]]] = {}  # of the open segment: end, places of the versions
        self._results: list[Proof] = []
        self._records = self._copies = self._repeated = self._torn = self._textual = 0
        self._repeats = Ranges()
        for damage in reference.damaged if INTEGRITY in reference.checks else ():
            self._damages.add(damage)

    def take(self, record: Record) -> None:
        """Take the next record."""
        self._copies += record.copies
        self._repeated += record.repeated
        if record.repeated:
            self._repeats.add(record.offset, record.end)
        first, last = self._reference.first, self._reference.last
        if (first is not None and record.end <= first) or (last is not None and record.offset >= last):
            return  # nobody asked for it
        if not self._records and first is None and self._reference.sealed_from is not None:
            self._tiling = Tiling(min(self._reference.sealed_from, record.offset))
        self._records += 1
        self._torn += record.torn
        self._tiling.take(record.offset, record.end, record.after, record.other_afters)
        raws = record.raws
        self._note_faults(record, raws)
        reason = "" if raws else self._why_not(record)
        restored = any(version.restored for version in record.versions)
        self._conclude(self._proofs.take(record.offset, record.length, raws, reason, restored=restored))

    def _note_faults(self, record: Record, raws: Sequence[bytes]) -> None:
        first = record.first
        assert first is not None  # noqa: S101
        where = self._place(first.source, first.line)
        if record.missing_parts:
            self._damage("part-missing", where, record, record.missing_parts)
            return
        best = record.versions[0]
        plain = not best.entry.flags & (DROPPED | REENCODED)
        self._textual += plain
        if len(record.versions) > 1 or record.lengths_differ:
            places = [self._place(version.entry.source, version.entry.line) for version in record.versions]
            self._conflicts[record.offset] = (record.end, places)
            if best.raw is None or len(raws) != len(record.versions):
                self._tell_conflict(record.offset, None)
        if best.entry.flags & MALFORMED:
            self._damage("malformed", where, record, "its length is right, and it is no JSON object")
        elif plain and best.raw is None:
            detail = f"{record.length:,} bytes in the journal, and {len(best.body) + 1:,} here"
            self._other_length.add(Damage("altered", where, record.offset, record.end, detail))

    def _damage(self, what: str, where: str, record: Record, detail: str) -> None:
        self._damages.add(Damage(what, where, record.offset, record.end, detail))

    @staticmethod
    def _why_not(record: Record) -> str:
        if not record.versions:
            return "parts of a record are missing"
        flags = record.versions[0].entry.flags
        if flags & DROPPED:
            return WITHHELD
        return ENCODED_ANEW if flags & REENCODED else OTHER_LENGTH

    def _conclude(self, proofs: Iterable[Proof]) -> None:
        for proof in proofs:
            self._results.append(proof)
            chosen = dict(proof.chosen)
            for offset in [offset for offset in self._conflicts if offset < proof.end]:
                self._tell_conflict(offset, chosen.get(offset))
            if proof.state == ALTERED:
                detail = "every record is here, and the bytes do not have the digest that was sealed"
                self._damages.add(Damage("altered", "the copies", proof.base, proof.end, detail))

    def _tell_conflict(self, offset: int, chosen: int | None) -> None:
        if offset not in self._conflicts:
            return
        end, places = self._conflicts.pop(offset)
        if chosen is None or chosen >= len(places):
            detail = "its copies differ: " + "; ".join(places[:3])
            file = places[0] if places else "the copies"
        else:
            wrong = [place for number, place in enumerate(places) if number != chosen]
            detail, file = f"its copies differ, and the one in {places[chosen]} is what was sealed", wrong[0]
        self._damages.add(Damage("conflict", file, offset, end, detail))

    def finish(self, *, accept_recorded: bool = False) -> CopiesFindings:
        """Return what was found."""
        self._conclude(self._proofs.finish())
        for offset in list(self._conflicts):
            self._tell_conflict(offset, None)
        for start, end in self._tiling.overlaps.kept if TILING in self._reference.checks else ():
            self._damages.add(Damage("overlap", "the copies", start, end, "two records claim these addresses"))
        self._take_other_lengths()
        undecided = self._bound()
        holes = self._holes()
        for start, end in self._without_seal(holes) if INTEGRITY in self._reference.checks else ():
            detail = "there are seals before and after it, and none of it: name their journal or archive with --seals"
            self._damages.add(Damage("seal-missing", "the copies", start, end, detail))
        reference, tiling = self._reference, self._tiling
        seals = reference.seals
        base = tiling.base or 0
        recorded = tuple(gap for gap in reference.recorded if _touches(gap, base, tiling.position))
        findings = CopiesFindings(
            journal=self._journal,
            verdict=UNKNOWN,
            base=base,
            end=tiling.position,
            records=self._records,
            copies=self._copies,
            repeated=self._repeated,
            repeats=tuple(self._repeats.kept),
            torn=self._torn,
            holes=tuple(holes.kept),
            holes_count=holes.count,
            holes_bytes=holes.size,
            damaged=tuple(sorted(self._damages.kept, key=lambda d: (d.start, d.end, d.what, d.file))),
            damaged_count=self._damages.count,
            recorded_gaps=recorded,
            filtered_count=tiling.filtered.count,
            filtered_bytes=tiling.filtered.size,
            undecided=undecided,
            starts_inside=bool(tiling.first_after) and tiling.first_after == tiling.base,
            seals=len(seals),
            signed=sum(seal.signed for seal in seals),
            notices=reference.notices,
            vouched=reference.vouched,
            broken=sum(damage.what == "chain-broken" for damage in reference.damaged),
            proven=sum(proof.state == PROVEN for proof in self._results),
            proven_bytes=sum(proof.end - proof.base for proof in self._results if proof.state == PROVEN),
            unproven=self._unproven(),
            absent=sum(proof.state == "absent" for proof in self._results),
            unsealed_bytes=max(0, tiling.position - max([base, *(seal.end for seal in seals)])),
        )
        return replace(findings, verdict=judge(findings, accept_recorded=accept_recorded))

    def _take_other_lengths(self) -> None:
        """Call the few records that have another length altered."""
        count = self._other_length.count
        few = count <= FEW_COPIES and count * SMALL_PART_OF <= self._textual
        if count * FEW_OF > self._textual and not few:
            return
        for damage in self._other_length.kept:
            self._damages.add(damage)

    def _bound(self) -> Interval | None:
        """Apply the right-hand bound; return what cannot be decided."""
        bound = self._reference.last
        if bound is None:
            bound = max((seal.end for seal in self._reference.seals), default=0)
        return self._tiling.end_at(bound)

    def _holes(self) -> Ranges:
        explained = [addresses for gap in self._reference.recorded if (addresses := gap.explains()) is not None]
        explained += self._reference.proven
        if TILING not in self._reference.checks:
            return Ranges()
        found = self._tiling.holes
        if not explained:
            return found
        left = Ranges()
        for hole in found.kept:
            for start, end in subtract(hole, explained):
                left.add(start, end)
        left.count += found.count - len(found.kept)
        return left

    def _without_seal(self, holes: Ranges) -> Iterator[Interval]:
        """Yield the addresses between seals that no seal covers: somebody took one out, and with it the proof."""
        explained = [addresses for gap in self._reference.recorded if (addresses := gap.explains()) is not None]
        explained += [(holes.kept[0][0], holes.kept[-1][1])] if holes.count > len(holes.kept) else holes.kept
        here = (self._tiling.base or 0, self._tiling.position)
        for earlier, later in pairwise(self._reference.seals):
            between = (max(earlier.end, here[0]), min(later.base, here[1]))
            if between[0] < between[1]:
                yield from subtract(between, explained)

    def _unproven(self) -> tuple[tuple[str, int], ...]:
        counted: dict[str, int] = {}
        for proof in self._results:
            if proof.state == UNPROVEN:
                counted[proof.reason] = counted.get(proof.reason, 0) + 1
        return tuple(sorted(counted.items()))


def _touches(gap: RecordedGap, base: int, end: int) -> bool:
    if gap.start is None:
        return True
    return gap.start <= end and (gap.end if gap.end is not None else gap.start) >= base


def judge(findings: CopiesFindings, *, accept_recorded: bool) -> str:
    """Return the verdict that findings come to."""
    lost_on_record = any(gap.lost != NOT_LOST for gap in findings.recorded_gaps)
    if findings.holes_count or findings.damaged_count or (lost_on_record and not accept_recorded):
        return INCOMPLETE
    if findings.without_signed_seal:
        return UNKNOWN
    return COMPLETE if findings.records else UNKNOWN
