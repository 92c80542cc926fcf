"""Tell whether a text is exactly one JSON object, and where in a damaged line such a text begins.

JSON as RFC 8259 has it, decided by msgspec, with three refusals on top that make the answer the same for every reader
downstream: bytes that are not UTF-8 (msgspec does not look inside strings that it skips), escapes for one half of a
surrogate pair (msgspec refuses them: no UTF-8 text can carry them), and nesting beyond ``NESTING_MAX``.
"""

import re
from itertools import accumulate, islice

import msgspec

NESTING_MAX = 600
"""Brackets open at once. Vault's ``max_json_depth`` is 500 by default (Vault docs, listener/tcp), and an audit entry
adds three around a request's data. CPython lets msgspec recurse 1000 deep, less what is on the stack: a limit of our
own, well below, keeps a record's boundaries from depending on who calls."""

SCAN_BLOCK_BYTES = 64 * 1024
"""Looked at in one go by the backward scan: bounds its memory, and what is read too far for an ordinary record."""

JSON_WHITESPACE = b" \t\r"  # RFC 8259 section 2, without the newline, which never occurs inside a line

_OPENING_BRACE, _CLOSING_BRACE = b"{}"
_NOT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_BRACKET = re.compile(rb"[{}\[\]]")
_STEPS = {ord("}"): 1, ord("]"): 1, ord("{"): -1, ord("["): -1}  # of the depth, walking from right to left


class _AnyObject(msgspec.Struct):
    """An object with members that nobody reads: msgspec checks their syntax and builds nothing."""


_decode = msgspec.json.Decoder(_AnyObject).decode


def _is_json(text: bytes) -> bool:
    try:
        _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return text.isascii() or _is_utf8(text)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_object(text: bytes) -> bool:
    """Tell whether a text, from ``{`` to ``}``, is exactly one JSON object. Raises nothing, whatever the bytes."""
    # Every record comes through here, so each pass over its bytes counts. msgspec goes first: behind it the text is not
    # empty, and only whitespace can stand around the object.
    try:
        _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    if text[0] != _OPENING_BRACE or text[-1] != _CLOSING_BRACE or not (text.isascii() or _is_utf8(text)):
        return False
    # replace() finds its byte with memchr(3); count() looks at each byte by itself and takes five times as long. An
    # object in an object takes five bytes more, `{"":` and `}`: a usual record is too short to nest too deep.
    length = len(text)
    opening = length - len(text.replace(b"[", b""))
    if opening + (length + 3) // 5 <= NESTING_MAX:
        return True
    opening += length - len(text.replace(b"{", b""))
    return opening <= NESTING_MAX or _opening_bracket(text) == 0


def find_object(line: bytes) -> int | None:
    """Return the index of the ``{`` from which the rest of a line is exactly one JSON object; None if there is none.

    Whitespace may follow the object. There is never more than one such index, so it is the leftmost one as well: in
    a text that ends with an object, a quote is escaped if an odd number of backslashes stands before it, the other
    quotes close and open strings in turns, and so the place of every bracket, inside a string or outside, is known from
    the right without knowing where the object begins. It begins where the last ``}`` finds its partner. One backward
    scan and one parse: linear time, and a string that quotes a record cannot pass for one.
    """
    text = line.rstrip(JSON_WHITESPACE)
    if not text.endswith(b"}"):
        return None
    start = _opening_bracket(text)
    if start is None or not _is_json(text[start:]):
        return None
    return start


def _opening_bracket(text: bytes) -> int | None:
    """Return the index of the partner of the bracket that ends the text; None without one, or beyond NESTING_MAX."""
    if b"\\" in text:  # same length, so that indexes stay; pairs first: what is left of a run is one that escapes
        text = text.replace(b"\\\\", b"  ").replace(b'\\"', b"  ")
    depth = 0
    end = len(text)
    outside = 0  # 0: the block's right end is outside of strings; 1: inside one
    while end > 0:
        start = max(0, end - SCAN_BLOCK_BYTES)
        parts = text[start:end][::-1].split(b'"')
        brackets = b"".join(parts[outside::2]).translate(None, _NOT_BRACKETS)
        closing = brackets.count(b"}") + brackets.count(b"]")
        opening = len(brackets) - closing
        if opening >= depth or depth + closing > NESTING_MAX:  # otherwise nothing can be decided in this block
            depths = list(accumulate(map(_STEPS.__getitem__, brackets), initial=depth))[1:]
            partner = depths.index(0) if 0 in depths else None
            if max(depths[:partner], default=0) > NESTING_MAX:
                return None
            if partner is not None:
                return end - 1 - _bracket_index(parts, outside, partner)
        depth += closing - opening
        outside ^= (len(parts) - 1) & 1
        end = start
    return None


def _bracket_index(parts: list[bytes], outside: int, number: int) -> int:
    """Return the index of the bracket outside of strings with this number, from 0, in ``'"'.join(parts)``."""
    visible = b'"'.join(part if index & 1 == outside else bytes(len(part)) for index, part in enumerate(parts))
    return next(islice(_BRACKET.finditer(visible), number, None)).start()
