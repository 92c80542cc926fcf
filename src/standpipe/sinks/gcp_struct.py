"""What of a JSON object survives in Cloud Logging's jsonPayload, a google.protobuf.Struct. Pure.

A Struct is a map with one value a key, and its numbers are IEEE 754 doubles (struct.proto: "Struct", "Value"). So these
do not survive, and are found here, one object at a time:

- a number that a double cannot hold (9007199254740993, or more digits than a double has): the double next to it would
  be stored. `exact` then names the number's place and text;
- a number beyond a double's range (1e400, 1e-400): protobuf refuses the whole request, so the object goes as text;
- a key that occurs twice in one object, or nesting beyond what protobuf's parsers take: as text as well.

Vault's own entries pass through Go's float64 and maps, so hardly any record needs this; all others go unchanged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from math import isinf
from typing import TYPE_CHECKING

import msgspec

from standpipe.records.objects import NESTING_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NESTING_STRUCT = 30
"""Brackets open at once. Protobuf's parsers stop at 100 nested messages (CodedInputStream: "default recursion limit");
one object within another is three messages (fields entry, Value, Struct), and the request, the entry, the payload and
the envelope stand around them."""

VALUE_OVERHEAD_BYTES = 21
"""The most that a Struct adds to a value's own text: a map entry's tag and length, the key's, the value's and the
inner message's (up to 4 bytes each for the sizes that occur), or a number's tag and 8 bytes."""

OWN_KEY = "standpipe"

_DIGITS = bytes.maketrans(b"123456789.", b"0000000000")
_SUSPECT = (b"0e", b"0E", b"0" * 16)
"""In what is outside strings, with all digits and points made 0: an exponent, or more digits than a double always
keeps, which is 15 (DBL_DIG of C's float.h)."""


_decode = msgspec.json.Decoder().decode
_UNREADABLE = (msgspec.DecodeError, RecursionError, OverflowError)


@dataclass(frozen=True, slots=True)
class Fit:
    """How an object fits into a Struct.

    whole: False where it must go as text. exact: JSON pointers (RFC 6901) of the numbers that a double changes, and
    their text. bytes_max: an upper bound of the Struct's size in protobuf's binary form.
    """

    whole: bool
    exact: Mapping[str, str] = field(default_factory=dict)
    bytes_max: int = 0


class _Inexact(str):
    """The text of a number that a double changes."""

    __slots__ = ()


class _UnfitError(Exception):
    """It cannot be a Struct with the same meaning."""


def fit(body: bytes) -> Fit:
    """Say how a JSON object (one that records.objects.is_object accepts) fits. Raises nothing."""
    outside = _outside(body)
    brackets = outside.count(b"{") + outside.count(b"[")
    bytes_max = len(body) + VALUE_OVERHEAD_BYTES * (brackets + outside.count(b","))
    if brackets <= NESTING_STRUCT and not _has_suspect_number(outside) and _keys_are_unique(body, outside):
        return Fit(whole=True, bytes_max=bytes_max)
    if brackets > NESTING_STRUCT and _depth(outside) > NESTING_STRUCT:
        return Fit(whole=False)
    try:
        parsed = json.loads(body, parse_int=_number, parse_float=_number, object_pairs_hook=_unique)
    except _UnfitError:
        return Fit(whole=False)
    if OWN_KEY in parsed:
        return Fit(whole=False)
    return Fit(whole=True, exact=dict(_inexact(parsed, "")), bytes_max=bytes_max)


def _outside(body: bytes) -> bytes:
    """Return what stands outside of strings."""
    if b"\\" in body:  # pairs first: what is left of a run of backslashes is one that escapes
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(body.split(b'"')[::2])


def _depth(outside: bytes) -> int:
    depth = deepest = 0
    for byte in outside:
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return min(deepest, NESTING_MAX)


def _has_suspect_number(outside: bytes) -> bool:
    digits = outside.translate(_DIGITS)
    return any(suspect in digits for suspect in _SUSPECT)


def _keys_are_unique(body: bytes, outside: bytes) -> bool:
    """Tell cheaply whether no object has a key twice, nor the outermost one ours; False where that is not sure.

    A decoder keeps one member of each key. So if what it kept has as many members as there are colons outside of
    strings, none went.
    """
    try:
        parsed = _decode(body)
    except _UNREADABLE:
        return False
    return OWN_KEY not in parsed and _members(parsed) == outside.count(b":")


def _members(value: object) -> int:
    """Return how many members all objects in a decoded value have."""
    count = 0
    todo = [value]
    while todo:
        found = todo.pop()
        if isinstance(found, dict):
            count += len(found)
            todo += [inner for inner in found.values() if isinstance(inner, dict | list)]
        elif isinstance(found, list):
            todo += [inner for inner in found if isinstance(inner, dict | list)]
    return count


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _UnfitError
    return members


def _number(text: str) -> object:
    """Return 0 for a number that survives as a double and its shortest text, as all JSON writers give it."""
    double = float(text)
    value = Decimal(text)
    if isinf(double) or (double == 0.0) is not (value == 0):
        raise _UnfitError
    return 0 if Decimal(repr(double)) == value else _Inexact(text)


def _inexact(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Inexact):
        yield pointer, str(value)
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _inexact(member, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _inexact(member, f"{pointer}/{index}")
