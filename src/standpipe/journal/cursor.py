"""cursors/<sink>: how far one sink has acknowledged, in two checksummed slots.

Layout: slot 0 at byte 0, slot 1 at byte 4096, so a torn sector or page can hurt only one of them. A slot is one line
of text, readable with ``cat``: the JSON object below, a space, the CRC-32 of the object's bytes as 8 hex digits, spaces
up to SLOT_BYTES, and a newline. Each update writes the slot that holds the older
state with one pwrite(2); the valid slot with the highest ``sequence`` counts. A mapped file would die
of SIGBUS on a full volume; pwrite says ENOSPC.

    sequence   counts updates
    offset     the end of the contiguous acknowledged prefix
    after      the end of the last record sent (the next record's envelope says it)
    writing    the end of the write under way (stdout only), or null: if we die now, bytes in [offset, writing)
               may have reached the reader, or a part of them
    output     which pipe or file the sink was writing to (stdout only), or null
    unread     bytes that the reader of that pipe may not have taken: after a clean stop what was in it, else its
               capacity; null: unknown
    sealed     the end of the last segment whose seal was acknowledged; null where this sink gets no seals
    idle       the number of the last idle seal at `sealed` that was acknowledged; 0: none
    delivered, filtered, dead_letters
               records acknowledged, passed over by `select`, and refused for ever, since this file was made

pwrite survives the death of the process. Two make a cursor durable (fdatasync): keep, once a second where it has moved
and at once where the journal needs room, and always before it deletes a segment; and ship, when it closes the file.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, fields, replace

from standpipe.journal.atomic import fsync_directory
from standpipe.journal.layout import FILE_MODE, IDLE_NUMBER_MAX

SLOT_BYTES = 512  # one sector: written whole or not at all on most disks
SLOT_SPACING_BYTES = 4096  # a page and a block of its own for each slot
SLOT_COUNT = 2
CHECKSUM_DIGITS = 8
BLANK_SLOT = b" " * (SLOT_BYTES - 1) + b"\n"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A sink's state; see the module's docstring for the members."""

    offset: int
    after: int
    writing: int | None = None
    output: str | None = None
    unread: int | None = None
    sequence: int = 0
    sealed: int | None = None
    idle: int = 0
    delivered: int = 0
    filtered: int = 0
    dead_letters: int = 0

    @property
    def released(self) -> int:
        """The offset up to which the journal may be given up: what this sink wants of it, it has."""
        return self.offset if self.sealed is None else min(self.offset, self.sealed)

    @property
    def released_seal(self) -> tuple[int, int]:
        """The place (base, number) up to which idle seals may go: what this sink wants of them, it has."""
        everything = (self.offset, IDLE_NUMBER_MAX)
        return everything if self.sealed is None else min(everything, (self.sealed, self.idle))


MEMBERS = tuple(field.name for field in fields(Cursor))
_encode = json.JSONEncoder(separators=(",", ":")).encode


def encode_slot(cursor: Cursor) -> bytes:
    """Render one slot, SLOT_BYTES long. Raises ValueError where it does not fit."""
    # Not dataclasses.asdict: it copies deeply, and was a third of what ship did for a batch.
    body = _encode({name: getattr(cursor, name) for name in MEMBERS}).encode()
    checksum = f" {zlib.crc32(body):0{CHECKSUM_DIGITS}x}"
    line = (body + checksum.encode()).ljust(SLOT_BYTES - 1) + b"\n"
    if len(line) != SLOT_BYTES:
        raise ValueError(f"a cursor slot of {len(line)} bytes does not fit in {SLOT_BYTES}")
    return line


def _is_offset(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def decode_slot(data: bytes) -> Cursor | None:
    """Read one slot; None where it is empty, torn or not ours."""
    body, _, checksum = data[:SLOT_BYTES].rstrip(b" \n").rpartition(b" ")
    if checksum != f"{zlib.crc32(body):0{CHECKSUM_DIGITS}x}".encode():
        return None
    try:
        cursor = Cursor(**json.loads(body))
    except (ValueError, TypeError):
        return None
    numbers_hold = all(_is_offset(value) for value in (cursor.offset, cursor.after, cursor.sequence))
    return cursor if numbers_hold and (cursor.writing is None or _is_offset(cursor.writing)) else None


def newest(slots: list[Cursor | None]) -> Cursor | None:
    """Return the valid slot with the highest sequence."""
    valid = [slot for slot in slots if slot is not None]
    return max(valid, key=lambda slot: slot.sequence, default=None)


def _read_slots(descriptor: int) -> list[Cursor | None]:
    return [decode_slot(os.pread(descriptor, SLOT_BYTES, i * SLOT_SPACING_BYTES)) for i in range(SLOT_COUNT)]


def read_cursor(path: str) -> Cursor | None:
    """Read a sink's state; None where the file is missing or no slot is valid. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return newest(_read_slots(descriptor))
    finally:
        os.close(descriptor)


def make_durable(path: str) -> Cursor | None:
    """Read a sink's state and make at least that state durable before returning it. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        cursor = newest(_read_slots(descriptor))
        os.fdatasync(descriptor)
        return cursor
    finally:
        os.close(descriptor)


class CursorFile:
    """The one writer of a sink's cursor."""

    def __init__(self, path: str) -> None:
        """Open or create the file, with room for both slots so that a full volume cannot stop it. Raises OSError."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
        if not os.fstat(self._descriptor).st_size:
            for slot in range(SLOT_COUNT):
                os.pwrite(self._descriptor, BLANK_SLOT, slot * SLOT_SPACING_BYTES)
            fsync_directory(os.path.dirname(path))
        self.state = newest(_read_slots(self._descriptor))
        self.damaged = self.state is None and not self._is_blank()

    def _is_blank(self) -> bool:
        """Was no state ever written? A slot that a crash left as zeros was not."""
        content = os.pread(self._descriptor, SLOT_SPACING_BYTES + SLOT_BYTES, 0)
        return not content.strip(b" \n\0")

    def update(self, **changes: object) -> Cursor:
        """Write a new state into the older slot. Raises OSError (the state before stands)."""
        before = self.state or Cursor(0, 0)
        cursor = replace(before, sequence=before.sequence + 1, **changes)  # type: ignore[arg-type]
        position = cursor.sequence % SLOT_COUNT * SLOT_SPACING_BYTES
        os.pwrite(self._descriptor, encode_slot(cursor), position)
        self.state = cursor
        return cursor

    def close(self) -> None:
        """Make the state durable and close. Raises OSError."""
        os.fdatasync(self._descriptor)
        os.close(self._descriptor)
