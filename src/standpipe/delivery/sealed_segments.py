"""Which sealed segment an archive takes next, found by one look at ``segments/``.

keep seals segments in order, so a segment that holds data and has no seal yet ends the search: what comes after it
waits for it. A seal that outlived its data is passed over; what was in it is gone; a later seal names it as dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.layout import (
    COMPRESSED_SUFFIX,
    SEAL_SUFFIX,
    SEGMENT_NUMBER,
    SEGMENT_SUFFIX,
    Layout,
    parse_seal_file_name,
)
from standpipe.journal.listing import read_listing
from standpipe.journal.seal_store import parse_seal_at, read_seal_bytes
from standpipe.journal.segments import group_by_base
from standpipe.sinks.base import SealedSegment

if TYPE_CHECKING:
    from collections.abc import Collection

ATTEMPTS_MAX = 8  # retention may delete under our eyes; each time the next look shows a later segment


@dataclass(frozen=True, slots=True)
class MissingSeal:
    """A segment [base, end) of which the seal has gone: a later one has its own, so this one will never get one."""

    base: int
    end: int


def next_sealed(
    layout: Layout, offset: int, *, done_base: int | None = None, idle: int = 0
) -> SealedSegment | MissingSeal | None:
    """Return the first sealed segment or idle seal that the offset has not passed; None where there is none yet.

    done_base: the base of the segment that was taken last. A segment without bytes (the tail at a power loss may be
    one) ends where it begins, and would be found again at the same offset. idle: the number of the idle seal that was
    taken last at the offset.

    Raises OSError, and JournalError where the seal is damaged.
    """
    for _ in range(ATTEMPTS_MAX):
        try:
            return _search(layout, offset, done_base, idle)
        except FileNotFoundError:
            continue
    raise JournalError(f"{layout.segments} changes too fast to be read", "Try again")


def _search(layout: Layout, offset: int, done_base: int | None, idle: int) -> SealedSegment | MissingSeal | None:
    """Look once. Raises FileNotFoundError where retention was faster."""
    files, _ = read_listing(layout, {})
    found = group_by_base((name, size, mode) for name, (size, mode) in files.items())
    held = sorted(base for base, parts in found.items() if SEGMENT_SUFFIX in parts or COMPRESSED_SUFFIX in parts)
    seals = sorted(filter(None, map(parse_seal_file_name, files)))
    newest = seals[-1] if seals else (-1, 0)
    places = [place for place in seals if place[1] != SEGMENT_NUMBER and place > (offset, idle)]
    places += [(base, SEGMENT_NUMBER) for base in _candidates(held, offset) if base != done_base]
    for base, number in sorted(places):
        if number != SEGMENT_NUMBER:
            return _idle_seal(layout, base, number)
        if SEAL_SUFFIX not in found[base]:
            end = next((later for later in held if later > base), base)
            if (base, number) > newest:
                return None
            if end <= offset:
                continue  # it was stored long ago
            return MissingSeal(base, end)
        segment = _segment(layout, base, found[base])
        if segment.end > offset or base >= offset:
            return segment
    return None


def _candidates(held: list[int], offset: int) -> list[int]:
    """Return the base at or before the offset that is nearest to it, and all after it."""
    before = [base for base in held if base < offset]
    return before[-1:] + [base for base in held if base >= offset]


def _idle_seal(layout: Layout, base: int, number: int) -> SealedSegment:
    data = read_seal_bytes(layout, base, number)
    parse_seal_at(data, base, number)
    path = layout.seal(base, number)
    return SealedSegment(base=base, end=base, seal=data, first_time="", path=path, compressed=False, idle=number)


def _segment(layout: Layout, base: int, parts: Collection[str]) -> SealedSegment:
    data = read_seal_bytes(layout, base)
    seal = parse_seal_at(data, base)
    compressed = SEGMENT_SUFFIX not in parts  # where both are there, the raw one is read
    return SealedSegment(
        base=base,
        end=seal.end,
        seal=data,
        first_time=seal.first_time or "",
        path=layout.segment(base, COMPRESSED_SUFFIX if compressed else SEGMENT_SUFFIX),
        compressed=compressed,
    )
