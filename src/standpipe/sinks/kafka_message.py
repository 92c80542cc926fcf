r"""What a record is on a Kafka topic: key, value, headers, time; and the payload that carries them to `send`. Pure.

A payload is one line and the value after it: ``<milliseconds>|<part>|<key>\n<value>``. So everything that is sent is
decided when the record is encoded, and a batch that is sent again has the same keys, values, headers and times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from standpipe.records.envelope import entry_id

if TYPE_CHECKING:
    from standpipe.records.framing import Record

KEY_BYTES_MAX = 256  # Vault's request ids have 36; a longer one is somebody's own, and bounds nothing

MESSAGE_OVERHEAD_BYTES = 1024
"""Of a message's size for all but its value: a batch's head (61), the key, six headers with names, and lengths."""

NANOSECONDS_IN_MILLISECOND = 1_000_000


class Message(NamedTuple):
    """Arguments of produce. milliseconds: since 1970; 0 where the record has no time: librdkafka takes its clock's."""

    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]
    milliseconds: int


def message_key(record: Record, journal_id: str, request_id: str) -> bytes:
    """Return the request's id, so that request and response meet in one partition; the record's id where there is none.

    Also where the request's id is longer than KEY_BYTES_MAX or has a newline in it.
    """
    key = request_id.encode()
    return key if 0 < len(key) <= KEY_BYTES_MAX and b"\n" not in key else entry_id(record, journal_id).encode()


def pack(key: bytes, nanoseconds: int | None, value: bytes, part: str = "") -> bytes:
    """Return a payload; part: ``2/3`` or "". See the module's docstring."""
    return b"%d|%b|%b\n%b" % ((nanoseconds or 0) // NANOSECONDS_IN_MILLISECOND, part.encode(), key, value)


def unpack(payload: bytes, record: Record, after: int, journal_id: str) -> Message:
    """Return what to produce for a payload."""
    head, _, value = payload.partition(b"\n")
    milliseconds, part, key = head.split(b"|", 2)
    identity = entry_id(record, journal_id).encode()
    headers: list[tuple[str, str | bytes | None]] = [
        ("id", b"%b-%b" % (identity, part) if part else identity),
        ("offset", b"%d" % record.offset),
        ("length", b"%d" % record.length),
        ("journal", journal_id.encode()),
    ]
    headers.append(("kind", b"seal") if record.is_seal else ("after", b"%d" % after))
    if part:
        headers.append(("part", part))
    return Message(key, value, headers, int(milliseconds))
