from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.records import objects
from standpipe.records.objects import NESTING_MAX, find_object, is_object
from tests.records.strategies import ENTRY, entries, find_object_slowly, halves, is_strict_object, junk

if TYPE_CHECKING:
    import random

MIB = 1024 * 1024


@given(entries, st.randoms(use_true_random=False))
def test_is_object_agrees_with_the_standard_library(entry: bytes, dice: random.Random) -> None:
    """An entry with up to three bytes changed is judged as the standard library's parser judges it."""
    text = bytearray(entry)
    for _ in range(dice.randrange(4)):
        place = dice.randrange(len(text))
        text[place : place + dice.randrange(2)] = dice.choice(
            [b"", b'"', b"\\", b"{", b"}", b",", b"1", b"\x1f", b"\xc3"]
        )
        text = text or bytearray(b"{")
    judged = bytes(text)
    assert (is_strict_object(judged) and judged.endswith(b"}")) == is_object(judged)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"}",
        b"[]",
        b"null",
        b" {}",
        b"{} ",
        b"{}{}",
        b"{} x}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":01}',
        b'{"a":1,}',
        b'{"a":"\x01"}',
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00 "}',
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
)
def test_is_object_refuses(text: bytes) -> None:
    """Anything but one JSON object in UTF-8, with nothing around it, is refused without raising."""
    assert not is_object(text)


@pytest.mark.parametrize("text", [b"{}", b"{ }", b'{"a":1,"a":2}', b'{"a":1e999}', b'{"a":"\\ud83d\\ude00"}', ENTRY])
def test_is_object_accepts(text: bytes) -> None:
    """Whatever the grammar allows is an object, repeated keys and huge numbers included."""
    assert is_object(text)


def nested(depth: int, opening: bytes, closing: bytes) -> bytes:
    """Return an object in which this many brackets are open at once."""
    return b'{"k":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"


@pytest.mark.parametrize(("opening", "closing"), [(b'{"]":', b"}"), (b"[", b"]")])
def test_nesting_has_one_limit(opening: bytes, closing: bytes) -> None:
    """As many open brackets as the limit are an object, one more is none, and brackets in strings do not count."""
    allowed = nested(NESTING_MAX, opening, closing)
    refused = nested(NESTING_MAX + 1, opening, closing)
    assert (True, False) == (is_object(allowed), is_object(refused))
    assert (1, None) == (find_object(b"x" + allowed), find_object(b"x" + refused))


def test_deepest_request_of_vault_is_an_object() -> None:
    """A request as deep as Vault allows by default, 500 levels, is still an object inside its audit entry."""
    assert is_object(b'{"request":{"data":' + nested(500, b"[", b"]") + b"}}")


def test_brackets_side_by_side_are_no_nesting() -> None:
    """An object with many more brackets than the nesting limit, none of them deep, is an object."""
    text = b'{"a":[' + b'{"}":[]},' * (NESTING_MAX * 20) + b"{}]}"
    assert is_object(text)
    assert 3 == find_object(b'{"}' + text)


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, objects.SCAN_BLOCK_BYTES])
def test_find_object_agrees_with_trying_every_place(block_bytes: int) -> None:
    """The one place found by the backward scan is the leftmost that works, wherever the scan's blocks are cut."""

    @given(st.lists(entries | halves() | junk, max_size=4).map(b"".join))
    def check(line: bytes) -> None:
        text = line.replace(b"\n", b"")
        assert find_object_slowly(text) == find_object(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects, "SCAN_BLOCK_BYTES", block_bytes)
        check()


def test_find_object_crosses_blocks() -> None:
    """An object much longer than one block of the scan is found, with its backslashes and quotes across the cuts."""
    text = b'{"a":"' + b'\\\\\\"{' * 50_001 + b'","b":[' + b'"}",' * 50_000 + b"[]]}"
    assert 9 == find_object(b'{"half":"' + text)


def test_quoted_record_does_not_pass_for_one() -> None:
    """A record that somebody put into a string of a record is not found when the outer one is damaged."""
    forged = b'{"time":"x","path":"' + ENTRY.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"}'
    assert is_object(forged)
    assert [None] * 10 == [find_object(forged[cut:]) for cut in range(1, 11)]
    assert find_object(forged[:-2]) is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"' * (2 * MIB) + b"}",
        b'"{' * (2 * MIB) + b"x}",
        b'{"a":' * MIB + b"}",
        b'{"a":{' * MIB + b"}" * (2 * MIB),
        b"[]" * (2 * MIB) + b"}",
        b"\\" * (4 * MIB) + b"}",
        b'\\"' * (2 * MIB) + b"}",
        b'{"a":' * 500 + b'"' + b"x" * (4 * MIB) + b"}",
        b'{"a":[' + b"{}," * MIB + b"{},]}",
        b"}" * (4 * MIB),
    ],
    ids=[
        "keys",
        "braces",
        "nested",
        "nested-closed",
        "pairs",
        "backslashes",
        "quotes",
        "string",
        "siblings",
        "closing",
    ],
)
def test_find_object_works_in_linear_time(line: bytes) -> None:
    """Lines of megabytes made to offer a million places end without a find; trying each place would not end."""
    assert find_object(line) is None
