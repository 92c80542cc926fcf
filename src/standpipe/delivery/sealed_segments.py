"""Which sealed segment an archive takes next, found by one look at ``segments/``.

keep seals segments in order, so a segment that holds data and has no seal yet ends the search: what comes after it
waits for it. A seal that outlived its data is passed over; what was in it is gone; a later seal names it as dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.layout import COMPRESSED_SUFFIX, SEAL_SUFFIX, SEGMENT_SUFFIX, Layout, segment_file_name
from standpipe.journal.listing import read_listing
from standpipe.journal.seal import parse_seal
from standpipe.journal.seal_store import read_seal_bytes
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


def next_sealed(layout: Layout, offset: int, *, done_base: int | None = None) -> SealedSegment | MissingSeal | None:
    """Return the first sealed segment that holds the offset or begins at or after it; None where there is none yet.

    done_base: the base of the segment that was taken last. A segment without bytes (the tail at a power loss may be
    one) ends where it begins, and would be found again at the same offset.

    Raises OSError, and JournalError where the seal is damaged.
    """
    for _ in range(ATTEMPTS_MAX):
        try:
            return _search(layout, offset, done_base)
        except FileNotFoundError:
            continue
    raise JournalError(f"{layout.segments} changes too fast to be read", "Try again")


def _search(layout: Layout, offset: int, done_base: int | None) -> SealedSegment | MissingSeal | None:
    """Look once. Raises FileNotFoundError where retention was faster."""
    files, _ = read_listing(layout, {})
    found = group_by_base((name, size, mode) for name, (size, mode) in files.items())
    held = sorted(base for base, parts in found.items() if SEGMENT_SUFFIX in parts or COMPRESSED_SUFFIX in parts)
    newest = max((base for base, parts in found.items() if SEAL_SUFFIX in parts), default=-1)
    for base in _candidates(held, offset):
        if base == done_base:
            continue
        if SEAL_SUFFIX not in found[base]:
            end = next((later for later in held if later > base), base)
            if base >= newest:
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


def _segment(layout: Layout, base: int, parts: Collection[str]) -> SealedSegment:
    data = read_seal_bytes(layout, base)
    name = segment_file_name(base, SEAL_SUFFIX)
    seal = parse_seal(data, name)
    if seal.base != base:
        raise JournalError(f"{name} is the seal of the segment at {seal.base}", "Restore the file from a copy")
    compressed = SEGMENT_SUFFIX not in parts  # where both are there, the raw one is read
    return SealedSegment(
        base=base,
        end=seal.end,
        seal=data,
        first_time=seal.first_time or "",
        path=layout.segment(base, COMPRESSED_SUFFIX if compressed else SEGMENT_SUFFIX),
        compressed=compressed,
    )
