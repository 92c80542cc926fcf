from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import ScopeLogs

from standpipe.sinks import otlp_answer, otlp_message
from standpipe.sinks.otlp_message import INFO, NotExactError, json_value
from tests.sinks.otlp_destination import plain_value

if TYPE_CHECKING:
    from collections.abc import Mapping

INTEGERS = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def as_plain(value: object) -> object:
    """Return a JSON value as plain_value shows it."""
    if isinstance(value, dict):
        return [(key, as_plain(member)) for key, member in value.items()]
    if isinstance(value, list):
        return tuple(as_plain(item) for item in value)
    return value


def decoded(text: bytes) -> object:
    """Return an object after a journey through OTLP's types, which must have written the same bytes."""
    data = json_value(text)
    value = AnyValue.FromString(data)
    assert data == value.SerializeToString()
    return plain_value(value)


@given(st.dictionaries(st.text(), JSON, max_size=4))
@settings(max_examples=150)
def test_a_json_object_comes_back_with_its_types_and_order(value: dict[str, object]) -> None:
    """Whatever 64-bit integers, doubles, texts, lists and objects hold is the same in OTLP's own types."""
    assert repr(as_plain(value)) == repr(decoded(json.dumps(value, ensure_ascii=False).encode()))


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("9007199254740993", 9007199254740993),
        ("9223372036854775807", 9223372036854775807),
        ("-9223372036854775808", -9223372036854775808),
        ("9223372036854775808", "9223372036854775808"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1.0", 1.0),
        ("0.1", 0.1),
        ("-0.0", -0.0),
        ("-0", -0.0),
        ("1e400", "1e400"),
        ("1e-400", "1e-400"),
        ("1e999999999", "1e999999999"),
        ("3.14159265358979323846", "3.14159265358979323846"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_number_that_its_type_cannot_hold_goes_as_its_digits(digits: str, expected: object) -> None:
    """Integers of 64 bits and exact doubles keep their type, all others are strings with the digits as they stood."""
    found = decoded(f'{{"n":{digits}}}'.encode())
    assert repr([("n", expected)]) == repr(found)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a":1,"a":2}', "has a key twice"),
        (b'{"a":[{"b":1,"b":1}]}', "has a key twice"),
        (b'{"a":' + b"[" * 24 + b"]" * 24 + b"}", "is nested deeper than 24"),
        (b'{"a":' + b"[" * 590 + b"]" * 590 + b"}", "is nested deeper than 24"),
    ],
)
def test_what_otlp_cannot_carry_exactly_is_refused(text: bytes, why: str) -> None:
    """A repeated key and a nesting that decoders refuse raise, so that the sink sends the text."""
    with pytest.raises(NotExactError, match=why):
        json_value(text)


def test_the_deepest_body_is_decoded_within_a_request() -> None:
    """A body of DEPTH_MAX levels is below the nesting at which protobuf's decoders stop."""
    levels = otlp_message.DEPTH_MAX - 1
    text = b'{"a":' * levels + b"{}" + b"}" * levels
    framed = otlp_message.log_record(1, INFO, json_value(text), ())
    head = otlp_message.export_request(otlp_message.resource({}), otlp_message.scope("a", "1"), [framed])
    assert 1 == len(ExportLogsServiceRequest.FromString(b"".join(head)).resource_logs[0].scope_logs[0].log_records)


@given(INTEGERS, st.text(max_size=100), st.integers(0, 2**63 - 1) | st.none())
@settings(max_examples=100)
def test_a_log_record_has_the_bytes_that_the_published_types_write(number: int, text: str, time: int | None) -> None:
    """What is framed here is decoded and written again by the generated types without a difference."""
    attributes = (
        otlp_message.TextAttribute("a.text", 500).frame(text.encode()),
        otlp_message.IntegerAttribute("a.number").frame(number),
    )
    framed = otlp_message.log_record(time, INFO, otlp_message.text_value(text.encode()), attributes)
    found = ScopeLogs.FromString(framed)
    assert framed == found.SerializeToString()
    (record,) = found.log_records
    expected: Mapping[str, object] = {"a.text": text, "a.number": number} if text else {"a.number": number}
    assert expected == {pair.key: plain_value(pair.value) for pair in record.attributes}
    assert (text, time or 0, time or 0, 9, "INFO") == (
        record.body.string_value,
        record.time_unix_nano,
        record.observed_time_unix_nano,
        record.severity_number,
        record.severity_text,
    )


@given(st.binary(max_size=60), st.sampled_from(["", "application/json", "application/x-protobuf", "text/html"]))
@settings(max_examples=200)
def test_an_answer_of_any_bytes_is_read_or_refused(body: bytes, kind: str) -> None:
    """Reading an answer never fails otherwise than by saying that it is none."""
    with contextlib.suppress(otlp_answer.UnreadableError):
        otlp_answer.partial_success(body, kind)
    otlp_answer.status_message(body, kind)
