"""What a follower did with a file, and whether its copy is whole. Pure: the copy is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, cycle, islice
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COPY_READ_BYTES = 4 << 20
GIGABYTE = 1e9


@dataclass(frozen=True, slots=True)
class Copy:
    """What stands in the output: the lines that are there and were due, and whether it is the input, byte by byte."""

    lines: int
    lines_due: int
    identical: bool

    @property
    def fault(self) -> str:
        """Return what is wrong with it, "" where nothing is."""
        if self.lines < self.lines_due:
            return f"lost {self.lines_due - self.lines:,} of {self.lines_due:,} lines"
        if self.lines > self.lines_due:
            return f"wrote {self.lines - self.lines_due:,} lines more than {self.lines_due:,}"
        return "" if self.identical else "altered lines"


@dataclass(frozen=True, slots=True)
class Followed:
    """What one follower did under one load.

    cpu_seconds: by process, until it had nothing left to do where that was waited for (keep compresses later).
    pss_bytes: the largest sum of the PSS of its processes; source_real_bytes: what the file still took on disk.
    """

    source_bytes: int
    seconds: float
    cpu_seconds: dict[str, float]
    pss_bytes: int
    copy: Copy
    source_real_bytes: int

    @property
    def bytes_per_second(self) -> float:
        """Return the throughput."""
        return self.source_bytes / self.seconds

    def cpu_per_gigabyte(self, *roles: str) -> float:
        """Return the CPU seconds for 10^9 bytes of some roles, of all where none is named."""
        spent = sum(self.cpu_seconds[role] for role in roles or self.cpu_seconds)
        return spent / (self.source_bytes / GIGABYTE)


def compare(copy: IO[bytes], pool: Sequence[bytes], records: int, first: int) -> Copy:
    """Compare a copy with the input: the pool's first record `first` times, and then records of the pool in turn."""
    due = chain([pool[0]] * first, islice(cycle(pool), records))
    lines, identical, ahead = 0, True, b""
    while piece := copy.read(COPY_READ_BYTES):
        lines += piece.count(b"\n")
        if not identical:
            continue
        parts = [ahead]
        missing = len(piece) - len(ahead)
        while missing > 0 and (record := next(due, b"")):
            parts.append(record)
            missing -= len(record)
        expected = b"".join(parts)
        identical = expected[: len(piece)] == piece
        ahead = expected[len(piece) :]
    return Copy(lines, records + first, identical and not ahead and next(due, None) is None)
