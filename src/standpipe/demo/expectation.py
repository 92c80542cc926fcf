"""Which records there must be, and which there are; pure.

A record is named by its type, operation and path. The client's paths carry serial numbers, so a name is unique, but for
the few that OpenBao writes by itself at its start.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from standpipe.demo.requests import RECORDS_PER_REQUEST, START_UP_RECORDS, Ask

if TYPE_CHECKING:
    from collections.abc import Iterable

Name = tuple[str, str, str]  # type, operation, path
NOT_A_RECORD: Name = ("", "", "(not a record)")


def expected_records(audited: Iterable[Ask]) -> Counter[Name]:
    """Return the start-up set and two records for each audited request."""
    expected: Counter[Name] = Counter(START_UP_RECORDS)
    for ask in audited:
        expected.update((kind, str(ask.operation), ask.record_path) for kind in RECORDS_PER_REQUEST)
    return expected


def record_name(line: bytes) -> Name:
    """Read type, operation and path of one line; NOT_A_RECORD where it is no audit record."""
    try:
        record = json.loads(line)
        name = (record["type"], record["request"]["operation"], record["request"]["path"])
    except (ValueError, KeyError, TypeError):
        return NOT_A_RECORD
    return name if all(isinstance(part, str) for part in name) else NOT_A_RECORD


def count_records(lines: Iterable[bytes]) -> Counter[Name]:
    """Count lines by name."""
    return Counter(record_name(line) for line in lines)
