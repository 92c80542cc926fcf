"""A record's JSON as the value of a Fluent record, and whether MessagePack could hold all of it. Pure.

MessagePack has integers from -2^63 to 2^64-1 and 64-bit floats, and its maps become hashes at the receiver: a larger
integer, a decimal that a double would round and a repeated member have no place in it. Nothing is rounded here: such a
number becomes the text of its digits, and the caller is told that the value is not exact, so that it can send the
record's text along.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

INTEGER_MIN = -(2**63)  # int 64, MessagePack specification, "int format family"
INTEGER_MAX = 2**64 - 1  # uint 64, the same
INTEGER_DIGITS = 20  # of INTEGER_MAX, or of INTEGER_MIN with its sign: more need not be computed

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def nests_deeper(members: dict[str, object], levels: int) -> bool:
    """Tell whether maps and lists stand more than so many levels inside each other; the map itself is the first."""
    layer: list[object] = [members]
    while layer:
        if not levels:
            return True
        levels -= 1
        layer = [child for item in layer for child in _children(item) if isinstance(child, dict | list)]
    return False


def _children(item: object) -> Iterable[object]:
    return item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()


def plain_members(text: bytes) -> dict[str, object] | None:
    """Return a JSON object's members where writing them as JSON gives the same text again, else None.

    Then nothing was rounded, moved or lost. Only an integer may still be beyond what MessagePack holds: msgspec raises
    OverflowError for it. Most records are plain, and this is some ten times faster than `careful_members`.
    """
    try:
        members = _decode(text)
        return members if isinstance(members, dict) and _encode(members) == text else None
    except (ValueError, RecursionError):  # a number that msgspec does not take, say
        return None


def careful_members(text: bytes) -> tuple[dict[str, object], bool]:
    """Return a JSON object's members as MessagePack can hold them, and whether they say all that the text says.

    A number that it cannot hold is the text of its digits. A member that is there twice has its last value, as with
    every JSON parser that keeps one. Raises ValueError or RecursionError for what is no JSON object, or is nested too
    deeply.
    """
    exact = True

    def integer(digits: str) -> int | str:
        nonlocal exact
        if len(digits) <= INTEGER_DIGITS and digits != "-0" and INTEGER_MIN <= (value := int(digits)) <= INTEGER_MAX:
            return value
        exact = False
        return digits

    def decimal(digits: str) -> float | str:
        nonlocal exact
        value = float(digits)
        if _is_same(digits, value):
            return value
        exact = False
        return digits

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal exact
        found = dict(pairs)
        exact = exact and len(found) == len(pairs)
        return found

    value = json.loads(text, parse_int=integer, parse_float=decimal, object_pairs_hook=members)
    if not isinstance(value, dict):
        raise ValueError("The text is no JSON object")  # noqa: TRY004 - it is the text that is wrong
    return value, exact


def _is_same(digits: str, value: float) -> bool:
    """Tell whether a double, written as shortly as it can be, is the number that the digits say."""
    if math.isinf(value):
        return False
    if value == 0:
        return not any(digit in "123456789" for digit in digits.lower().partition("e")[0])
    return Decimal(digits) == Decimal(repr(value))
