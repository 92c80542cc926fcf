from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.records.framing import Record
from standpipe.sinks.syslog_message import Header, frame, header_field, timestamp
from tests.sinks.syslog_destination import parse

JOURNAL = "6f3c8f0e-5a0d-4b7e-9f43-2f1f0d9f7c11"
PRINTABLE = re.compile(r"[!-~]+")


def header(**changes: object) -> Header:
    """Return a header maker with usual values."""
    values: dict[str, object] = {
        "facility": "local0",
        "hostname": "vault-0",
        "app_name": "vault",
        "journal_id": JOURNAL,
        "enterprise_number": None,
    }
    return Header(**(values | changes))  # type: ignore[arg-type]


def record(body: bytes, *, torn: bool = False, is_seal: bool = False) -> Record:
    """Return a record at offset 100."""
    return Record(100, len(body) + 1, body, torn=torn, is_seal=is_seal)


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        ("2026-11-23T15:00:00.123456789Z", "2026-11-23T15:00:00.123456Z"),
        ("2026-11-23T15:00:00.999999999+05:30", "2026-11-23T15:00:00.999999+05:30"),
        ("2026-11-23T15:00:00.12Z", "2026-11-23T15:00:00.12Z"),
        ("2026-11-23T15:00:00Z", "2026-11-23T15:00:00Z"),
        ("2026-12-31T23:59:60Z", "-"),  # RFC 5424 section 6.2.3: no leap seconds
        ("2026-13-01T00:00:00Z", "-"),
        ("2026-11-23 15:00:00Z", "-"),
        ("2026-11-23T15:00:00", "-"),
        ("2026-11-23T15:00:00.Z", "-"),
        ("", "-"),
        ("2026-11-23T15:00:00Z\n", "-"),
    ],
)
def test_time_is_cut_to_microseconds_and_never_rounded(given_time: str, expected: str) -> None:
    """What RFC 5424 does not allow there becomes nil."""
    assert expected == timestamp(given_time)


@pytest.mark.parametrize(
    ("sent", "severity", "msgid", "time"),
    [
        (record(b'{"time":"2026-11-23T15:00:00Z","type":"request"}'), 6, "request", "2026-11-23T15:00:00Z"),
        (
            record(b'{"time":"2026-11-23T15:00:00Z","type":"response","error":"x"}'),
            3,
            "response",
            "2026-11-23T15:00:00Z",
        ),
        (record(b'{"type":"response","error":""}'), 6, "response", "-"),
        (record(b"{}"), 6, "-", "-"),
        (record(b'{"type":"a b\\u00e9"}'), 6, "a_b_", "-"),
        (record(b'{"time":"2026-11-23T15:00:00.5Z","ty', torn=True), 4, "torn", "2026-11-23T15:00:00.5Z"),
        (record(b"\xff\x00", torn=True), 4, "torn", "-"),
        (record(b'{"base":100,"sealed_at":"2026-11-23T16:00:00Z"}', is_seal=True), 6, "seal", "2026-11-23T16:00:00Z"),
    ],
)
def test_header_says_kind_severity_and_time(sent: Record, severity: int, msgid: str, time: str) -> None:
    """An error is an err, a torn record a warning, all else info."""
    message = parse(header().of(sent, 0) + sent.body)
    assert (16, severity, time, msgid, "vault-0", "vault", "-") == (
        message.facility,
        message.severity,
        message.time,
        message.msgid,
        message.host,
        message.app,
        message.data,
    )


def test_facility_is_the_one_of_the_name() -> None:
    """`audit` is RFC 5424's 13, log audit."""
    assert header(facility="audit").of(record(b"{}"), 0).startswith(b"<110>1 ")


def test_structured_data_is_there_with_an_enterprise_number() -> None:
    """It names the record as its envelope does."""
    text = header(enterprise_number=32473).of(record(b"{}"), 90).decode()
    expected = f'[standpipe@32473 id="{JOURNAL}-00000000000000000100" offset="100" length="3" after="90"]'
    assert expected in text


@given(st.text(max_size=400), st.integers(1, 255))
def test_a_header_field_is_printable_ascii_of_the_length_that_is_allowed(text: str, most: int) -> None:
    """No text can break a header."""
    field = header_field(text, most)
    assert PRINTABLE.fullmatch(field)
    assert len(field) <= most


@given(st.binary(max_size=300))
def test_a_frame_is_the_count_of_octets_and_the_message(message: bytes) -> None:
    """The count is of bytes, not characters."""
    count, _, rest = frame(message).partition(b" ")
    assert (int(count), message) == (len(message), rest)
