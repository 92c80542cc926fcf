from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from hypothesis import example, given
from hypothesis import strategies as st

from standpipe.records.objects import is_object
from standpipe.sinks.gcp_struct import NESTING_STRUCT, fit
from tests.sinks.gcp_readback import _put, value

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = st.sampled_from(["a", "b", "a/b", "~", "", 'q":', "é"])
NUMBERS = st.one_of(
    st.integers(),
    st.integers(min_value=2**52, max_value=2**70),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: json.loads(f"{float(number)!r}")),
    st.floats(allow_nan=False, allow_infinity=False),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=5), KEYS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=12,
)


def through_struct(body: bytes, exact: Mapping[str, str]) -> object:
    """Return what comes back out of a Struct, the exact numbers put into their places."""
    struct = Struct.FromString(json_format.Parse(body.decode(), Struct()).SerializeToString())
    found = json.loads(json_format.MessageToJson(struct), parse_int=Decimal, parse_float=Decimal)
    for pointer, text in exact.items():
        _put(found, pointer, Decimal(text))
    return found


@given(st.dictionaries(KEYS, JSON, max_size=3), st.booleans(), st.booleans())
def test_whole_objects_survive_a_struct(members: dict[str, object], ascii_only: bool, spaced: bool) -> None:  # noqa: FBT001 - drawn
    """What is said to fit comes back from protobuf's own Struct with every value, and within the bound of its size."""
    text = json.dumps(members, ensure_ascii=ascii_only, separators=None if spaced else (",", ":"))
    body = text.encode("utf-8", "surrogatepass")
    if not is_object(body):
        return
    found = fit(body)
    if found.whole:
        assert value(body) == through_struct(body, found.exact)
        struct = json_format.Parse(body.decode(), Struct())
        assert found.bytes_max >= struct.ByteSize()


@pytest.mark.parametrize(
    "number",
    ["0", "-1", "1.0", "0.1", "1e22", "1E+2", "9007199254740992", "1152921504606847000", "123456789.123456", "-0.0"],
)
def test_numbers_that_a_double_keeps(number: str) -> None:
    """A number whose shortest text as a double has the same value needs nothing."""
    assert (True, {}) == ((found := fit(f'{{"n":{number}}}'.encode())).whole, found.exact)


@pytest.mark.parametrize(
    "number",
    ["9007199254740993", "1152921504606846976", "123456789012345678901234567890", "3.14159265358979323846", "1e23"],
)
def test_numbers_that_a_double_changes(number: str) -> None:
    """A number that would be shown with other digits is named, with its place and all of its text."""
    expected = {} if number == "1e23" else {"/a~1b/0/~0": number}
    found = fit(f'{{"a/b":[{{"~":{number}}}]}}'.encode())
    assert (True, expected) == (found.whole, found.exact)


@pytest.mark.parametrize(
    "body",
    [
        b'{"n":1e400}',
        b'{"n":-1e400}',
        b'{"n":1e-400}',
        b'{"a":1,"a":2}',
        b'{"b":{"c":1,"c":1}}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":1,"a":1,"b":"\\"\\u003a"}',
        b'{"a":1,"a":1,"b":"\\u0022:"}',
        b'{"a" :1,"a" :2}',
        b'{"a" :1,"b":{"c":1,"c":1}}',
        b'{"standpipe":1}',
        b'{"stand\\u0070ipe":1}',
        b'{"n":1e5,"standpipe":1}',
        b'{"a":' + b"[" * NESTING_STRUCT + b"]" * NESTING_STRUCT + b"}",
    ],
)
def test_what_must_go_as_text(body: bytes) -> None:
    """What a Struct would refuse, or would keep only a part of, is not sent as one."""
    assert not fit(body).whole


@pytest.mark.parametrize("opened", [b"[", b'{"a":'])
def test_nesting_that_is_allowed_passes_protobuf(opened: bytes) -> None:
    """The deepest nesting that counts as fitting is within protobuf's limit, which the request around it shares."""
    from google.cloud.logging_v2.types import WriteLogEntriesRequest  # noqa: PLC0415 - 1 s, for one test

    closed = b"]" if opened == b"[" else b"}"
    body = b'{"x":' + opened * (NESTING_STRUCT - 1) + b"1" + closed * (NESTING_STRUCT - 1) + b"}"
    assert fit(body).whole
    request = WriteLogEntriesRequest.pb(WriteLogEntriesRequest())
    json_format.Parse(f'{{"entries":[{{"jsonPayload":{body.decode()}}}]}}', request)
    assert request == type(request).FromString(request.SerializeToString())


@given(st.lists(st.integers(0, 9), max_size=300))
@example([0] * 300)
def test_small_numbers_take_more_room_in_a_struct(numbers: list[int]) -> None:
    """The bound of the size holds where a Struct is several times as long as its JSON."""
    body = json.dumps({"n": numbers}, separators=(",", ":")).encode()
    assert fit(body).bytes_max >= json_format.Parse(body.decode(), Struct()).ByteSize()
