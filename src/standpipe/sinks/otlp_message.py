"""OTLP's protobuf messages for logs, written byte by byte. Pure.

Field numbers and types are those of opentelemetry-proto 1.x (opentelemetry/proto/{logs,common,resource}/v1 and
collector/logs/v1), the wire format that of https://protobuf.dev/programming-guides/encoding. Each record is framed
once, as the ``log_records`` field of a ScopeLogs, and a request is one head and any number of those: nothing is
serialised again when a batch is sent again or cut elsewhere, so the bytes of a record never change. Lengths and
integers are written in their shortest form and fields in the order of their numbers, as the generated types do it.
"""

from __future__ import annotations

import json
import re
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DEPTH_MAX = 24
"""Levels of a body in OTLP's own types. Decoders of protobuf stop at 100 messages inside each other; the request takes
five down to the body, and each level of JSON three (AnyValue, KeyValueList, KeyValue)."""

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

REQUEST_HEAD_BYTES_MAX = 5 * 3
"""Tags and lengths of the request, the resource's logs and the scope's: up to 256 MiB each, five bytes are enough."""

VARINT_BYTES_MAX = 10  # of 64 bits in digits of 7

_ONE_BYTE = [bytes((number,)) for number in range(128)]
_FIXED_64 = struct.Struct("<Q").pack
_DOUBLE = struct.Struct("<d").pack


class Severity(NamedTuple):
    """SeverityNumber of logs.proto and its short name."""

    number: int
    text: str


INFO = Severity(9, "INFO")
WARN = Severity(13, "WARN")
ERROR = Severity(17, "ERROR")

_SEVERITIES = {
    severity: b"\x10%c\x1a%c%b" % (severity.number, len(severity.text), severity.text.encode())
    for severity in (INFO, WARN, ERROR)
}


def varint(number: int) -> bytes:
    """Return a number in base 128, lowest digits first; a negative one as its 64-bit two's complement."""
    if 0 <= number < 0x80:  # noqa: PLR2004 - one digit
        return _ONE_BYTE[number]
    if 0 <= number < 0x4000:  # noqa: PLR2004 - two digits: the lengths of most records
        return bytes((number & 0x7F | 0x80, number >> 7))
    number &= 0xFFFFFFFFFFFFFFFF
    digits = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - more digits follow
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def _field(tag: bytes, content: bytes) -> bytes:
    return b"".join((tag, varint(len(content)), content))


def _name(key: str) -> bytes:
    return _field(b"\x0a", key.encode()) if key else b""  # proto3 does not write an empty text


def text_value(text: bytes) -> bytes:
    """Return an AnyValue that is a string. text: UTF-8."""
    return b"".join((b"\x0a", varint(len(text)), text))


class TextAttribute:
    """One attribute of LogRecords whose value is a string; all that comes before the string is made once per length."""

    __slots__ = ("_heads",)

    def __init__(self, key: str, bytes_max: int) -> None:
        """bytes_max: the longest string."""
        name = _name(key)
        self._heads = [_attribute_head(name, b"\x0a" + varint(length), length) for length in range(bytes_max + 1)]

    def frame(self, text: bytes) -> bytes:
        """Return the attribute, framed as a field of LogRecord; nothing for an empty text, or one that is too long."""
        return self._heads[len(text)] + text if 0 < len(text) < len(self._heads) else b""


class IntegerAttribute:
    """One attribute of LogRecords whose value is an integer of 64 bits."""

    __slots__ = ("_heads",)

    def __init__(self, key: str) -> None:
        name = _name(key)
        self._heads = [_attribute_head(name, b"\x18", digits) for digits in range(VARINT_BYTES_MAX + 1)]

    def frame(self, number: int) -> bytes:
        """Return the attribute, framed as a field of LogRecord."""
        value = varint(number)
        return self._heads[len(value)] + value


def _attribute_head(name: bytes, value_head: bytes, value_bytes: int) -> bytes:
    """Return the bytes of an attribute before the last value_bytes of it."""
    any_value_length = varint(len(value_head) + value_bytes)
    length = len(name) + 1 + len(any_value_length) + len(value_head) + value_bytes
    return b"".join((b"\x32", varint(length), name, b"\x12", any_value_length, value_head))


