"""Fluent's forward protocol: what a client sends, and the replies it gets. Pure.

Forward Protocol Specification v1, https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1; all of it
is MessagePack. We send the mode *PackedForward*::

    [tag, bin: entry entry entry …, {"size": number of entries, "chunk": id}]     and "compressed": "gzip" where it is
    entry = [EventTime, record]          EventTime = ext type 0: seconds and nanoseconds, 4 bytes each, big-endian

and the server answers ``{"ack": id}`` once it has the chunk in its buffer. The id is made of the entries, so a batch
that is sent again has the id it had. The record is a map::

    {"standpipe": {"id": …, "journal": …, "offset": n, "length": n, "after": n}, …the record's own members…}
    {"standpipe": {…}, …members…, "raw": text}     MessagePack cannot hold some number or repeated member: see below
    {"standpipe": {…}, "raw": text}                the form `text`; a torn record; a part; one that nests too deeply
    {"standpipe": {…}, "raw_base64": text}         a torn record that is not UTF-8
    {"standpipe": {…, "kind": "seal"}, "seal": …}  a seal

Wherever ``raw`` is, it is the record's own JSON text, character for character (of a part: a piece of it). A record
that has a member ``raw`` or ``standpipe`` itself is sent as text.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from standpipe.records.envelope import Envelope
from standpipe.records.fields import parse_fields
from standpipe.sinks.fluent_fields import careful_members, nests_deeper, plain_members
from standpipe.sinks.gzipping import gzipped
from standpipe.sinks.parts import parts_of
from standpipe.sinks.timestamp import NANOSECONDS_IN_SECOND, record_unix_nanoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from standpipe.records.framing import Record

RECORD_BYTES_MAX = 1 << 20
"""Bytes of one entry; a larger record goes in parts. A Fluent Bit chunk holds 2 MB, Fluentd's buffers drop an event
that is larger than a whole chunk (8 MiB in memory), and what stands behind them often takes 1 MiB a record."""

NESTING_MAX = 32
"""Levels of maps and lists in an event. Vault takes up to 500 in a request (max_json_depth); a record that has more
than these goes as text. With some 100, Fluent Bit acknowledges the batch and throws away the event and all behind it;
with some 130, Fluentd refuses the batch for ever (Fluent Bit 5.1.1, Fluentd 1.16.11 with msgpack 1.4.2; tried)."""

PART_ROOM_BYTES = 256  # the entry's array and time, and where MessagePack's lengths take more than JSON's quotes
EVENT_TIME_TYPE = 0  # "EventTime Ext Format"
SECONDS_MAX = 2**32 - 1  # in 2106; the format has no more
CHUNK_ID_BYTES = 16  # 128 bits, as the specification suggests

_decode = msgspec.json.Decoder().decode
_pack = msgspec.msgpack.Encoder().encode
_EVENT_TIME = struct.Struct(">II").pack
_BIN_32 = struct.Struct(">BI").pack  # MessagePack "bin 32": 0xc6 and the length


class EntryEncoder:
    """Turns records of one journal into entries. as_text: every record's text, in place of its members."""

    def __init__(self, journal_id: str, labels: Mapping[str, str], *, as_text: bool, bytes_max: int) -> None:
        self._envelope = Envelope(journal_id, labels)
        self._as_text = as_text
        self._bytes_max = bytes_max

    def entries(self, record: Record, after: int) -> Sequence[bytes]:
        """Return a record's entry, or those of its parts. The same record gives the same bytes, always.

        Raises Unfit where bytes_max has no room for an envelope.
        """
        if len(record.body) < self._bytes_max:
            entry = self._entry(record, after)
            if len(entry) <= self._bytes_max:
                return (entry,)
        time = _event_time(record, _own_time(record))

        def entry_of(part: bytes, _number: str) -> bytes:
            return _pack([time, _decode(part)])

        return parts_of(self._envelope, record, after, self._bytes_max - PART_ROOM_BYTES, entry_of)

    def _entry(self, record: Record, after: int) -> bytes:
        whole = self._envelope.object(record, after)
        if record.torn or record.is_seal:
            return _pack([_event_time(record, ""), _decode(whole)])
        if not self._as_text:
            entry = self._entry_of_members(record, whole)
            if entry is not None and len(entry) <= self._bytes_max:  # a double takes nine bytes, "0.5" takes three
                return entry
        return self._entry_of_text(record, after)

    def _entry_of_members(self, record: Record, whole: bytes) -> bytes | None:
        """Return the entry with the record's members; None where they cannot stand beside ours, or nest too deeply."""
        members = plain_members(whole)
        if members is None:
            return self._entry_of_careful_members(record, whole)
        if "raw" in members or _nests_too_deeply(whole, members):
            return None
        try:
            return _pack([_event_time(record, members.get("time")), members])
        except OverflowError:
            return self._entry_of_careful_members(record, whole)

    def _entry_of_careful_members(self, record: Record, whole: bytes) -> bytes | None:
        try:
            members, exact = careful_members(whole)
            own, _ = careful_members(record.body)
        except (ValueError, RecursionError):
            return None
        if "standpipe" in own or "raw" in own or _nests_too_deeply(whole, members):
            return None
        if not exact:
            members["raw"] = record.body.decode()
        return _pack([_event_time(record, members.get("time")), members])

    def _entry_of_text(self, record: Record, after: int) -> bytes:
        members = _decode(self._envelope.object(replace(record, body=b"{}"), after))
        members["raw"] = record.body.decode()
        return _pack([_event_time(record, _own_time(record)), members])


def forward(tag: str, payloads: Sequence[bytes], *, compress: bool) -> tuple[bytes, str]:
    """Return a PackedForward message of entries, and the id that must come back. Same entries, same bytes."""
    entries = b"".join(payloads)
    chunk = b64encode(sha256(entries).digest()[:CHUNK_ID_BYTES]).decode("ascii")
    option: dict[str, object] = {"size": len(payloads), "chunk": chunk}
    if compress:
        entries = gzipped((entries,))
        option["compressed"] = "gzip"
    message = b"".join((b"\x93", _pack(tag), _BIN_32(0xC6, len(entries)), entries, _pack(option)))
    return message, chunk


def _nests_too_deeply(text: bytes, members: dict[str, object]) -> bool:
    """Tell whether an event's members nest beyond NESTING_MAX; a text with few brackets need not be looked through."""
    return text.count(b"{") + text.count(b"[") > NESTING_MAX and nests_deeper(members, NESTING_MAX)


def _own_time(record: Record) -> str:
    return "" if record.torn or record.is_seal else parse_fields(record.body).time


def _event_time(record: Record, time: object) -> msgspec.msgpack.Ext:
    """Return a record's own time; zero where it does not say, or not one that the format can hold."""
    text = time if isinstance(time, str) else ""
    seconds, nanoseconds = divmod(record_unix_nanoseconds(record, text) or 0, NANOSECONDS_IN_SECOND)
    if seconds > SECONDS_MAX:
        seconds = nanoseconds = 0
    return msgspec.msgpack.Ext(EVENT_TIME_TYPE, _EVENT_TIME(seconds, nanoseconds))
