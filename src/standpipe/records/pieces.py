"""Any bytes as pieces of JSON text that have a size: where to cut, and what a piece looks like. Pure.

The pieces are made one at a time, so a record of many MiB never stands in memory a second time as text.
"""

import json
from base64 import b64encode

CHARACTER_BYTES_MAX = 12  # two escapes, "\ud83d\ude00": the longest form of one character
CHECK_BYTES = 1 << 20  # of a body that is asked whether it is UTF-8, at a time
CONTINUATION_MASK, CONTINUATION = 0xC0, 0x80  # of a UTF-8 byte that is not a character's first: RFC 3629 section 3
BASE64_IN, BASE64_OUT = 3, 4  # bytes and characters of one group: RFC 4648 section 4

_HIGH_SURROGATES = (r"\ud8", r"\ud9", r"\uda", r"\udb")  # a low one follows: encode was given whole characters

# All but ASCII is escaped, and so is every control character: no line separator of Unicode can cut a line in two for
# a reader that splits on those, and nothing can drive a terminal.
encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def is_text(body: bytes) -> bool:
    """Tell whether bytes are UTF-8."""
    if body.isascii():
        return True
    start = 0
    while start < len(body):
        end = character_start(body, start + CHECK_BYTES)
        try:
            body[start:end].decode()
        except UnicodeDecodeError:
            return False
        start = end
    return True


def character_start(body: bytes, index: int) -> int:
    """Return the index, or the one before it where the character that stands there begins; the end beyond the end.

    Of bytes that are no UTF-8, some index at most three before.
    """
    if index >= len(body):
        return len(body)
    lowest = max(0, index - 3)
    while index > lowest and body[index] & CONTINUATION_MASK == CONTINUATION:
        index -= 1
    return index


def raw_member(body: bytes) -> tuple[str, str]:
    """Return the key and the text between the quotes under which any bytes can stand in JSON."""
    try:
        return "raw", encode(body.decode())[1:-1]
    except UnicodeDecodeError:
        return "raw_base64", b64encode(body).decode("ascii")


def text_piece(body: bytes, start: int, room: int) -> int:
    """Return the end of the longest piece from start that takes at most room characters as JSON text.

    body is UTF-8, start a character's first byte, room at least CHARACTER_BYTES_MAX.
    """
    end = character_start(body, start + room)
    text = encode(body[start:end].decode())[1:-1]
    if len(text) <= room:
        return end
    cut = _cut(text, room)
    whole: str = json.loads(f'"{text[:cut]}"')
    return start + len(whole.encode())


def binary_piece(body: bytes, start: int, room: int) -> int:
    """Return the same for bytes that go as base64."""
    return min(len(body), start + room // BASE64_OUT * BASE64_IN)


def _cut(text: str, room: int) -> int:
    """Return the last place at or before room at which encoded text may be cut: between characters of the original."""
    escapes = text.replace(r"\\", r"\-")  # as long as before, and now every backslash begins an escape
    end = room
    while end < len(text):
        place = escapes.rfind("\\", max(0, end - CHARACTER_BYTES_MAX + 1), end)
        if place < 0 or place + _escape_length(escapes, place) <= end:
            break
        end = place  # perhaps the second half of a surrogate pair: then the first one is found now
    return end


def _escape_length(text: str, place: int) -> int:
    if text.startswith(_HIGH_SURROGATES, place):
        return CHARACTER_BYTES_MAX
    return 6 if text.startswith("\\u", place) else 2
