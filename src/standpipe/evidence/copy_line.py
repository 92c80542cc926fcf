"""What one line of a copy from downstream carries: a record in its envelope, a seal, or neither. Pure.

The envelope is that of records.envelope. Where it is the first member, as we write it, everything behind it is the
record to the byte, and it is taken by slicing. Where something on the way encoded the line anew, members may stand in
another order and bytes may differ; then the record is marked as encoded anew, so that nobody takes its bytes for
Vault's.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import TYPE_CHECKING

import msgspec

from standpipe.journal.layout import OFFSET_DIGITS
from standpipe.records.gcp_line import INSERT_ID_KEY, LABELS_KEY, SEVERITY_KEY
from standpipe.records.objects import is_object

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = b'"standpipe"'
"""No line without it has our envelope, unless its letters are written as escapes, which no JSON writer does."""

_USUAL = re.compile(
    rb'\{"standpipe":\{"id":"([^"\\]+)-(\d{%d})","journal":"([^"\\]+)","offset":(\d{1,20}),"length":(\d{1,20})'
    rb',"after":(\d{1,20})(?:,"labels":\{[^{}]*\})?\},?' % OFFSET_DIGITS
)
_START = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"standpipe"[ \t\r\n]*:[ \t\r\n]*')
_AFTER_ENVELOPE = re.compile(rb"[ \t\r\n]*,?")
_PART = re.compile(r"([1-9]\d{0,8})/([1-9]\d{0,8})")
_IN_FRONT = frozenset((SEVERITY_KEY, INSERT_ID_KEY, LABELS_KEY))  # what format gcp puts before the envelope

OFFSET_MAX = 10**OFFSET_DIGITS - 1

_json_decoder = json.JSONDecoder()


class CopiedRecord(msgspec.Struct, gc=False):
    """A record, or a part of one, as some copy has it."""

    journal: str
    offset: int
    length: int
    """Bytes in the journal, by the envelope."""
    after: int
    body: bytes
    """The record's bytes as they stand in the copy, without the newline; of a part, its piece."""
    number: int = 1
    count: int = 1
    """Part `number` of `count`."""
    torn: bool = False
    dropped: bool = False
    """Fields were cut out for this destination: the bytes cannot be the journal's."""
    reencoded: bool = False
    """The bytes went through another JSON writer."""
    malformed: bool = False
    """Its length is right and it is no JSON object: some byte is another one now."""


class CopiedSeal(msgspec.Struct, gc=False):
    """A seal, or a part of one. body: the seal file's object, or a piece of it."""

    journal: str
    offset: int
    length: int
    body: bytes
    number: int = 1
    count: int = 1
    reencoded: bool = False


class Odd(msgspec.Struct, gc=False):
    """A line that begins like one of ours and is none. what: `cut` or `envelope-wrong`."""

    what: str
    detail: str
    offset: int | None = None
    length: int | None = None
    journal: str = ""


Copied = CopiedRecord | CopiedSeal | Odd


def parse_copy(line: bytes, *, reencoded: bool = False, data: Mapping[str, object] | None = None) -> Copied | None:
    """Return what a line carries; None where it has no envelope. Raises nothing, whatever the bytes.

    reencoded: what stands around the line shows that its object went through another JSON writer. data: an envelope
    that stands beside the line, where it has none of its own.
    """
    if data is not None and MARK not in line:
        beside = str(data.get("id", ""))[: -OFFSET_DIGITS - 1]
        return carried({"journal": beside, **data}, line, reencoded=reencoded)
    usual = None if reencoded else _USUAL.match(line)
    if usual is None:
        return _parse_other(line, reencoded=reencoded) if MARK in line else None
    in_id, id_offset, journal, offset, length, after = usual.groups()
    body = b"{" + line[usual.end() :].rstrip(b" \t\r\n")
    if in_id != journal or int(id_offset) != int(offset) or int(after) > int(offset) or not int(length):
        return _wrong(journal.decode("utf-8", "replace"), int(offset), int(length))
    valid = is_object(body)
    if not valid and len(body) + 1 != int(length):
        return Odd("cut", f"{len(line):,} bytes that end too early, or are no JSON", int(offset), int(length))
    return CopiedRecord(
        journal.decode("utf-8", "replace"), int(offset), int(length), int(after), body, malformed=not valid
    )


def _wrong(journal: str, offset: int, length: int) -> Odd:
    detail = "id, journal, offset, length and after do not fit together"
    return Odd("envelope-wrong", detail, offset, length, journal)


