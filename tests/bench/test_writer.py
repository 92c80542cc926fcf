from __future__ import annotations

import json
import random

from bench.writer import RECORD_BYTES, make_record, stamped


def test_a_record_is_one_line_of_json_of_the_agreed_size() -> None:
    """Every figure in records/s counts on it."""
    source = random.Random(1)  # noqa: S311  repeatable, not secret
    for number in (0, 9, 2047):
        record = make_record(number, source)
        assert RECORD_BYTES == len(record)
        assert record.index(b"\n") == RECORD_BYTES - 1
        assert f"secret/data/payments/{number}" == json.loads(record)["request"]["path"]


def test_a_stamped_record_differs_in_its_time_alone() -> None:
    """Nanoseconds since the epoch become RFC 3339, as Vault writes it, and the length stays."""
    record = make_record(7, random.Random(1))  # noqa: S311  repeatable, not secret
    found = stamped(record, 86_400_000_000_042)
    assert "1970-01-02T00:00:00.000000042Z" == json.loads(found)["time"]
    assert json.loads(record) | {"time": json.loads(found)["time"]} == json.loads(found)
    assert RECORD_BYTES == len(found)
