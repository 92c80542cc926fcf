from __future__ import annotations

import gzip
import json
import struct
from typing import Any

import msgspec
import pytest

from standpipe.records.framing import Framer, Record
from standpipe.sinks.base import Unfit
from standpipe.sinks.fluent_message import RECORD_BYTES_MAX, EntryEncoder, forward

JOURNAL = "1d6b7b1e-0000-4000-8000-000000000000"
TIME = b'"time":"2026-11-23T15:06:02.123456789Z"'
SECONDS, NANOSECONDS = 1795446362, 123456789


def encoder(*, as_text: bool = False, bytes_max: int = RECORD_BYTES_MAX, **labels: str) -> EntryEncoder:
    """Return an encoder of one journal."""
    return EntryEncoder(JOURNAL, labels, as_text=as_text, bytes_max=bytes_max)


def record(line: bytes) -> Record:
    """Return the record of a line."""
    (found,) = Framer(0).feed(line + b"\n")
    return found


def unpack(entry: bytes) -> tuple[int, int, dict[str, Any]]:
    """Return seconds, nanoseconds and map of an entry."""
    time, members = msgspec.msgpack.decode(entry)
    assert (0, 8) == (time.code, len(time.data))
    return (*struct.unpack(">II", time.data), members)


def members_of(line: bytes, *, as_text: bool = False) -> dict[str, Any]:
    """Return the map of a line's only entry."""
    (entry,) = encoder(as_text=as_text).entries(record(line), 0)
    return unpack(entry)[2]


def test_fields() -> None:
    """By default an event is the envelope and the record's own members, in their order, at the record's own time."""
    line = b"{%b," % TIME + b'"type":"request","request":{"z":1,"a":[1,{"x":null},1.0,true]}}'
    (entry,) = encoder(site="a").entries(record(line), 7)
    seconds, nanoseconds, members = unpack(entry)
    envelope = {
        "id": f"{JOURNAL}-{0:020}",
        "journal": JOURNAL,
        "offset": 0,
        "length": len(line) + 1,
        "after": 7,
        "labels": {"site": "a"},
    }
    assert (SECONDS, NANOSECONDS) == (seconds, nanoseconds)
    assert ["standpipe", "time", "type", "request"] == list(members)
    assert envelope == members.pop("standpipe")
    assert json.loads(line) == members
    assert ["z", "a"] == list(members["request"])
    assert [int, dict, float, bool] == [type(value) for value in members["request"]["a"]]


def test_text() -> None:
    """As text, an event is the envelope and the record's JSON, character for character."""
    line = b"{%b," % TIME + b'"n":1e400, "d":1,"d":2,"s":"\\u003c\xf0\x9f\x98\x80"}'
    (entry,) = encoder(as_text=True).entries(record(line), 0)
    seconds, nanoseconds, members = unpack(entry)
    assert (SECONDS, NANOSECONDS) == (seconds, nanoseconds)
    assert ["standpipe", "raw"] == list(members)
    assert line == members["raw"].encode()
    assert f"{JOURNAL}-{0:020}" == members["standpipe"]["id"]


@pytest.mark.parametrize(
    "member",
    [
        b'"n":18446744073709551616',
        b'"n":1e400',
        b'"n":0.12345678901234567890',
        b'"n":1,"n":2',
        b'"n":{"m":-9223372036854775809}',
        b'"s":"\\u003c","n":1e-999',
    ],
)
def test_what_messagepack_cannot_hold_comes_with_the_text(member: bytes) -> None:
    """A record with such a number or a repeated member has its members, nothing rounded, and its text as well."""
    line = b"{%b,%b}" % (TIME, member)
    members = members_of(line)
    assert line == members["raw"].encode()
    assert "2026-11-23T15:06:02.123456789Z" == members["time"]
    assert members["n"] == 2 or isinstance(members["n"], str | dict)


@pytest.mark.parametrize(
    "member", [b'"s":"\\u003c\\/\\u00e9"', b'"n":1.50', b'"n":1E2', b' "n" : 18446744073709551615 ']
)
def test_other_spelling_is_exact(member: bytes) -> None:
    """A record that only spells its values differently than we would needs no text beside them."""
    line = b"{%b,%b}" % (TIME, member)
    members = members_of(line)
    del members["standpipe"]
    assert json.loads(line) == members


@pytest.mark.parametrize("member", [b'"raw":1', b'"standpipe":{}', b'"raw":1,"n":1e400', b'"standpipe":1,"a":1,"a":2'])
def test_members_with_our_names_are_sent_as_text(member: bytes) -> None:
    """A record with a member that would hide one of ours, or be hidden by it, goes as text: `raw` is always ours."""
    line = b"{%b,%b}" % (TIME, member)
    members = members_of(line)
    assert ["standpipe", "raw"] == list(members)
    assert JOURNAL == members["standpipe"]["journal"]
    assert line == members["raw"].encode()


@pytest.mark.parametrize("extra", [b"", b',"n":1e400', b',"s":"\\u003c"'], ids=["plain", "inexact", "careful"])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_sent_as_text(opening: bytes, closing: bytes, extra: bytes) -> None:
    """Servers lose events that nest deeply, or never take them: beyond 32 levels a record goes as text."""
    for levels in (30, 31, 32, 599):
        value = opening * levels + b"1" + closing * levels
        line = b'{%b,"wide":[{},[],{},[]],"deep":%b%b}' % (TIME, value, extra)
        members = members_of(line)
        assert (levels > 31) == ("time" not in members)
        assert "raw" not in members or line == members["raw"].encode()


