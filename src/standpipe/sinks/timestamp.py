"""The time of a record, from its own text and never from a clock. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from standpipe.records.framing import Record

NANOSECOND_DIGITS = 9
NANOSECONDS_IN_SECOND = 10**NANOSECOND_DIGITS
NANOSECONDS_MAX = 2**63 - 1  # 2262: what every protocol's signed 64 bits hold

_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

# Vault writes `time` first, after the type or before it, by version; a fragment's own start is all that is looked at.
_FRAGMENT_TIME = re.compile(rb'\s*\{(?:"type":"[^"\\]{0,64}",)?"time":"([^"\\]{1,64})"')


class _Seal(msgspec.Struct):
    sealed_at: str = ""


_seal_decoder = msgspec.json.Decoder(_Seal)


def unix_nanoseconds(text: str) -> int | None:
    """Return an RFC 3339 time as nanoseconds since 1970; digits beyond the ninth are cut off.

    None where it is no such time, lies before 1970 or after 2262, or is a leap second (it has no number).
    """
    found = _RFC_3339.fullmatch(text)
    if found is None:
        return None
    date, clock, fraction, zone = found.groups()
    seconds = _unix_seconds(date, clock, zone)
    if seconds is None:
        return None
    parts = int(fraction[:NANOSECOND_DIGITS].ljust(NANOSECOND_DIGITS, "0")) if fraction else 0
    total = seconds * NANOSECONDS_IN_SECOND + parts
    return total if 0 <= total <= NANOSECONDS_MAX else None


@lru_cache(maxsize=64)  # neighbours in a log have the same second
def _unix_seconds(date: str, clock: str, zone: str) -> int | None:
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        return None
    return int(moment.timestamp())


def record_time(record: Record, time: str) -> str:
    """Return when a record says that it was written, as it stands there; "" where it does not say.

    time: the record's `time` member, "" for none. A torn record may still begin with one; a seal has the time at which
    the segment was sealed. Raises nothing.
    """
    if record.is_seal:
        try:
            return _seal_decoder.decode(record.body).sealed_at
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
    if record.torn:
        found = _FRAGMENT_TIME.match(record.body)
        return found[1].decode("ascii", "replace") if found else ""
    return time


def record_unix_nanoseconds(record: Record, time: str) -> int | None:
    """Return the same in nanoseconds since 1970; None where it does not say, or says no such time."""
    text = record_time(record, time)
    return unix_nanoseconds(text) if text else None