def _parse_other(line: bytes, *, reencoded: bool) -> Copied | None:
    """Do what parse_copy does for a line in any other form."""
    found = _split_first(line)
    if found is None:
        found, reencoded = _split_anywhere(line, reencoded=reencoded)
        if found is None:
            return Odd("cut", f"{len(line):,} bytes that are no JSON object") if _begins(line) else None
    envelope, body = found
    return carried(envelope, body, reencoded=reencoded)


def _begins(line: bytes) -> bool:
    return _START.match(line) is not None


def _split_first(line: bytes) -> tuple[Mapping[str, object], bytes] | None:
    """Return the envelope and the record where the envelope comes first, so that the record is exact to the byte."""
    start = _START.match(line)
    if start is None:
        return None
    try:
        # Latin-1: a character a byte, so that places are the same. An envelope is ASCII as we write it.
        envelope, end = _json_decoder.raw_decode(line.decode("latin-1"), start.end())
    except (ValueError, RecursionError):
        return None
    if not isinstance(envelope, dict):
        return None
    behind = _AFTER_ENVELOPE.match(line, end)
    body = b"{" + line[behind.end() if behind else end :].rstrip(b" \t\r\n")
    return (envelope, body) if is_object(body) else None


def _split_anywhere(line: bytes, *, reencoded: bool) -> tuple[tuple[Mapping[str, object], bytes] | None, bool]:
    """Find the envelope among the members of an object; also say whether the record's bytes are no longer sure."""
    try:
        members = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        envelope = json.loads(bytes(members["standpipe"])) if "standpipe" in members else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None, reencoded
    if not isinstance(envelope, dict):
        return None, reencoded
    before = list(members)[: list(members).index("standpipe")]
    place = line.find(MARK + b":" + bytes(members["standpipe"]))
    if not reencoded and place > 0 and _IN_FRONT.issuperset(before):
        exact = _split_first(b"{" + line[place:])
        if exact is not None:
            return exact, False
    rest = {key: value for key, value in members.items() if key != "standpipe"}
    return (envelope, msgspec.json.encode(rest)), True


def _count(value: object) -> int | None:
    """Return a whole number of bytes; a Struct of Google's has it as a double, and some writers as a text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= OFFSET_MAX else None


def carried(envelope: Mapping[str, object], body: bytes, *, reencoded: bool) -> Copied | None:
    """Return what an envelope and the object's other members say. body: the object without the envelope."""
    journal, identity = envelope.get("journal"), envelope.get("id")
    offset, length = _count(envelope.get("offset")), _count(envelope.get("length"))
    if not isinstance(journal, str) or not isinstance(identity, str) or offset is None or length is None:
        return None  # somebody else's member of that name
    number, count = _part(envelope.get("part"))
    expected = f"{journal}-{offset:0{OFFSET_DIGITS}d}"
    if envelope.get("kind") == "seal":
        piece = _piece(body) if "part" in envelope else _member(body, "seal")
        if piece is None or number > count or not identity.startswith(f"{expected}-"):
            return _wrong(journal, offset, length)
        return CopiedSeal(journal, offset, length, piece, number, count, reencoded)
    after = _count(envelope.get("after"))
    if after is None or after > offset or identity != expected or number > count or not length:
        return _wrong(journal, offset, length)
    record = CopiedRecord(
        journal,
        offset,
        length,
        after,
        body,
        number,
        count,
        torn=envelope.get("torn") is True,
        dropped="dropped" in envelope,
        reencoded=reencoded,
    )
    return _with_text(record) if record.torn or "part" in envelope else record


def _with_text(record: CopiedRecord) -> Copied:
    """Return a record whose bytes stand under `raw` or `raw_base64`: exact, whatever JSON writer was on the way."""
    if record.torn and record.dropped:
        record.body = b""
        return record
    piece = _piece(record.body)
    if piece is None:
        return _wrong(record.journal, record.offset, record.length)
    record.body, record.reencoded = piece, False
    return record


def _part(value: object) -> tuple[int, int]:
    match = _PART.fullmatch(value) if isinstance(value, str) else None
    return (int(match[1]), int(match[2])) if match else (1, 1)


class _Pieces(msgspec.Struct, gc=False):
    raw: str | None = None
    raw_base64: str | None = None


def _piece(body: bytes) -> bytes | None:
    """Return the bytes under `raw` or `raw_base64`."""
    try:
        members = msgspec.json.decode(body, type=_Pieces)
        if members.raw is not None:
            return members.raw.encode()
        return b64decode(members.raw_base64, validate=True) if members.raw_base64 is not None else None
    except (msgspec.MsgspecError, ValueError):
        return None


def _member(body: bytes, name: str) -> bytes | None:
    """Return the bytes of a member's value as they stand."""
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        return None
    return bytes(members[name]).strip() if name in members else None
