"""Faults that are planted into lines with envelopes, each with what must be said of it. Pure; shares nothing with us.

A line is one of standpipe's: an envelope in front of a record, or a seal. A fault takes the lines and where to plant
(an index of a record), and returns the new lines and the range of journal offsets that must be named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Range = tuple[int, int]
_PLACE = re.compile(rb'"offset":(\d+),"length":(\d+)')
_VALUE = re.compile(rb"hmac-sha256:([0-9a-f])")


def is_seal(line: bytes) -> bool:
    """Say whether a line is a seal."""
    return b'"kind":"seal"' in line[:300]


def range_of(line: bytes) -> Range:
    """Return the addresses that a line is about."""
    found = _PLACE.search(line)
    assert found is not None
    return int(found[1]), int(found[1]) + int(found[2])


def plain_index(lines: Sequence[bytes], share: float) -> int:
    """Return the index of a record that a fault can be planted at, at or after a share of all lines."""
    return next(number for number in range(int(len(lines) * share), len(lines)) if is_plain(lines[number]))


def is_plain(line: bytes) -> bool:
    """Say whether a line is a record with a hashed value in it, so that a byte of it can be changed."""
    return not is_seal(line) and _VALUE.search(line) is not None


def changed(line: bytes) -> bytes:
    """Return a record with one byte changed, in a hashed value: still JSON, and as long."""
    found = _VALUE.search(line)
    assert found is not None
    at = found.start(1)
    return line[:at] + (b"0" if line[at : at + 1] != b"0" else b"1") + line[at + 1 :]


@dataclass(frozen=True)
class Fault:
    """What was planted. ``lost``: the addresses that are gone; ``named``: that something must be said about."""

    lines: list[bytes]
    named: Range
    lost: Range | None = None


def removed(lines: Sequence[bytes], at: int) -> Fault:
    """Take one record out."""
    return Fault([*lines[:at], *lines[at + 1 :]], range_of(lines[at]), range_of(lines[at]))


def duplicated(lines: Sequence[bytes], at: int) -> Fault:
    """Have one record twice, the second time a little later."""
    return Fault([*lines[: at + 3], lines[at], *lines[at + 3 :]], range_of(lines[at]))


def swapped(lines: Sequence[bytes], at: int) -> Fault:
    """Exchange a record and the record after it; seals stay."""
    after = next(number for number in range(at + 1, len(lines)) if not is_seal(lines[number]))
    new = list(lines)
    new[at], new[after] = new[after], new[at]
    return Fault(new, (range_of(lines[at])[0], range_of(lines[after])[1]))


def one_byte(lines: Sequence[bytes], at: int) -> Fault:
    """Change one byte of one record."""
    return Fault([*lines[:at], changed(lines[at]), *lines[at + 1 :]], range_of(lines[at]))


def conflicting(lines: Sequence[bytes], at: int) -> Fault:
    """Have one record twice, with different bytes."""
    return Fault([*lines[: at + 1], changed(lines[at]), *lines[at + 1 :]], range_of(lines[at]))


def segment_dropped(lines: Sequence[bytes], at: int) -> Fault:
    """Take a whole segment out, with its seal: the one that the record is in."""
    offset = range_of(lines[at])[0]
    begin, end = next(range_of(line) for line in lines if is_seal(line) and range_of(line)[1] > offset)
    kept = [line for line in lines if not begin <= range_of(line)[0] < end]
    return Fault(kept, (begin, end), (begin, end))


def seal_edited(lines: Sequence[bytes], at: int) -> Fault:
    """Change the number of records in the seal of the segment that the record is in."""
    offset = range_of(lines[at])[0]
    where = next(number for number, line in enumerate(lines) if is_seal(line) and range_of(line)[1] > offset)
    line = re.sub(rb'"records":(\d+)', lambda found: b'"records":%d' % (int(found[1]) + 1), lines[where])
    return Fault([*lines[:where], line, *lines[where + 1 :]], range_of(lines[where]))


FAULTS: dict[str, Callable[[Sequence[bytes], int], Fault]] = {
    "removed": removed,
    "duplicated": duplicated,
    "swapped": swapped,
    "one-byte": one_byte,
    "conflicting": conflicting,
    "segment-dropped": segment_dropped,
    "seal-edited": seal_edited,
}
