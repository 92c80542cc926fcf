"""The seals that came with copies, and those that were given to judge them by. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from standpipe.evidence.damage import Damage
from standpipe.evidence.journal_facts import IdleSealFacts, JournalFacts, SegmentFacts
from standpipe.evidence.seal_facts import seal_facts
from standpipe.journal.layout import SEGMENT_NUMBER
from standpipe.journal.seal import Seal, is_canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from standpipe.evidence.copy_line import CopiedSeal
    from standpipe.evidence.journal_facts import GapFacts, SealFacts

DELIVERED = "a delivered seal"

SIGNATURE = "signature"  # the last key of a seal
_NAMES = ("format", *(name for name in Seal.__dataclass_fields__ if name != SIGNATURE))
_ORDER = {name: place for place, name in enumerate(_NAMES)} | {SIGNATURE: len(_NAMES) + 1}


def canonical(body: bytes) -> bytes:
    """Return a seal's object in the form of the seal file, where another JSON writer had it in between.

    Raises ValueError where it is no object.
    """
    entry = json.loads(body, parse_float=_whole)
    if not isinstance(entry, dict):
        msg = "a seal is an object"
        raise ValueError(msg)  # noqa: TRY004 - as json does it: one error for all that is no seal
    gaps = entry.get("gaps")
    if isinstance(gaps, list):
        entry["gaps"] = [_ordered(gap, ("kind", "offset", "length", "time")) for gap in gaps]
    if "signing_key" in entry:
        entry["signing_key"] = _ordered(entry["signing_key"], ("public", "endorsement"))
    ordered = sorted(entry.items(), key=lambda member: _ORDER.get(member[0], len(_NAMES)))
    return json.dumps(dict(ordered), separators=(",", ":")).encode("ascii") + b"\n"


def _whole(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _ordered(value: object, names: tuple[str, ...]) -> object:
    if not isinstance(value, dict):
        return value
    return {name: value[name] for name in names if name in value} | value


def place_of(seal: SealFacts) -> tuple[int, int]:
    """Return a seal's place in the chain: the idle seals at an offset, then that of the segment which begins there."""
    return seal.base, SEGMENT_NUMBER if seal.idle is None else seal.idle


@dataclass(slots=True)
class JournalSeals:
    """The seals of one journal, those that were given first."""

    given: dict[tuple[int, int], SealFacts] = field(default_factory=dict)
    delivered: dict[str, SealFacts] = field(default_factory=dict)  # by digest: a copy of one is the same one

    def ordered(self) -> list[SealFacts]:
        """Return one seal for each place, in order: a given one where there are several."""
        chosen = dict(self.given)
        for seal in self.delivered.values():
            chosen.setdefault(place_of(seal), seal)
        return [chosen[place] for place in sorted(chosen)]

    @property
    def expects_records(self) -> bool:
        """Tell whether records of the journal must be here.

        Delivered seals alone may all be of one end: idle ones, and that of a segment whose records came before the
        window that was exported.
        """
        return bool(self.given) or len({seal.end for seal in self.delivered.values()}) > 1

    def facts(self, journal: str, recorded: Iterable[GapFacts]) -> JournalFacts:
        """Return the seals as those of a journal of which nothing else is known."""
        ordered = self.ordered()
        return JournalFacts(
            journal,
            None,
            tuple(SegmentFacts(seal.base, seal=seal) for seal in ordered if seal.idle is None),
            recorded=tuple(recorded),
            idle_seals=tuple(IdleSealFacts(seal.base, seal.idle, seal) for seal in ordered if seal.idle is not None),
        )

    def damaged(self) -> list[Damage]:
        """Return what is wrong with the seals themselves."""
        found = []
        seen: dict[tuple[int, int], SealFacts] = {}
        for seal in self.delivered.values():
            place = place_of(seal)
            if place in self.given and self.given[place].digest != seal.digest:
                detail = f"it is not {self.given[place].file}, which was given"
                found.append(Damage("seal-altered", seal.file, seal.base, seal.end, detail))
            elif place in seen:
                detail = f"it differs from {seen[place].file}"
                found.append(Damage("seal-conflict", seal.file, seal.base, seal.end, detail))
            seen.setdefault(place, seal)
        return found + [
            Damage("chain-broken", later.file, later.base, later.end, f"it does not link to {earlier.file}")
            for earlier, later in pairwise(self.ordered())
            if later.previous != earlier.digest and later.base <= earlier.end
        ]


class SealCollector:
    """Takes delivered seals, whole or in parts, of all journals."""

    def __init__(self) -> None:
        """Begin without any."""
        self.journals: dict[str, JournalSeals] = {}
        self.damaged: dict[str, list[Damage]] = {}
        self._parts: dict[tuple[str, int, int, int], dict[int, bytes]] = {}

    def give(self, seal: SealFacts) -> None:
        """Take a seal that copies are to be judged by."""
        self.journals.setdefault(seal.journal_id, JournalSeals()).given.setdefault(place_of(seal), seal)

    def take(self, seal: CopiedSeal, place: str) -> None:
        """Take one from a copy. place: which file and line."""
        if seal.count > 1:
            parts = self._parts.setdefault((seal.journal, seal.offset, seal.length, seal.count), {})
            parts[seal.number] = seal.body
            if len(parts) < seal.count:
                return
            body = b"".join(parts[number] for number in sorted(parts))
        else:
            body = seal.body
        try:
            data = body + b"\n"
            if seal.reencoded or not is_canonical(data):
                data = canonical(body)
        except (ValueError, RecursionError) as error:
            self._damage(seal, "seal-unreadable", place, str(error))
            return
        facts = seal_facts(f"{DELIVERED}, {place}", data)
        if facts.problem:
            self._damage(seal, "seal-unreadable", place, facts.problem)
        elif (facts.journal_id, facts.base, facts.end) != (seal.journal, seal.offset, seal.offset + seal.length):
            self._damage(seal, "seal-misplaced", place, f"it is the seal of {facts.base:,} to {facts.end:,}")
        else:
            self.journals.setdefault(seal.journal, JournalSeals()).delivered.setdefault(facts.digest, facts)

    def _damage(self, seal: CopiedSeal, what: str, place: str, detail: str) -> None:
        damage = Damage(what, f"{DELIVERED}, {place}", seal.offset, seal.offset + seal.length, detail)
        self.damaged.setdefault(seal.journal, []).append(damage)
