"""What a receiver of OTLP/HTTP answers: partial success and status, read from protobuf or JSON. Pure.

ExportLogsServiceResponse and ExportLogsPartialSuccess are those of collector/logs/v1/logs_service.proto, Status that of
google/rpc/status.proto. Which answers may be tried again is
https://opentelemetry.io/docs/specs/otlp/#failures-1 (OTLP/HTTP) and #partial-success-1.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5  # wire types; 3 and 4 are groups, which these messages have not


class Partial(NamedTuple):
    """What was not taken: how many of the records, and why; nothing at all where rejected is 0."""

    rejected: int = 0
    message: str = ""


class UnreadableError(ValueError):
    """The bytes are no such message."""


class _JsonPartial(msgspec.Struct, rename="camel"):
    rejected_log_records: int = 0
    error_message: str = ""


class _JsonAnswer(msgspec.Struct, rename="camel"):
    partial_success: _JsonPartial | None = None


# proto3's JSON writes 64-bit integers as strings, and some servers as numbers: strict=False takes both.
def partial_success(body: bytes, content_type: str) -> Partial:
    """Return the partial success of a 200's body. Raises UnreadableError where it is no answer of OTLP."""
    if not body:
        return Partial()
    if content_type.partition(";")[0].strip().lower() == "application/json":
        try:
            answer = msgspec.json.decode(body, type=_JsonAnswer, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableError("its JSON is no ExportLogsServiceResponse") from error
        partial = answer.partial_success or _JsonPartial()
        return Partial(partial.rejected_log_records, partial.error_message)
    rejected, message = 0, ""
    for number, value in fields(body):
        if number == 1 and isinstance(value, bytes):
            for inner_number, inner in fields(value):
                if inner_number == 1 and isinstance(inner, int):
                    rejected = inner - (1 << 64) if inner >> 63 else inner
                elif inner_number == 2 and isinstance(inner, bytes):  # noqa: PLR2004 - the field's number
                    message = inner.decode("utf-8", "replace")
    return Partial(rejected, message)


def status_message(body: bytes, content_type: str) -> bytes:
    """Return the message of a Status in protobuf, or the body as it is where it is none."""
    if content_type.partition(";")[0].strip().lower() != "application/x-protobuf":
        return body
    try:
        found = [value for number, value in fields(body) if number == 2 and isinstance(value, bytes)]  # noqa: PLR2004
    except UnreadableError:
        return body
    return found[-1] if found else b""


def fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Return a message's fields: number, and a number or the bytes. Raises UnreadableError."""
    found: list[tuple[int, int | bytes]] = []
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind, number = tag & 7, tag >> 3
        value: int | bytes
        if kind == VARINT:
            value, position = _varint(message, position)
        elif kind in (FIXED_64, FIXED_32, LENGTH):
            if kind == LENGTH:
                length, position = _varint(message, position)
            else:
                length = 8 if kind == FIXED_64 else 4
            value = message[position : position + length]
            position += length
        else:
            raise UnreadableError(f"it has wire type {kind}")
        if position > len(message) or number == 0:
            raise UnreadableError("it ends within a field")
        found.append((number, value))
    return found


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return a number and the position after it."""
    number = 0
    for index in range(10):  # 64 bits in digits of 7
        if position + index >= len(message):
            break
        digit = message[position + index]
        number |= (digit & 0x7F) << 7 * index
        if digit < 0x80:  # noqa: PLR2004 - the last digit
            return number, position + index + 1
    raise UnreadableError("it ends within a number, or the number is too long")
