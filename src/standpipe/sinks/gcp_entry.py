"""Records as LogEntry objects of Cloud Logging, in the JSON form of the REST API, made by splicing bytes. Pure.

::

    {"timestamp":"<the record's time>","insertId":"<id>","severity":"INFO","labels":{…},
     "jsonPayload":{"standpipe":{…},…the record's own members…}}

The payload is records.envelope's object: below ``standpipe`` the id, the offset, the length and ``after``; then
``time type auth request response error`` as Vault wrote them. Google's ops-agent (receiver ``vault_audit``) has the
same members, without ``time``, which it moves into the entry's timestamp; here it stays as well, so that what was
written can be read back.

Where a Struct would change the record (gcp_struct), the envelope gets one more member, ``exact``: place and text of
each number that a double cannot hold; or the whole record goes as text, ``"part":"1/1"`` and ``raw``. A record that is
too large for one entry goes as several, each with LogEntry.split and a piece of the text.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from standpipe.records.envelope import Envelope, entry_id
from standpipe.records.fields import parse_fields
from standpipe.records.gcp_line import (
    JOURNAL_LABEL,
    MOUNT_TYPE_LABEL,
    NAMESPACE_LABEL,
    OPERATION_LABEL,
    TYPE_LABEL,
)
from standpipe.sinks.gcp_struct import VALUE_OVERHEAD_BYTES, fit
from standpipe.sinks.parts import parts_of, wrapped
from standpipe.sinks.timestamp import NANOSECONDS_IN_SECOND, record_unix_nanoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from standpipe.records.framing import Record

ENTRY_BYTES = 240 << 10
"""Of one entry. Logging's limit is 256 KiB, "approximate … based on internal data sizes" (Cloud Logging, Quotas and
limits); the difference is for what it adds."""

LABEL_VALUE_BYTES = 1024  # of a label made from a record's member; the payload has all of it. Logging allows 64 KiB
LABELS_MAX = 64  # of one entry (Quotas and limits)
LABEL_KEY_BYTES = 512  # likewise; a longer one is cut by Logging
OWN_LABELS = 5  # the journal's, and four made from members
ADDED_LABELS_BYTES = 16 << 10  # of all labels that the config adds: they count in the size of every entry

FRAME_BYTES = 128  # of an entry beside its members: names, quotes, the number of a part, LogEntry.split (twice the id)

TIMESTAMP_START = b'{"timestamp":"'
ENVELOPE_START = b'{"standpipe":{'
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class EntryEncoder:
    """Makes the entries of one journal for one sink."""

    def __init__(self, journal_id: str, labels: Mapping[str, str], request_bytes: int) -> None:
        """Take what is the same for all entries.

        labels: what the config adds; they are sent once a request, like the journal's. request_bytes: what a request
        gives to each of its entries (log name, resource and labels), which counts in an entry's size.
        """
        self._journal_id = journal_id
        self._envelope = Envelope(journal_id)
        self._taken = frozenset(labels)
        self._entry_bytes = ENTRY_BYTES - request_bytes
        self._labels = lru_cache(maxsize=1024)(self._make_labels)

    def encode(self, record: Record, after: int) -> bytes | Sequence[bytes]:
        """Return the entry of a record; several where it is too large for one."""
        start, middle = self._members(record)
        identity = entry_id(record, self._journal_id).encode()
        room = self._entry_bytes - len(start) - len(middle) - len(identity) - FRAME_BYTES
        payload = self._object(record, after, room)
        if payload is not None:
            return b'%b"insertId":"%b",%b"jsonPayload":%b}' % (start, identity, middle, payload)
        parts = self._texts(record, after, room)
        if len(parts) == 1:
            return b'%b"insertId":"%b",%b"jsonPayload":%b}' % (start, identity, middle, parts[0])

        def entry(part: bytes, place: str) -> bytes:
            number, count = map(int, place.split("/"))
            index = number - 1
            return b'%b"insertId":"%b.%06d",%b"split":{"uid":"%b","index":%d,"totalSplits":%d},"jsonPayload":%b}' % (
                start,
                identity,
                index,
                middle,
                identity,
                index,
                count,
                part,
            )

        return wrapped(parts, entry)

    def _object(self, record: Record, after: int, room: int) -> bytes | None:
        """Return the payload with the record's own members; None where it has to be text, or does not fit."""
        body = record.body
        if len(body) > room:
            return None
        payload = self._envelope.object(record, after)
        if record.torn:  # its text is smaller in a Struct than it is in JSON
            return payload if len(payload) <= room else None
        found = fit(body)
        if not found.whole or (found.exact and record.is_seal):
            return None
        if found.exact:
            exact = _encode(found.exact).encode()
            payload = b'%b"exact":%b,%b' % (ENVELOPE_START, exact, payload[len(ENVELOPE_START) :])
        size = len(payload) - len(body) + found.bytes_max + VALUE_OVERHEAD_BYTES * len(found.exact)
        return payload if size <= room else None

    def _texts(self, record: Record, after: int, room: int) -> Sequence[bytes]:
        """Return payloads with the record's text: in one piece if it fits, otherwise in several."""
        if len(record.body) > room:
            return parts_of(self._envelope, record, after, room)
        if not record.torn:
            whole = self._one_text(record, after)
            if len(whole) <= room:
                return (whole,)
        # An object that would fit is cut all the same: as an object it would be too large for Logging, or changed.
        return parts_of(self._envelope, record, after, min(room, len(self._envelope.object(record, after)) - 1))

    def _one_text(self, record: Record, after: int) -> bytes:
        """Return a payload of the envelope and the text of a whole object, a part like any other."""
        empty = self._envelope.object(replace(record, body=b"{}"), after)
        envelope = empty.removesuffix(b'"seal":{}}') if record.is_seal else empty[:-1] + b","
        text = _encode(record.body.decode()).encode()
        return b'%b"part":"1/1",%b"raw":%b}' % (ENVELOPE_START, envelope[len(ENVELOPE_START) :], text)

    def _members(self, record: Record) -> tuple[bytes, bytes]:
        """Return an entry's start with its timestamp, and its severity and labels."""
        if record.is_seal:
            return _start(record, ""), b'"severity":"INFO","labels":{"standpipe/kind":"seal"},'
        if record.torn:
            return _start(record, ""), b'"severity":"WARNING",'
        fields = parse_fields(record.body)
        kind, operation, mount_type, namespace = (
            cut_text(text, LABEL_VALUE_BYTES)
            for text in (fields.type, fields.operation, fields.mount_type, fields.namespace_path)
        )
        labels = self._labels(kind, operation, mount_type, namespace)
        return _start(record, fields.time), b'"severity":"%b",%b' % (b"ERROR" if fields.has_error else b"INFO", labels)

    def _make_labels(self, kind: str, operation: str, mount_type: str, namespace: str) -> bytes:
        own = {TYPE_LABEL: kind, OPERATION_LABEL: operation, MOUNT_TYPE_LABEL: mount_type, NAMESPACE_LABEL: namespace}
        kept = {key: value for key, value in own.items() if value and key not in self._taken}
        return b'"labels":%b,' % _encode(kept).encode() if kept else b""


