"""Records with values in clear text, in words: stretches, and a count of what is not shown."""

from __future__ import annotations

from standpipe.evidence.clear_text import clear_lines
from standpipe.evidence.record_pass import RawRecord


def test_a_stretch_without_a_gap_is_one_line() -> None:
    """Its records are counted, and each member is named once; a record by itself has a line as well."""
    first, second, other = ("a.token",), ("b.token", "a.token"), ("c",)
    records = [RawRecord(0, 10, first), RawRecord(10, 30, second), RawRecord(40, 50, other)]
    assert [
        "clear text: 0 to 30 (30 bytes), 2 records: a.token, b.token",
        "clear text: 40 to 50 (10 bytes): c",
    ] == list(clear_lines(records, 3))


def test_what_is_not_shown_is_counted() -> None:
    """The first twenty stretches, then the number of records beyond, known by their address or not."""
    records = [RawRecord(20 * number, 20 * number + 10, ("a",)) for number in range(22)]
    lines = list(clear_lines(records, 5000))
    assert 21 == len(lines)
    assert "… and 4,980 more records with clear text; --json lists the first of them" == lines[-1]
