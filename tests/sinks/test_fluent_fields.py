from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.sinks.fluent_fields import INTEGER_MAX, INTEGER_MIN, careful_members, plain_members

NUMBERS = st.one_of(
    st.integers(min_value=-(2**70), max_value=2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?", fullmatch=True).filter(str.isascii),
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    NUMBERS | TEXTS.map(json.dumps) | st.sampled_from(["true", "false", "null"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(TEXTS.map(json.dumps), inner), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{name}:{value}" for name, value in pairs) + "}"
        ),
    ),
    max_leaves=8,
)
OBJECTS = st.lists(st.tuples(TEXTS.map(json.dumps), VALUES), max_size=4).map(
    lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
)


class Pairs(list[object]):
    """An object's members in order, with repeated ones."""


def said(text: str) -> object:
    """Return what a JSON text says, with each number as a Decimal, and floats told from integers."""
    value: object = json.loads(
        text,
        parse_int=lambda digits: ("integer", Decimal(digits)),
        parse_float=lambda digits: ("decimal", Decimal(digits)),
        object_pairs_hook=Pairs,
    )
    return value


def meant(value: object) -> object:
    """Return what MessagePack says in the same terms: a double says its shortest decimal."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return ("integer", Decimal(value))
    if isinstance(value, float):
        return ("decimal", Decimal(repr(value)))
    if isinstance(value, list):
        return [meant(item) for item in value]
    assert isinstance(value, dict)
    return Pairs((name, meant(item)) for name, item in value.items())


@given(OBJECTS)
def test_exact_means_that_messagepack_says_the_same(text: str) -> None:
    """Members that are called exact come out of MessagePack with the values, types and order that the text has."""
    members, exact = careful_members(text.encode())
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(members))
    assert members == packed
    assert exact == (said(text) == meant(packed)) or "-0" in text


@given(OBJECTS)
def test_plain_members_are_exact(text: str) -> None:
    """The quick way takes only what the careful way calls exact, and gives the same members."""
    members = plain_members(text.encode())
    if members is None:
        return
    careful, exact = careful_members(text.encode())
    try:
        msgspec.msgpack.encode(members)
    except OverflowError:
        assert not exact
    else:
        assert (careful, True) == (members, exact)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (str(INTEGER_MAX), INTEGER_MAX),
        (str(INTEGER_MIN), INTEGER_MIN),
        ("9007199254740993", 9007199254740993),
        ("1.0", 1.0),
        ("1E2", 100.0),
        ("1.10", 1.1),
        ("0.0e999999999999999999999", 0.0),
    ],
)
def test_exact_number(text: str, value: float) -> None:
    """A number that MessagePack holds is that number, of the same kind, however it is written."""
    assert ({"n": value}, True) == careful_members(b'{"n":%b}' % text.encode())
    assert type(value) is type(careful_members(b'{"n":%b}' % text.encode())[0]["n"])


@pytest.mark.parametrize(
    "text",
    [
        str(INTEGER_MAX + 1),
        str(INTEGER_MIN - 1),
        "9" * 5000,
        "-0",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "0.1234567890123456789",
        "123456789012345678.5",
    ],
)
def test_inexact_number_is_its_digits(text: str) -> None:
    """A number that would be rounded is the text of its digits, and is told."""
    assert ({"n": text}, False) == careful_members(b'{"n":%b}' % text.encode())


def test_repeated_member_is_told() -> None:
    """A repeated member, at any depth, has its last value, and the members are not called exact."""
    assert ({"a": {"b": 2}}, False) == careful_members(b'{"a":{"b":1,"b":2}}')
    assert plain_members(b'{"a":{"b":1,"b":2}}') is None


@pytest.mark.parametrize("text", [b"[1]", b"{", b"", b"\xff", b"7"])
def test_no_object(text: bytes) -> None:
    """What is no JSON object is refused by both ways."""
    assert plain_members(text) is None
    with pytest.raises(ValueError, match=r"Expecting|no JSON object|codec"):
        careful_members(text)
