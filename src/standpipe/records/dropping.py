"""Cuts members out of records for one destination: its ``drop_fields``. The journal keeps them.

A field is a dotted path of member names from the record's top: ``request.data``, ``auth.accessor``. (So a name with a
dot in it cannot be given.) An array on the way stands for all its elements, and theirs. Where a key is repeated, every
member of that name goes, however the name is spelt (the last letter of ``data`` as an escape, say) and whatever its
value is.

The members' bytes are cut out, each with one comma. Everything that stays is what it was to the byte: numbers, escapes,
whitespace within values, order, repeated keys.

Nothing can be cut out of a torn record safely, for what is missing of it may be the key. So that nothing leaks, all
of it is withheld: its body becomes empty and its `dropped` is ``("*",)``; the envelope then has no ``raw``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, TypeAlias

from standpipe.errors import UsageError
from standpipe.records.framing import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

WITHHELD = ("*",)
"""The `dropped` of a torn record."""

# By member name, in UTF-8: what to look for inside its value, or the field that ends here.
_Tree: TypeAlias = "dict[bytes, _Tree | str]"

# These read a valid object in which no string contains a quote or a backslash before one (_plain_strings). All
# repeats are possessive: no way back means linear time, and no memory for it.
_MEMBER = re.compile(
    rb"[ \t\r\n]*+(,)?+[ \t\r\n]*+"
    rb'"([^"]*+)"[ \t\r\n]*+:[ \t\r\n]*+'
    rb'(?:"[^"]*+"|[^"{}\[\],]++)?+'  # the value, unless it begins with a bracket
)
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:"[^"]*+"[^"{}\[\]]*+)*+[{}\[\]]')

_OPENING = b"{["
_NO_MEMBER_YET = {ord("{"): False, ord("["): None}
_SHORT_ESCAPES = frozenset('"\\/\b\f\n\r\t')  # what can be spelt with a backslash and one more character


class Dropper:
    """Cuts the same fields out of every record."""

    __slots__ = ("_fields", "_is_plain", "_marks", "_tree")

    def __init__(self, fields: tuple[str, ...]) -> None:
        """Take the dotted paths; raise UsageError for one in which a name is empty.

        A path that leads into another one's member is left out: what it names goes with that member.
        """
        self._tree: _Tree = {}
        for field in sorted(fields, key=len):
            _grow(self._tree, field)
        ends = set(_ends(self._tree))
        self._fields = tuple(dict.fromkeys(field for field in fields if field in ends))
        # The names that a record must have, each with its quotes, for the field to be in it.
        self._marks = [[b'"%b"' % name.encode() for name in field.split(".")] for field in self._fields]
        self._is_plain = not any(_SHORT_ESCAPES.intersection(field) for field in self._fields)

    def apply(self, record: Record) -> Record:
        """Return the record without the fields: the same object where there are none of them.

        Otherwise a copy with the shorter body, and in `dropped` the fields that were there, in the order of the config;
        offset and length stay those of the journal. A seal is returned as it is. Raises nothing.
        """
        if record.is_seal:
            return record
        body = record.body
        if record.torn:
            return Record(record.offset, record.length, b"", torn=True, dropped=WITHHELD) if body else record
        if self._is_plain and b"\\u" not in body and not any(all(m in body for m in marks) for marks in self._marks):
            return record  # the usual case of a field that only some records have, without a look at the structure
        shorter, found = _without(body, self._tree)
        if not found:
            return record
        dropped = tuple(field for field in self._fields if field in found)
        return Record(record.offset, record.length, shorter, torn=False, dropped=dropped)


def _grow(tree: _Tree, field: str) -> None:
    *names, last = (name.encode() for name in field.split("."))
    if not all((*names, last)):
        raise UsageError(
            f"drop_fields: {field!r} has an empty name in it",
            "Write the names of the members from the record's top with a dot between them, as in request.data",
        )
    for name in names:
        branch = tree.setdefault(name, {})
        if isinstance(branch, str):
            return
        tree = branch
    tree.setdefault(last, field)


def _ends(tree: _Tree) -> Iterable[str]:
    for branch in tree.values():
        if isinstance(branch, str):
            yield branch
        else:
            yield from _ends(branch)


def _without(body: bytes, tree: _Tree) -> tuple[bytes, set[str]]:  # noqa: C901 - one loop: no call for each member
    """Return an object without the fields in a tree, and those that were there."""
    text = _plain_strings(body)
    kept = bytearray()  # what stays of body[:copied]
    copied = 0
    found: set[str] = set()
    # Of the object or array around the position: what is looked for in it, and whether one of an object's members so
    # far stays. None: it is an array. `around` has the same of those around it.
    stays: bool | None = False
    around: list[tuple[_Tree, bool | None]] = []
    position = 1
    while True:
        if stays is None:
            position = _bracket_end(text, position)
            if text[position - 1] in _OPENING:
                around.append((tree, None))
                stays = _NO_MEMBER_YET[text[position - 1]]
            else:
                tree, stays = around.pop()
            continue
        member = _MEMBER.match(text, position)
        if member is None:  # the object's end
            if not around:
                break
            position = text.index(b"}", position) + 1
            tree, stays = around.pop()
            continue
        key = member[2]
        branch = tree.get(_resolve(body[member.start(2) : member.end(2)]) if b"\\" in key else key)
        start, position = position, member.end()
        opening = text[position] in _OPENING
        if not isinstance(branch, str):
            if not stays and member[1]:  # all before it goes, and so does the comma
                kept += body[copied : member.start(1)]
                copied = member.end(1)
            stays = True
            if opening and branch:
                around.append((tree, True))
                tree, stays = branch, _NO_MEMBER_YET[text[position]]
                position += 1
                continue
        if opening:
            position = _value_end(text, position)
        if isinstance(branch, str):
            kept += body[copied:start]
            copied = position
            found.add(branch)
    kept += body[copied:]
    return bytes(kept), found


def _plain_strings(body: bytes) -> bytes:
    """Return a text as long as body, in which every quote begins or ends a string; escapes still have a backslash."""
    if b"\\" not in body:
        return body
    # Pairs first: a backslash that is left then is one that escapes.
    return body.replace(b"\\\\", b"\\-").replace(b'\\"', b"\\-")


def _resolve(key: bytes) -> bytes:
    """Return what stands between a key's quotes with its escapes resolved."""
    name: str = json.loads(b'"%b"' % key)
    return name.encode()


def _bracket_end(text: bytes, position: int) -> int:
    """Return the index after the next bracket outside of strings; there must be one."""
    match = _TO_BRACKET.match(text, position)
    assert match is not None  # noqa: S101
    return match.end()


def _value_end(text: bytes, position: int) -> int:
    """Return the index after the object or array that begins at position."""
    depth = 0
    while True:
        position = _bracket_end(text, position)
        depth += 1 if text[position - 1] in _OPENING else -1
        if depth == 0:
            return position
