"""Counts, ranges and long lists in words, as every output of `standpipe verify` has them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LINES_MAX = 20  # of each sort of finding; a person reads the first ones, --json has them all


def count_text(count: int, noun: str) -> str:
    """Return ``1 seal``, ``2,000 seals``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def range_text(start: int | None, end: int | None) -> str:
    """Return a range of offsets in words."""
    if start is None or end is None:
        return "at no known address"
    if start == end:
        return f"at {start:,}"
    return f"{start:,} to {end:,} ({count_text(end - start, 'byte')})"


def limited(lines: Sequence[str], total: int | None = None) -> Iterator[str]:
    """Yield the first LINES_MAX lines, and how many more there are of the total (by default, of the lines)."""
    yield from lines[:LINES_MAX]
    count = len(lines) if total is None else total
    if count > LINES_MAX:
        listed = "them all" if len(lines) == count else "more"
        yield f"… and {count - LINES_MAX:,} more like this; --json lists {listed}"
