"""What a record in a journal, or a line of a stream, is for somebody who watches requests go by. Pure.

A stream is raw, as Vault wrote it, or has our envelope in front (records.envelope), also in Cloud Logging's form. The
parts of a record that was too large for its destination are put together where they follow on one another.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from standpipe.analysis.tail_half import Half, half_of, parse_entry
from standpipe.records.pair_fields import is_jsonx

if TYPE_CHECKING:
    from standpipe.records.framing import Record

TORN: Final = "torn"
GAP: Final = "gap"
NO_ENTRY: Final = "no-entry"
JSONX: Final = "jsonx"

_SEAL: Final = "seal"
_RAW: Final = "raw"
_RAW_BASE64: Final = "raw_base64"
_HALF_A_RECORD: Final = frozenset(b"{<")  # with which JSON and JSONX begin


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is no half of a request. kind: TORN, GAP (addresses that hold nothing), NO_ENTRY or JSONX."""

    kind: str
    journal: str
    offset: int | None
    length: int


def item_of(record: Record, journal: str) -> Half | Notice:
    """Return what a journal's record is."""
    entry = None if record.torn else parse_entry(record.body)
    return _as_item(entry, record, journal, record.offset)


def _as_item(entry: dict[str, object] | None, record: Record, journal: str, offset: int | None) -> Half | Notice:
    half = None if entry is None else half_of(entry, journal, offset)
    if half is not None:
        return half
    if entry is not None:
        return Notice(NO_ENTRY, journal, offset, record.length)
    kind = JSONX if is_jsonx(record.body) else TORN
    return Notice(kind, journal, offset, record.length)


class StreamReader:
    """Tells what the records of one stream are, where each is a line of it."""

    def __init__(self) -> None:
        """Begin without a part of a record."""
        self._parts: list[bytes] = []
        self._parts_of = ""

    def item_of(self, record: Record, *, last: bool = False) -> Half | Notice | None:
        """Return what a line is; None for a seal, for an empty line, and for a part of a record that is not whole yet.

        offset: as its envelope says; None on a raw stream. What stands in front of a record on its line (a time, a name
        of a pod, CRI's `stdout F`) is no item; half a record there, which has a brace, is one. last: the stream ends
        here, and no record follows.
        """
        in_front = record.torn and not last and record.length == len(record.body)
        if in_front and not _HALF_A_RECORD.intersection(record.body):
            return None
        entry = None if record.torn else parse_entry(record.body)
        envelope = None if entry is None else entry.get("standpipe")
        if not isinstance(envelope, dict) or not isinstance(envelope.get("journal"), str):
            return None if not record.body.strip() else _as_item(entry, record, "", None)
        if envelope.get("kind") == _SEAL:
            return None
        journal, offset, length = str(envelope["journal"]), envelope.get("offset"), envelope.get("length")
        offset = offset if isinstance(offset, int) else None
        length = length if isinstance(length, int) else record.length
        assert entry is not None  # noqa: S101 - it has the envelope
        if "part" in envelope:
            return self._take_part(envelope, entry, Notice(TORN, journal, offset, length))
        half = None if envelope.get("torn") else half_of(entry, journal, offset)
        return half or Notice(TORN if envelope.get("torn") else NO_ENTRY, journal, offset, length)

    def _take_part(self, envelope: dict[str, object], entry: dict[str, object], torn: Notice) -> Half | Notice | None:
        number, _, of = str(envelope["part"]).partition("/")
        identity = str(envelope.get("id"))
        if number == "1":
            self._parts, self._parts_of = [], identity
        if identity != self._parts_of or number != str(len(self._parts) + 1):
            return torn if number == of else None
        self._parts.append(_raw(entry))
        if number != of:
            return None
        whole = parse_entry(b"".join(self._parts))
        self._parts, self._parts_of = [], ""
        half = None if whole is None else half_of(whole, torn.journal, torn.offset)
        return half or torn


def _raw(entry: dict[str, object]) -> bytes:
    text, encoded = entry.get(_RAW), entry.get(_RAW_BASE64)
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(encoded) if isinstance(encoded, str) else b""
    except binascii.Error:
        return b""