def log_record(time: int | None, severity: Severity, body: bytes, attributes: Iterable[bytes]) -> bytes:
    """Return a LogRecord, framed as a field of ScopeLogs.

    time: nanoseconds since 1970, None for none; it is the observed time as well, because a clock's would make the bytes
    differ from one try to the next. body: an AnyValue. attributes: framed.
    """
    stamp = _FIXED_64(time) if time else b""
    message = b"".join(
        (
            b"\x09" + stamp if stamp else b"",
            _SEVERITIES[severity],
            b"\x2a",
            varint(len(body)),
            body,
            *attributes,
            b"\x59" + stamp if stamp else b"",
        )
    )
    return b"".join((b"\x12", varint(len(message)), message))


def resource(attributes: Mapping[str, str]) -> bytes:
    """Return a Resource, framed as a field of ResourceLogs, its attributes in order of their names."""
    pairs = [
        _field(b"\x0a", _name(key) + _field(b"\x12", text_value(attributes[key].encode())))
        for key in sorted(attributes)
    ]
    return _field(b"\x0a", b"".join(pairs))


def scope(name: str, version: str) -> bytes:
    """Return an InstrumentationScope, framed as a field of ScopeLogs."""
    return _field(b"\x0a", _field(b"\x0a", name.encode()) + _field(b"\x12", version.encode()))


def export_request(framed_resource: bytes, framed_scope: bytes, records: Sequence[bytes]) -> list[bytes]:
    """Return an ExportLogsServiceRequest in pieces: the heads, and the framed records as they are."""
    scope_length = len(framed_scope) + sum(map(len, records))
    scope_head = b"\x12" + varint(scope_length)
    resource_length = len(framed_resource) + len(scope_head) + scope_length
    head = b"".join((b"\x0a", varint(resource_length), framed_resource, scope_head, framed_scope))
    return [head, *records]


class NotExactError(ValueError):
    """OTLP's own types cannot carry this object; the text says why."""


def json_value(text: bytes) -> bytes:
    """Return a JSON object as an AnyValue that is a list of keys and values, in its order.

    Integers of 64 bits are int_value; other numbers are double_value where the double, printed, is the same number
    (0.1 is, 1e400 and 2^64 are not); the rest become strings with the digits as they stand. 1.0 is a double and 1 an
    integer. null is an AnyValue without a value. Raises NotExactError for a repeated key and for nesting beyond
    DEPTH_MAX: receivers keep one of two values, or refuse the request.
    """
    try:
        parsed = json.loads(text, parse_int=_integer, parse_float=_double, object_pairs_hook=_Members)
    except RecursionError:
        parsed = None
    if parsed is None:  # outside the handler: the depth, not the stack, decides
        raise NotExactError(f"is nested deeper than {DEPTH_MAX}")
    return _any_value(parsed, 1)


class _Members(list[tuple[str, object]]):
    """The members of an object, in order."""


def _integer(digits: str) -> int | float | str:
    if len(digits) > 20:  # noqa: PLR2004 - longer than any of 64 bits; int() of very long text is slow, or refused
        return digits
    number = int(digits)
    if digits == "-0":
        return -0.0
    return number if INT64_MIN <= number <= INT64_MAX else digits


_EXPONENT = re.compile(r"[eE][+-]?0*(\d+)")


def _double(digits: str) -> float | str:
    exponent = _EXPONENT.search(digits)
    if len(digits) > 100 or (exponent and len(exponent[1]) > 4):  # noqa: PLR2004 - no double needs as much
        return digits
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        return digits
    return number if Decimal(repr(number)) == Decimal(digits) else digits


def _any_value(value: object, depth: int) -> bytes:
    if isinstance(value, str):
        return text_value(value.encode())
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + varint(value)
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(value)
    return b"" if value is None else _container(value, depth)


def _container(value: object, depth: int) -> bytes:
    if depth > DEPTH_MAX:
        raise NotExactError(f"is nested deeper than {DEPTH_MAX}")
    if isinstance(value, _Members):
        if len({key for key, _ in value}) < len(value):
            raise NotExactError("has a key twice")
        pairs = [_field(b"\x0a", _name(key) + _field(b"\x12", _any_value(member, depth + 1))) for key, member in value]
        return _field(b"\x32", b"".join(pairs))
    items = value if isinstance(value, list) else []
    return _field(b"\x2a", b"".join(_field(b"\x0a", _any_value(item, depth + 1)) for item in items))
