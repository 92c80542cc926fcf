"""Half-open ranges of journal addresses, ``(start, end)``: what is covered, and what is left over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Interval = tuple[int, int]


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same addresses as few, ordered, disjoint ranges; empty ranges vanish."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def subtract(whole: Interval, covered: Iterable[Interval]) -> list[Interval]:
    """Return the parts of whole that no covered range holds, in order."""
    left: list[Interval] = []
    position, end = whole
    for start, stop in merge(covered):
        if start >= end:
            break
        if start > position:
            left.append((position, start))
        position = max(position, stop)
    if position < end:
        left.append((position, end))
    return left