@pytest.mark.parametrize("as_text", [False, True])
def test_torn(*, as_text: bool) -> None:
    """A torn record has its bytes in `raw`, or in `raw_base64` where they are not UTF-8, and its own time."""
    (entry,) = encoder(as_text=as_text).entries(record(b"{%b," % TIME + b'"type":"requ'), 0)
    seconds, nanoseconds, members = unpack(entry)
    assert (SECONDS, NANOSECONDS) == (seconds, nanoseconds)
    assert members["standpipe"]["torn"] is True
    assert '{"time":"2026-11-23T15:06:02.123456789Z","type":"requ' == members["raw"]
    (entry,) = encoder(as_text=as_text).entries(record(b"\xff\xfe"), 0)
    seconds, nanoseconds, members = unpack(entry)
    assert (0, 0, "//4=") == (seconds, nanoseconds, members["raw_base64"])


def test_seal() -> None:
    """A seal is an event of its own kind, at the time at which the segment was sealed."""
    body = b'{"base":0,"end":100,"sealed_at":"2026-11-23T15:06:02.123456789Z"}'
    (entry,) = encoder().entries(Record(0, 100, body, torn=False, is_seal=True), 0)
    seconds, nanoseconds, members = unpack(entry)
    assert (SECONDS, NANOSECONDS) == (seconds, nanoseconds)
    assert ("seal", f"{JOURNAL}-{0:020}-seal") == (members["standpipe"]["kind"], members["standpipe"]["id"])
    assert json.loads(body) == members["seal"]


@pytest.mark.parametrize("time", [b'"1969-12-31T23:59:59Z"', b'"2107-01-01T00:00:00Z"', b'"noon"', b"7", b"null"])
def test_time_that_the_format_cannot_hold_is_zero(time: bytes) -> None:
    """A record without a time, or with one before 1970 or after 2106, has the time zero; never the clock's."""
    (entry,) = encoder().entries(record(b'{"time":%b}' % time), 0)
    assert (0, 0) == unpack(entry)[:2]


@pytest.mark.parametrize("as_text", [False, True])
def test_parts(*, as_text: bool) -> None:
    """A record that is too large goes in parts of at most the limit, whose pieces, joined, are its text."""
    line = b"{%b," % TIME + b'"data":"' + "é\\n😀".encode() * 3000 + b'"}'
    entries = encoder(as_text=as_text, bytes_max=4096).entries(record(line), 0)
    unpacked = [unpack(entry) for entry in entries]
    assert max(map(len, entries)) <= 4096
    assert {(SECONDS, NANOSECONDS)} == {item[:2] for item in unpacked}
    assert [f"{n}/{len(entries)}" for n in range(1, len(entries) + 1)] == [m["standpipe"]["part"] for *_, m in unpacked]
    assert line.decode() == "".join(members["raw"] for *_, members in unpacked)


def test_entry_that_grows_in_messagepack_goes_as_text() -> None:
    """A record below the limit as JSON and above it in MessagePack, where a double takes nine bytes, is text."""
    line = b'{"n":[%b]}' % b",".join([b"0.5"] * 900)
    assert len(line) < 4096
    entries = encoder(bytes_max=4096).entries(record(line), 0)
    assert ([True], 1) == ([len(entry) <= 4096 for entry in entries], len(entries))
    assert line == unpack(entries[0])[2]["raw"].encode()


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("size", range(3700, 4200, 50))
def test_no_entry_is_over_the_limit(size: int, *, torn: bool) -> None:
    """Around the limit a record goes whole or in parts, and no entry is larger than the limit."""
    line = b'{"data":"%b"}' % (b"x" * (size - 11)) if not torn else b"\xff" * size
    entries = encoder(bytes_max=4096).entries(record(line), 0)
    assert [] == [len(entry) for entry in entries if len(entry) > 4096]
    assert (size > 4000) <= (len(entries) > 1)


def test_limit_without_room() -> None:
    """A limit without room for an envelope is refused."""
    with pytest.raises(Unfit):
        encoder(bytes_max=300).entries(record(b'{"data":"%b"}' % (b"x" * 1000)), 0)


@pytest.mark.parametrize("compress", [False, True])
def test_forward(*, compress: bool) -> None:
    """A message holds the entries unchanged; the same entries give the same bytes, others another chunk id."""
    entries = [*encoder().entries(record(b"{%b}" % TIME), 0)] * 3
    message, chunk = forward("vault.audit", entries, compress=compress)
    tag, packed, option = msgspec.msgpack.decode(message)
    assert ("vault.audit", {"size": 3, "chunk": chunk}) == (tag, {name: option[name] for name in ("size", "chunk")})
    assert ("gzip" if compress else None) == option.get("compressed")
    assert b"".join(entries) == (gzip.decompress(packed) if compress else packed)
    assert not compress or packed[4:8] == bytes(4)  # RFC 1952: no time in it
    assert (message, chunk) == forward("vault.audit", entries, compress=compress)
    assert chunk != forward("vault.audit", entries[:2], compress=compress)[1]
