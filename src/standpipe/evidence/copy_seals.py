"""The seals that came with copies, and those that were given to judge them by. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from standpipe.evidence.damage import Damage
from standpipe.evidence.seal_facts import seal_facts
from standpipe.evidence.signatures import check_signatures, linked_runs
from standpipe.journal.seal import Seal, is_canonical

if TYPE_CHECKING:
    from standpipe.evidence.copy_line import CopiedSeal
    from standpipe.evidence.journal_facts import SealFacts
    from standpipe.evidence.signatures import Keys

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


@dataclass(slots=True)
class JournalSeals:
    """The seals of one journal, those that were given first."""

    given: list[SealFacts] = field(default_factory=list)
    delivered: dict[str, SealFacts] = field(default_factory=dict)  # by digest: a copy of one is the same one

    def ordered(self) -> list[SealFacts]:
        """Return one seal for each place, in order: a given one where there are several."""
        chosen: dict[tuple[int, int, str], SealFacts] = {}
        given = {(seal.base, seal.end) for seal in self.given if seal.end > seal.base}
        for seal in self.given:
            chosen.setdefault((seal.base, seal.end, seal.digest), seal)
        for seal in self.delivered.values():
            if (seal.base, seal.end) not in given:
                chosen.setdefault((seal.base, seal.end, seal.digest), seal)
        return _linked(sorted(chosen.values(), key=lambda seal: (seal.base, seal.end)))

    def damaged(self) -> list[Damage]:
        """Return what is wrong with the seals themselves."""
        found = []
        given = {(seal.base, seal.end): seal for seal in self.given if seal.end > seal.base}
        seen: dict[tuple[int, int], SealFacts] = {}
        for seal in self.delivered.values():
            place = (seal.base, seal.end)
            if place in given and given[place].digest != seal.digest:
                detail = f"it is not {given[place].file}, which was given"
                found.append(Damage("seal-altered", seal.file, *place, detail))
            elif seal.end > seal.base and place in seen:
                found.append(Damage("seal-conflict", seal.file, *place, f"it differs from {seen[place].file}"))
            seen.setdefault(place, seal)
        return found + self._broken()

    def _broken(self) -> list[Damage]:
        return [
            Damage("chain-broken", later.file, later.base, later.end, f"it does not link to {earlier.file}")
            for earlier, later in pairwise(self.ordered())
            if later.previous != earlier.digest and later.base <= earlier.end
        ]


def _linked(seals: list[SealFacts]) -> list[SealFacts]:
    """Put the seals of one place (intervals in which nothing arrived) in the order in which they link."""
    ordered: list[SealFacts] = []
    waiting = list(seals)
    while waiting:
        place = (waiting[0].base, waiting[0].end)
        here = [seal for seal in waiting if (seal.base, seal.end) == place]
        waiting = waiting[len(here) :]
        by_link = {seal.previous: seal for seal in here}
        while here:
            following = by_link.pop(ordered[-1].digest, None) if ordered else None
            following = following if following in here else here[0]
            here.remove(following)
            ordered.append(following)
    return ordered


def judge_signatures(seals: list[SealFacts], keys: Keys | None) -> tuple[list[Damage], int | None]:
    """Return what is wrong with the signatures, and how many are a trusted key's; None where no key was given."""
    if keys is None:
        return [], None
    found = check_signatures(linked_runs(seals), keys)
    damages = [
        Damage(fault.what, fault.seal.file, fault.seal.base, fault.seal.end, fault.detail) for fault in found.faults
    ]
    return damages, found.proven


class SealCollector:
    """Takes delivered seals, whole or in parts, of all journals."""

    def __init__(self) -> None:
        """Begin without any."""
        self.journals: dict[str, JournalSeals] = {}
        self.damaged: dict[str, list[Damage]] = {}
        self._parts: dict[tuple[str, int, int, int], dict[int, bytes]] = {}

    def give(self, seal: SealFacts) -> None:
        """Take a seal that copies are to be judged by."""
        self.journals.setdefault(seal.journal_id, JournalSeals()).given.append(seal)

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
