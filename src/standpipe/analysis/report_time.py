"""How a report divides its time, and how it writes a moment. Pure.

All times are UTC; a datetime without a zone is one, as the tables of analysis.rows hold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BINS_MAX = 120  # bars side by side that a person still tells apart, on a screen and on paper

_WIDTHS = (  # in the order of their length; people count in these
    timedelta(seconds=1),
    timedelta(seconds=5),
    timedelta(seconds=15),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(days=1),
    timedelta(days=7),
)
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))  # seconds


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a report is about, from its first record to its last."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


def as_utc(moment: datetime) -> datetime:
    """Return the moment in UTC, without a zone."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def parse_time(text: str | None) -> datetime | None:
    """Read an RFC 3339 time of a seal or an incident; None where it is none."""
    if not text:
        return None
    head, point, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    text = f"{head}.{rest[: min(digits, 6)]:0<6}{rest[digits:]}" if point and digits else text  # Vault writes nine
    try:
        return as_utc(datetime.fromisoformat(text))
    except ValueError:
        return None


def bin_width(length: timedelta) -> timedelta:
    """Return the shortest common width that divides the length into at most BINS_MAX bins, or whole weeks."""
    for width in _WIDTHS:
        if length <= width * BINS_MAX:
            return width
    week = _WIDTHS[-1]
    return week * -(-length // (week * BINS_MAX))


def width_text(width: timedelta) -> str:
    """Return ``5 minutes``: readable, and an interval of SQL as well."""
    seconds = round(width.total_seconds())
    for unit_seconds, name in _UNITS:
        if seconds % unit_seconds == 0:
            count = seconds // unit_seconds
            return f"{count} {name}{'' if count == 1 else 's'}"
    raise ValueError(f"{width} is no whole number of seconds")


def time_text(moment: datetime | None) -> str:
    """Return ``2024-05-06 07:08:09``; an en dash for no time."""
    return "–" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970, which is what a chart computes with."""
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def axis_format(length: timedelta) -> str:
    """Return the d3 time format that tells two labels of an axis apart."""
    if length < timedelta(minutes=10):
        return "%H:%M:%S"
    if length < timedelta(days=1):
        return "%H:%M"
    return "%-d %b %H:%M" if length < timedelta(days=6) else "%-d %b"
