"""Do the records of a copy make up the bytes that were sealed? Pure; records in the order of their offsets.

A segment is proven where every byte of it is there and the SHA-256 of them is its seal's. Where two copies of a record
differ, both are tried: the seal then says which one is right. Where bytes cannot be had (fields were cut out, another
JSON writer was on the way, records were filtered), nothing is concluded, and the reason is told.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from standpipe.evidence.journal_facts import SealFacts

PROVEN, ALTERED, UNPROVEN, ABSENT = "proven", "altered", "unproven", "absent"
TRIALS_MAX = 32  # digests side by side: five records of one segment that have two versions each

NOT_WHOLE = "not all of its records are here"
ENCODED_ANEW = "its records were encoded anew on the way"


@dataclass(frozen=True, slots=True)
class Proof:
    """What copies say of one sealed segment. chosen: which version was right, by offset, where there were several."""

    base: int
    end: int
    state: str
    reason: str = ""
    chosen: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class _Trial:
    """The digest of one choice of versions."""

    hasher: hashlib._Hash
    chosen: tuple[tuple[int, int], ...] = ()

    def with_version(self, offset: int, version: int, data: bytes, *, told: bool) -> _Trial:
        hasher = self.hasher.copy()
        hasher.update(data)
        return _Trial(hasher, (*self.chosen, (offset, version)) if told else self.chosen)


@dataclass(slots=True)
class _Open:
    """The segment whose bytes are coming in."""

    seal: SealFacts
    position: int
    trials: list[_Trial] = field(default_factory=lambda: [_Trial(hashlib.sha256())])
    reason: str = ""
    restored: bool = False

    def fail(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.trials = []


class SegmentProofs:
    """The sealed segments of one journal against the records that come by."""

    def __init__(self, seals: Sequence[SealFacts]) -> None:
        """seals: of one journal, in the order of their bases."""
        self._seals = [seal for seal in seals if seal.end > seal.base]
        self._next = 0
        self._open: _Open | None = None

    def take(
        self, offset: int, length: int, versions: Sequence[bytes], reason: str = "", *, restored: bool = False
    ) -> Iterator[Proof]:
        """Take the next record; yield what is known of the segments before it.

        versions: its bytes, each of `length`; none where they cannot be had, for a reason. restored: they were brought
        back into Vault's form, so that a digest that is another one proves nothing.
        """
        end = offset + length
        while True:
            yield from self._close_before(offset)
            current = self._current(end)
            if current is None:
                return
            self._feed(current, offset, end, versions, reason, restored=restored)
            if current.seal.end > end:
                return
            offset_of_rest = current.seal.end
            yield self._close()
            if offset_of_rest >= end:
                return
            versions = [data[offset_of_rest - offset :] for data in versions]
            offset = offset_of_rest

    def finish(self) -> Iterator[Proof]:
        """Yield what is known of the segments that are left."""
        if self._open is not None:
            yield self._close()
        for seal in self._seals[self._next :]:
            yield Proof(seal.base, seal.end, ABSENT)
        self._next = len(self._seals)

    def _close_before(self, offset: int) -> Iterator[Proof]:
        if self._open is not None and self._open.seal.end <= offset:
            yield self._close()
        while self._open is None and self._next < len(self._seals) and self._seals[self._next].end <= offset:
            seal = self._seals[self._next]
            self._next += 1
            yield Proof(seal.base, seal.end, ABSENT)

    def _current(self, end: int) -> _Open | None:
        """Return the segment that the record up to end reaches, if any."""
        if self._open is None and self._next < len(self._seals) and self._seals[self._next].base < end:
            seal = self._seals[self._next]
            self._next += 1
            self._open = _Open(seal, seal.base)
        return self._open

    @staticmethod
    def _feed(current: _Open, offset: int, end: int, versions: Sequence[bytes], reason: str, *, restored: bool) -> None:
        start, stop = max(offset, current.seal.base), min(end, current.seal.end)
        if start != current.position:
            current.fail(NOT_WHOLE)
        current.position = stop
        if not versions:
            current.fail(reason)
        if not current.trials:
            return
        current.restored = current.restored or restored
        cuts = [data[start - offset : stop - offset] for data in versions]
        if len(cuts) == 1:
            for trial in current.trials:
                trial.hasher.update(cuts[0])
            return
        current.trials = [
            trial.with_version(offset, version, data, told=True)
            for trial in current.trials
            for version, data in enumerate(cuts)
        ][:TRIALS_MAX]

    def _close(self) -> Proof:
        current = self._open
        assert current is not None  # noqa: S101
        self._open = None
        seal = current.seal
        if current.position != seal.end:
            current.fail(NOT_WHOLE)
        if current.reason:
            return Proof(seal.base, seal.end, UNPROVEN, current.reason)
        for trial in current.trials:
            if trial.hasher.hexdigest() == seal.sha256:
                return Proof(seal.base, seal.end, PROVEN, chosen=trial.chosen)
        if current.restored:
            return Proof(seal.base, seal.end, UNPROVEN, ENCODED_ANEW)
        return Proof(seal.base, seal.end, ALTERED)
