"""What a server of Fluent's forward protocol says, read from a stream of bytes. Pure.

Replies are small: HELO, PONG, ack. They are read here because servers put random bytes into MessagePack's *str*, which
a reader of texts must refuse (Fluent Bit's nonce and salt), and because they come in pieces of any size.
"""

from __future__ import annotations

import struct

REPLY_BYTES_MAX = 64 << 10  # a HELO has some 80 bytes, a PONG 150: a larger one is no reply of this protocol
NESTING_MAX = 8  # a HELO has two levels

Reply = None | bool | int | float | bytes | list["Reply"] | dict[bytes, "Reply"]
"""A MessagePack value; str and bin are both bytes, a map's keys too, ext types are not used in replies."""

_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}  # MessagePack specification, "Formats"
_LENGTHS = {
    0xC4: (">B", "bytes"),
    0xC5: (">H", "bytes"),
    0xC6: (">I", "bytes"),
    0xD9: (">B", "bytes"),
    0xDA: (">H", "bytes"),
    0xDB: (">I", "bytes"),
    0xDC: (">H", "list"),
    0xDD: (">I", "list"),
    0xDE: (">H", "map"),
    0xDF: (">I", "map"),
}
_CONSTANTS: dict[int, bool | None] = {0xC0: None, 0xC2: False, 0xC3: True}


_FIXED_SHAPES = {0xA0: (0x1F, "bytes"), 0x90: (0x0F, "list"), 0x80: (0x0F, "map")}  # fixstr, fixarray, fixmap
POSITIVE_FIXINT_END, NEGATIVE_FIXINT_START, BYTE_END = 0x80, 0xE0, 0x100


class IncompleteError(Exception):
    """The bytes end inside a value."""


class ProtocolError(Exception):
    """The bytes are not of this protocol; the text says so as the end of a sentence."""


def read_reply(data: bytes) -> tuple[Reply, int]:
    """Return the first value and how many bytes it takes.

    Raises IncompleteError where more bytes are needed, ProtocolError where they can never be a reply.
    """
    reader = _Reader(data)
    try:
        value = reader.value(NESTING_MAX)
    except IncompleteError:
        if len(data) >= REPLY_BYTES_MAX:
            raise ProtocolError("the server sends more than a reply of the forward protocol") from None
        raise
    return value, reader.position


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def value(self, levels: int) -> Reply:
        if not levels:
            raise ProtocolError("the server's reply is nested too deeply")
        first = self._take(1)[0]
        if first < POSITIVE_FIXINT_END:
            return first
        if first >= NEGATIVE_FIXINT_START:
            return first - BYTE_END
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _NUMBERS:
            return self._number(_NUMBERS[first])
        return self._group(*self._shape(first), levels - 1)

    def _shape(self, first: int) -> tuple[int, str]:
        for start, (mask, shape) in _FIXED_SHAPES.items():
            if start <= first <= start + mask:
                return first & mask, shape
        if first not in _LENGTHS:
            raise ProtocolError("the server's reply is not of the forward protocol")
        form, shape = _LENGTHS[first]
        return int(self._number(form)), shape

    def _group(self, count: int, shape: str, levels: int) -> Reply:
        if count > REPLY_BYTES_MAX:
            raise ProtocolError("the server sends more than a reply of the forward protocol")
        if shape == "bytes":
            return self._take(count)
        if shape == "list":
            return [self.value(levels) for _ in range(count)]
        found: dict[bytes, Reply] = {}
        for _ in range(count):
            key = self.value(levels)
            if not isinstance(key, bytes):
                raise ProtocolError("the server's reply is not of the forward protocol")
            found[key] = self.value(levels)
        return found

    def _number(self, form: str) -> int | float:
        number: int | float = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return number

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise IncompleteError
        piece = self._data[self.position : end]
        self.position = end
        return piece
