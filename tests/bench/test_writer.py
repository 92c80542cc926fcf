from __future__ import annotations

import json
import random

from bench.writer import RECORD_BYTES, make_record


def test_a_record_is_one_line_of_json_of_the_agreed_size() -> None:
    """Every figure in records/s counts on it."""
    source = random.Random(1)  # noqa: S311  repeatable, not secret
    for number in (0, 9, 2047):
        record = make_record(number, source)
        assert RECORD_BYTES == len(record)
        assert record.index(b"\n") == RECORD_BYTES - 1
        assert f"secret/data/payments/{number}" == json.loads(record)["request"]["path"]
