"""A copied record on its way to being sorted: one tuple, and how sure its bytes are. Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from standpipe.evidence.go_form import go_form

if TYPE_CHECKING:
    from standpipe.evidence.copy_line import CopiedRecord

EXACT, RESTORED, INEXACT = range(3)  # the bytes are the journal's; may be, once more in Vault's form; are not
TORN, DROPPED, REENCODED, MALFORMED = 1, 2, 4, 8  # flags


class Entry(NamedTuple):
    """One copy of a record or of a part. Sorted by its first six members, the last of which is no other entry's."""

    journal: int  # a number for its id, in the order in which they are met
    offset: int
    parts: int  # how many there are of the record; 1: it is whole
    number: int
    rank: int  # EXACT, RESTORED, INEXACT: the best copy comes first
    sequence: int
    length: int
    after: int
    flags: int
    source: int  # which input
    line: int  # in it, from 1
    body: bytes


_HEAD = struct.Struct("<IQIIBQQQBIQI")
HEAD_BYTES = _HEAD.size


def pack(entry: Entry) -> tuple[bytes, bytes]:
    """Return an entry as bytes: what has a fixed size, which ends with the body's length, and the body."""
    return _HEAD.pack(*entry[:-1], len(entry.body)), entry.body


def unpack_head(head: bytes) -> tuple[tuple[int, ...], int]:
    """Return the numbers of an entry, and how many bytes of body follow."""
    *numbers, size = _HEAD.unpack(head)
    return tuple(numbers), size


def judge_bytes(record: CopiedRecord, prefix: bytes = b"") -> tuple[int, bytes]:
    """Return how sure a record's bytes are, and the bytes to keep.

    prefix: what Vault's option of that name puts before each record.
    """
    body, length = record.body, record.length
    if record.dropped:
        return INEXACT, body
    if record.count > 1:
        return EXACT, body  # whether the parts make up the record shows when they are joined
    if record.torn:
        return (EXACT if length - len(body) in (0, 1) else INEXACT), body
    return _judge_object(record, prefix)


def _judge_object(record: CopiedRecord, prefix: bytes) -> tuple[int, bytes]:
    body, length = record.body, record.length
    if not record.reencoded and length in (len(body) + 1, len(body) + 1 + len(prefix)):
        return EXACT, body
    restored = body if record.malformed else go_form(body)
    if length in {len(restored) + 1, len(restored) + 1 + len(prefix)}:
        return RESTORED, restored
    return INEXACT, body


def raw_bytes(body: bytes, length: int, prefix: bytes, *, torn: bool) -> bytes | None:
    """Return the journal's bytes of a record whose body is exact; None where they do not have its length."""
    for raw in (body,) if torn and len(body) == length else (body + b"\n", prefix + body + b"\n"):
        if len(raw) == length:
            return raw
    return None


def flags_of(record: CopiedRecord) -> int:
    """Return a record's flags as one number."""
    return (
        (TORN if record.torn else 0)
        | (DROPPED if record.dropped else 0)
        | (REENCODED if record.reencoded else 0)
        | (MALFORMED if record.malformed else 0)
    )
