"""The last sign of life of a node: the time of its newest seal, or of its newest record. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.evidence.journal_facts import JournalFacts


def seconds_of(time: str | None) -> float | None:
    """Return an RFC 3339 time in seconds since 1970; None where it is none. A time without an offset is UTC."""
    try:
        moment = datetime.fromisoformat(time or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _times(facts: JournalFacts) -> Iterator[str | None]:
    for idle in facts.idle_seals:
        if idle.seal is not None:
            yield idle.seal.sealed_at
    for segment in facts.segments:
        if segment.seal is not None:
            yield segment.seal.sealed_at
        for copy in segment.copies:
            yield copy.last_time


def last_seen(facts: JournalFacts) -> str | None:
    """Return the newest time that a seal was made at or a record has, as it was written; None where there is none."""
    known = [(seconds, time) for time in _times(facts) if time and (seconds := seconds_of(time)) is not None]
    return max(known)[1] if known else None
