"""Raw copies, lines as Vault wrote them with no envelope, matched to the digests of seals. Pure; in bounded memory.

Nothing in a raw line says where it belongs. So a segment is sought where its first record's time is, or where the
segment before it ended, and its bytes must have the sealed digest. Delivery may have repeated lines, or left the
beginning of one that a crash cut (docs/sinks/stdout.md); a collector may have put lines of its own in between. So the
digest is tried with all lines, without repeated ones, without lines that are no records, and without either.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from standpipe.evidence.intervals import Interval
    from standpipe.evidence.journal_facts import SealFacts

REMEMBERED_LINES = 500_000  # to know a repeated one: two segments of usual records; about 60 MB
ATTEMPTS_MAX = 8  # segments that are tried at once: a time is hardly ever that of two records
WITHOUT_REPEATS, WITHOUT_OTHERS = 1, 2
POLICIES = (0, WITHOUT_REPEATS, WITHOUT_OTHERS, WITHOUT_REPEATS | WITHOUT_OTHERS)

SECOND_CHARACTERS, FRACTION_DIGITS = 19, 9  # of an RFC 3339 time as Go writes it


class _Facts(msgspec.Struct, gc=False):
    time: str | None = None
    type: str | None = None


_facts = msgspec.json.Decoder(_Facts).decode


def time_key(text: str | None) -> str:
    """Return a UTC time as text that sorts; "" for what is none. Go leaves the zeros at a fraction's end out."""
    if not text or not text.endswith("Z"):
        return ""
    return text[:SECOND_CHARACTERS] + "." + text[SECOND_CHARACTERS + 1 : -1].ljust(FRACTION_DIGITS, "0")


def raw_time(line: bytes) -> str | None:
    """Return the time of a line that is an audit record; None for any other line."""
    start = line.find(b"{")
    if start < 0:
        return None
    try:
        facts = _facts(line[start:])
    except (msgspec.MsgspecError, RecursionError):
        return None
    return facts.time if facts.type else None


@dataclass(slots=True)
class _Trial:
    """One digest, for the policies that took the same lines so far."""

    policies: tuple[int, ...]
    hasher: hashlib._Hash
    size: int = 0


@dataclass(slots=True)
class _Attempt:
    """One segment that may be coming in."""

    seal: SealFacts
    trials: list[_Trial]

    def feed(self, data: bytes, dropped_by: int) -> bytes | None:
        """Take a line. dropped_by: policies with these bits leave it out. Return what is behind a segment that fits."""
        length = self.seal.end - self.seal.base
        if dropped_by:
            self._split(dropped_by)
        for trial in list(self.trials):
            if trial.policies[0] & dropped_by:
                continue
            need = length - trial.size
            trial.hasher.update(data[:need] if need < len(data) else data)
            trial.size += len(data)
            if trial.size < length:
                continue
            if trial.hasher.hexdigest() == self.seal.sha256:
                return data[need:]
            self.trials.remove(trial)
        return None

    def _split(self, dropped_by: int) -> None:
        for trial in list(self.trials):
            leaving = tuple(policy for policy in trial.policies if policy & dropped_by)
            if leaving and len(leaving) < len(trial.policies):
                self.trials.append(_Trial(leaving, trial.hasher.copy(), trial.size))
                trial.policies = tuple(policy for policy in trial.policies if policy not in leaving)


@dataclass(frozen=True, slots=True)
class RawSegment:
    """What raw copies say of one sealed segment. seen: different records here that have a time of its own."""

    seal: SealFacts
    proven: bool
    seen: int


