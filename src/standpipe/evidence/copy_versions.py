"""All copies of one record: what its bytes are, whether copies differ, and which parts are missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from standpipe.evidence.copy_entry import DROPPED, INEXACT, MALFORMED, RESTORED, TORN, Entry, raw_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MEMBERS = ("time", "type", "auth", "request", "response", "error", "forwarded", "forwarded_from")
"""Of a record, by which two copies of different form are compared: shippers put members of their own beside these."""

VERSIONS_MAX = 64
"""Different copies of one record, or part of one, that are compared: each with each. One more is a conflict as well."""


@dataclass(slots=True)
class Version:
    """One form of a record's bytes. raw: the journal's bytes, None where the copy cannot give them."""

    entry: Entry
    body: bytes
    raw: bytes | None
    restored: bool = False


@dataclass(slots=True)
class Record:
    """One record, by all of its copies."""

    offset: int
    length: int
    after: int
    other_afters: tuple[int, ...]
    """What copies for other destinations say: smaller ones, for these filter more."""
    versions: list[Version]
    """At least one, unless parts are missing; the surest first."""
    copies: int
    repeated: int
    missing_parts: str = ""
    first: Entry | None = None
    lengths_differ: bool = False

    @property
    def end(self) -> int:
        """Return the offset after it."""
        return self.offset + self.length

    @property
    def raws(self) -> list[bytes]:
        """Return the possible bytes of the record."""
        raws = (version.raw for version in self.versions)
        return [raw for raw in raws if raw is not None and len(raw) == self.length]

    @property
    def torn(self) -> bool:
        """Tell whether it was torn."""
        return bool(self.first and self.first.flags & TORN)


def distinct(entries: Iterable[Entry]) -> tuple[list[Entry], int]:
    """Return the copies of a record without those that say the same as an earlier one, and how many these are.

    Whoever sends a record a million times makes no million copies in memory.
    """
    iterator = iter(entries)
    kept = [next(iterator)]
    known: set[tuple[object, ...]] = set()
    seen_of: dict[tuple[int, int], int] = {}
    left_out = 0
    for entry in iterator:
        if not known:
            known.add(_said(kept[0]))
            seen_of[(kept[0].parts, kept[0].number)] = 1
        said, part = _said(entry), (entry.parts, entry.number)
        if said in known or seen_of.get(part, 0) >= VERSIONS_MAX:
            left_out += 1
            continue
        known.add(said)
        seen_of[part] = seen_of.get(part, 0) + 1
        kept.append(entry)
    return kept, left_out


def _said(entry: Entry) -> tuple[object, ...]:
    return entry.parts, entry.number, entry.rank, entry.length, entry.after, entry.flags, entry.body


def combine(entries: Sequence[Entry], prefix: bytes, left_out: int = 0) -> Record:
    """Return the record of which these are all copies, in their sorted order. left_out: more that say the same."""
    first = entries[0]
    if len(entries) == 1 and first.parts == 1:  # nearly all are, so this is what counts for speed
        version = _whole(first, prefix)
        return Record(first.offset, first.length, first.after, (), [version], 1 + left_out, left_out, "", first)
    lengths = {entry.length for entry in entries}
    length = first.length
    afters = sorted({entry.after for entry in entries})
    versions: list[Version] = []
    repeated = left_out
    by_count: dict[int, list[Entry]] = {}
    for entry in entries:
        by_count.setdefault(entry.parts, []).append(entry)
    missing = ""
    for count, copies in sorted(by_count.items()):
        repeated += len(copies) - len({entry.number for entry in copies})
        if count == 1:
            for entry in copies:
                _add(versions, _whole(entry, prefix))
            continue
        numbers = {entry.number for entry in copies}
        if len(numbers) < count:
            missing = missing or f"{len(numbers):,} of {count:,} parts are here, not {_absent(numbers, count)}"
            continue
        for entry, body in _joined(copies, count):
            raw = raw_bytes(body, entry.length, prefix, torn=bool(entry.flags & TORN))
            _add(versions, Version(entry, body, None if entry.flags & DROPPED else raw))
    return Record(
        first.offset,
        length,
        afters[-1],
        tuple(afters[:-1]),
        versions,
        len(entries) + left_out,
        repeated,
        "" if versions else missing,
        first,
        len(lengths) > 1,
    )


def _whole(entry: Entry, prefix: bytes) -> Version:
    raw = None
    if entry.rank != INEXACT:
        raw = raw_bytes(entry.body, entry.length, prefix, torn=bool(entry.flags & TORN))
    return Version(entry, entry.body, raw, restored=entry.rank == RESTORED)


def _absent(numbers: set[int], count: int) -> str:
    absent = [str(number) for number in range(1, min(count, 1000) + 1) if number not in numbers]
    return ", ".join(absent[:5]) + (" …" if len(absent) > 5 else "")  # noqa: PLR2004 - a few say where to look


def _joined(copies: Sequence[Entry], count: int) -> Iterable[tuple[Entry, bytes]]:
    """Yield the record of the first copies of all parts; and each that one differing part makes."""
    by_number: dict[int, list[Entry]] = {}
    for entry in copies:
        others = by_number.setdefault(entry.number, [])
        if all(entry.body != other.body for other in others):
            others.append(entry)
    chosen = [by_number[number][0] for number in range(1, count + 1)]
    yield chosen[0], b"".join(entry.body for entry in chosen)
    for number, others in sorted(by_number.items()):
        for other in others[1:]:
            changed = [*chosen[: number - 1], other, *chosen[number:]]
            yield other, b"".join(entry.body for entry in changed)


def _add(versions: list[Version], version: Version) -> None:
    """Note a version, unless one that is there says the same."""
    for known in versions:
        if _same(known, version):
            return
    versions.append(version)


def _same(one: Version, other: Version) -> bool:
    if one.entry.length != other.entry.length:
        return False
    if one.body == other.body:
        return True
    if one.entry.flags & DROPPED or other.entry.flags & DROPPED:
        return True  # what was cut out cannot be compared
    if one.raw is not None and other.raw is not None and not one.restored and not other.restored:
        return one.raw == other.raw
    if (one.entry.flags | other.entry.flags) & (TORN | MALFORMED):
        return False
    return essence(one.body) == essence(other.body)


def essence(body: bytes) -> object:
    """Return what a record says, apart from how it is written."""
    try:
        members = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return body
    if not isinstance(members, dict):
        return members
    return {name: members[name] for name in MEMBERS if name in members}
