from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.records.framing import Record
from standpipe.sinks.timestamp import record_unix_nanoseconds, unix_nanoseconds


@given(
    st.integers(0, 9_000_000_000),
    st.text("0123456789", max_size=12),
    st.integers(-23 * 60, 23 * 60),
)
@settings(max_examples=200)
def test_every_digit_counts_up_to_the_nanosecond(seconds: int, fraction: str, zone_minutes: int) -> None:
    """A time in any zone is the same number of nanoseconds, whatever digits follow the ninth."""
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(
        timezone(timedelta(minutes=zone_minutes))
    )
    text = moment.isoformat()
    point = f".{fraction}" if fraction else ""
    expected = seconds * 10**9 + int(fraction[:9].ljust(9, "0"))
    assert expected == unix_nanoseconds(text[:19] + point + text[19:])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.678901234Z", 1767323045_678901234),
        ("2026-01-02t03:04:05z", 1767323045_000000000),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", None),
        ("2262-04-12T00:00:00Z", None),
        ("2026-12-31T23:59:60Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-01-02T03:04:05", None),
        ("2026-01-02T03:04:05.Z", None),
        ("٢٠٢٦-01-02T03:04:05Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_only_an_rfc_3339_time_since_1970_is_a_number(text: str, expected: int | None) -> None:
    """Anything else has no number, and nothing raises."""
    assert expected == unix_nanoseconds(text)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"time":"2026-01-02T03:04:05.5Z","type":"req', 1767323045_500000000),
        (b'{"type":"request","time":"2026-01-02T03:04:05.5Z","au', 1767323045_500000000),
        (b'{"auth":{"time":"2026-01-02T03:04:05.5Z"', None),
        (b'{"time":"2026-01-02T03:04', None),
        (b'{"time":"\xff\xfe"', None),
        (b"", None),
    ],
)
def test_a_fragment_has_the_time_that_it_begins_with(body: bytes, expected: int | None) -> None:
    """A torn record whose own time survived keeps it; a time further in may be anything."""
    assert expected == record_unix_nanoseconds(Record(0, 1, body, torn=True), "")


def test_a_seal_has_the_time_of_its_sealing() -> None:
    """It is in the seal file's object; an object without it has none."""
    seal = b'{"base":0,"sealed_at":"2026-01-02T03:04:05.250Z"}'
    assert 1767323045_250000000 == record_unix_nanoseconds(Record(0, 1, seal, torn=False, is_seal=True), "")
    assert None is record_unix_nanoseconds(Record(0, 1, b"{}", torn=False, is_seal=True), "")
