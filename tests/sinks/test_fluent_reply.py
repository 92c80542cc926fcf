from __future__ import annotations

from hashlib import sha512

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.sinks.fluent_handshake import Helo, Login, RefusedError, check_pong, ping, read_helo
from standpipe.sinks.fluent_reply import REPLY_BYTES_MAX, IncompleteError, ProtocolError, Reply, read_reply

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.binary(max_size=40), inner, max_size=20),
    max_leaves=30,
).filter(lambda value: depth(value) < 8)
LOGIN = Login("node-1", "s3cret", "bob", "pass")
HELO = Helo(b"\xff nonce", b"\xfe salt", keepalive=True)


def depth(value: object) -> int:
    """Return how many levels a value has."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 1


@given(VALUES, st.binary(max_size=3))
def test_value_is_read_whatever_follows(value: object, rest: bytes) -> None:
    """A value comes out as it was packed, with its length, whatever follows; str and bin are both bytes."""
    packed = msgspec.msgpack.encode(value)
    assert (value, len(packed)) == read_reply(packed + rest)


@given(VALUES)
def test_cut_value_is_incomplete(value: object) -> None:
    """A value of which a byte is still missing is neither a value nor an error."""
    packed = msgspec.msgpack.encode(value)
    for end in {0, len(packed) // 2, len(packed) - 1}:
        with pytest.raises(IncompleteError):
            read_reply(packed[:end])


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Whatever a server sends is a value, the beginning of one, or no reply of this protocol."""
    try:
        _, size = read_reply(data)
    except (IncompleteError, ProtocolError):
        return
    assert 0 < size <= len(data)


def test_text_that_is_not_utf_8() -> None:
    """Random bytes in a str are read: Fluent Bit sends its nonce so."""
    assert ([b"HELO", {b"nonce": b"\xff\xfe"}], 16) == read_reply(b"\x92\xa4HELO\x81\xa5nonce\xa2\xff\xfe")


@pytest.mark.parametrize(
    "data",
    [
        b"\xdb\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\x00\x01\x00\x01",
        b"\x91" * 9,
        b"\xc1",
        b"\xd6\x00abcd",
        b"\x81\x01\x02",
    ],
    ids=["long-text", "long-list", "long-map", "deep", "unused", "ext", "key"],
)
def test_no_reply(data: bytes) -> None:
    """What no server of this protocol says is refused: too long, too deep, an extension, a map without names."""
    with pytest.raises(ProtocolError):
        read_reply(data)


def test_endless_reply_is_refused() -> None:
    """A reply that does not end within the limit is none."""
    with pytest.raises(ProtocolError):
        read_reply(b"\x9f" + b"\xda\xff\xff" + b"x" * REPLY_BYTES_MAX)


def test_helo() -> None:
    """A HELO's options are read; what is missing has the specification's default."""
    reply: Reply = [b"HELO", {b"nonce": b"\xff", b"auth": b"\xfe", b"keepalive": False}]
    assert Helo(b"\xff", b"\xfe", keepalive=False) == read_helo(reply)
    assert Helo(b"", b"", keepalive=True) == read_helo([b"HELO", None])


@pytest.mark.parametrize("reply", [None, 72, {b"ack": b"x"}, [b"HELO"], [b"PONG", {}], [b"HELO", b""]])
def test_no_helo(reply: object) -> None:
    """Anything else is no HELO."""
    with pytest.raises(ProtocolError):
        read_helo(reply)  # type: ignore[arg-type]


def test_ping() -> None:
    """A PING proves key and password by digests in the specification's order, and holds neither."""
    packed = ping(HELO, LOGIN, "ab")
    expected = [
        "PING",
        "node-1",
        "ab",
        sha512(b"ab" + b"node-1" + b"\xff nonce" + b"s3cret").hexdigest(),
        "bob",
        sha512(b"\xfe salt" + b"bob" + b"pass").hexdigest(),
    ]
    assert expected == msgspec.msgpack.decode(packed)
    assert ["", ""] == msgspec.msgpack.decode(ping(HELO, Login("node-1", "s3cret"), "ab"))[4:]
    assert "s3cret" not in repr(LOGIN)


def pong(name: bytes, key: bytes, *, accepted: bool = True, reason: bytes = b"") -> list[object]:
    """Return the PONG of a server with a name and a key."""
    return [b"PONG", accepted, reason, name, sha512(b"ab" + name + HELO.nonce + key).hexdigest().encode()]


def test_pong() -> None:
    """A server that has the key is believed."""
    check_pong(pong(b"server", b"s3cret"), HELO, LOGIN, "ab")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (pong(b"server", b"other"), "does not have our shared key"),
        (pong(b"node-1", b"s3cret"), "our own name"),
        (pong(b"server", b"s3cret", accepted=False, reason=b"no\n\xffway"), "refuses our PING: no .way"),
        ([b"PONG", True, b"", b"server", None], "does not have our shared key"),
        ([b"PONG", False, b"", b"", b""], "gives no reason"),
    ],
    ids=["key", "reflected", "refused", "no-digest", "no-reason"],
)
def test_pong_that_is_not_believed(reply: object, words: str) -> None:
    """A server without the key, one that sends our own proof back, or one that refuses us is told as such."""
    with pytest.raises(RefusedError, match=words):
        check_pong(reply, HELO, LOGIN, "ab")  # type: ignore[arg-type]


@pytest.mark.parametrize("reply", [None, [b"PONG"], {b"ack": b""}, [b"HELO", {}]])
def test_no_pong(reply: object) -> None:
    """Anything else is no PONG."""
    with pytest.raises(ProtocolError):
        check_pong(reply, HELO, LOGIN, "ab")  # type: ignore[arg-type]