def request_labels(journal_id: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that all entries have; one of the config's takes precedence."""
    return {JOURNAL_LABEL: journal_id, **labels}


def label_problem(labels: Mapping[str, str]) -> str:
    """Return why labels cannot be added; "" where they can."""
    if len(labels) > LABELS_MAX - OWN_LABELS:
        return f"{len(labels)} labels are too many: an entry holds {LABELS_MAX}, and {OWN_LABELS} are standpipe's own"
    if "" in labels:
        return "a label without a name"
    if long := next((key for key in labels if len(key.encode()) > LABEL_KEY_BYTES), ""):
        return f"the name of the label {long[:20]}… is longer than {LABEL_KEY_BYTES} bytes: Cloud Logging would cut it"
    size = sum(len(key.encode()) + len(value.encode()) for key, value in labels.items())
    if size > ADDED_LABELS_BYTES:
        return f"the labels have {size} bytes, which count in every entry's size: at most {ADDED_LABELS_BYTES}"
    return ""


def cut_text(text: str, size: int) -> str:
    """Return as much of a text as has at most size bytes in UTF-8, whole characters only."""
    if len(text) * 4 <= size:
        return text
    return text.encode()[:size].decode("utf-8", "ignore")


def timestamp(record: Record, time: str) -> str:
    """Return when a record says that it was written, as protobuf's JSON form of a Timestamp; "" where it does not say.

    time: the record's `time` member. A time that protobuf does not take would have the whole request refused.
    """
    nanoseconds = record_unix_nanoseconds(record, time)
    if nanoseconds is None:
        return ""
    seconds, rest = divmod(nanoseconds, NANOSECONDS_IN_SECOND)
    return f"{_second(seconds)}.{rest:09d}Z"


@lru_cache(maxsize=64)  # neighbours in a log have the same second
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _start(record: Record, time: str) -> bytes:
    text = timestamp(record, time)
    return b'%b%b",' % (TIMESTAMP_START, text.encode("ascii")) if text else b"{"