@dataclass(slots=True)
class RawMatch:
    """All raw lines, in the order of the inputs, against the seals that were given."""

    seals: Sequence[SealFacts]
    records: int = 0
    repeated: int = 0
    others: int = 0
    _proven: set[str] = field(default_factory=set)
    _by_time: dict[str, list[SealFacts]] = field(default_factory=dict)
    _by_base: dict[tuple[str, int], SealFacts] = field(default_factory=dict)
    _attempts: list[_Attempt] = field(default_factory=list)
    _known: set[int] = field(default_factory=set)
    _order: deque[int] = field(default_factory=deque)
    _starts: list[tuple[str, int]] = field(default_factory=list)
    _seen: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Look at the seals once."""
        self.seals = sorted(
            (seal for seal in self.seals if seal.end > seal.base), key=lambda seal: (seal.journal_id, seal.base)
        )
        for number, seal in enumerate(self.seals):
            self._by_base[(seal.journal_id, seal.base)] = seal
            if seal.first_time:
                self._by_time.setdefault(seal.first_time, []).append(seal)
                self._starts.append((time_key(seal.first_time), number))
        self._starts.sort()
        self._seen = [0] * len(self.seals)

    def take(self, line: bytes, time: str | None) -> bool:
        """Take a line without its newline, with a record's time, None for no record; return whether it came before."""
        key = hash(line)
        repeated = key in self._known
        if not repeated:
            self._remember(key)
        if time is None:
            self.others += 1
        else:
            self.records += 1
            self.repeated += repeated
            if not repeated:
                self._count(time)
            self._begin(time)
        dropped_by = (WITHOUT_REPEATS if repeated else 0) | (WITHOUT_OTHERS if time is None else 0)
        self._feed(line + b"\n", dropped_by)
        return repeated

    def segments(self) -> list[RawSegment]:
        """Return what was found of every sealed segment."""
        return [
            RawSegment(seal, seal.digest in self._proven, seen)
            for seal, seen in zip(self.seals, self._seen, strict=True)
        ]

    @property
    def unproven(self) -> int:
        """Say how many records are in no segment that was found: not sealed yet, or added."""
        proven = sum(seal.records for seal in self.seals if seal.digest in self._proven)
        return max(0, self.records - self.repeated - proven)

    def _remember(self, key: int) -> None:
        self._known.add(key)
        self._order.append(key)
        if len(self._order) > REMEMBERED_LINES:
            self._known.discard(self._order.popleft())

    def _count(self, time: str) -> None:
        key = time_key(time)
        place = bisect_right(self._starts, (key, len(self.seals)))
        if place:
            number = self._starts[place - 1][1]
            if key <= time_key(self.seals[number].last_time):
                self._seen[number] += 1

    def _begin(self, time: str) -> None:
        for seal in self._by_time.get(time, ()):
            if seal.digest not in self._proven and len(self._attempts) < ATTEMPTS_MAX:
                fresh = all(
                    attempt.seal is not seal or any(trial.size for trial in attempt.trials)
                    for attempt in self._attempts
                )
                if fresh:
                    self._attempts.append(_new_attempt(seal))

    def _feed(self, data: bytes, dropped_by: int) -> None:
        for attempt in list(self._attempts):
            rest = attempt.feed(data, dropped_by)
            if rest is not None:
                self._attempts = [other for other in self._attempts if other.seal is not attempt.seal]
                self._proven.add(attempt.seal.digest)
                self._follow(attempt.seal, rest)
            elif not attempt.trials and attempt in self._attempts:
                self._attempts.remove(attempt)

    def _follow(self, seal: SealFacts, rest: bytes) -> None:
        """Go on with the segment after one that fits. rest: what is left of the line in which it ended."""
        following = self._by_base.get((seal.journal_id, seal.end))
        while following is not None and following.digest not in self._proven:
            attempt = _new_attempt(following)
            left = attempt.feed(rest, 0)
            if left is None:
                self._attempts.append(attempt)
                return
            self._proven.add(following.digest)
            following, rest = self._by_base.get((following.journal_id, following.end)), left


def _new_attempt(seal: SealFacts) -> _Attempt:
    return _Attempt(seal, [_Trial(POLICIES, hashlib.sha256())])


def proven_ranges(segments: Iterable[RawSegment], journal: str) -> list[Interval]:
    """Return the addresses of a journal that raw copies prove."""
    return [
        (found.seal.base, found.seal.end) for found in segments if found.proven and found.seal.journal_id == journal
    ]
