"""What a FIFO may bring: entries, halves of entries, prefixes, junk. And a slow, obvious judge of JSON."""

from __future__ import annotations

import json
from typing import NoReturn

from hypothesis import strategies as st

PREFIX = b"vault: "

ENTRY = (
    b'{"time":"2026-03-01T10:00:00.123456789Z","type":"response","auth":{"display_name":"root","policies":["root"]},'
    b'"request":{"id":"6f2d1f6e-3c56-4e3b-9d6e-0d6a4f9f4b11","operation":"update","mount_point":"secret/",'
    b'"mount_type":"kv","namespace":{"id":"nsid","path":"team/"},"path":"secret/data/\\u003ca\\u003e",'
    b'"data":{"n":1.5e3,"q":"\\"{}\\\\"}},"response":{"mount_type":"kv","data":{}},"error":"permission denied"}'
)

texts = st.text(st.sampled_from('ab{}[]",:\\\n\x00\x7f\u00e9\u2028\U0001f600'), max_size=6)
scalars = (
    st.none() | st.booleans() | st.integers(-10, 10**20) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3), max_leaves=8)
objects = st.dictionaries(texts, values, max_size=4)


def _dump(value: dict[str, object], ascii_only: bool, spaced: bool) -> bytes:  # noqa: FBT001 - drawn, not written
    separators = (" , ", "\t: ") if spaced else (",", ":")
    return json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()


entries = st.builds(_dump, objects, st.booleans(), st.booleans()) | st.just(ENTRY)


@st.composite
def halves(draw: st.DrawFn) -> bytes:
    """Return the beginning of an entry."""
    entry = draw(entries)
    return entry[: draw(st.integers(0, len(entry)))]


junk = st.binary(max_size=8) | st.sampled_from(
    [b"{", b"}", b'"', b"\\", b"[", b"]", b"{}", b" ", b"\r", b"\xef\xbb\xbf", b"\xff", b"NaN", b"\\ud800", b',"a":']
)
pieces = entries | halves() | junk | st.sampled_from([PREFIX, b"\n", b"\n"])
streams = st.lists(pieces, max_size=12).map(b"".join)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def is_strict_object(text: bytes) -> bool:
    """Judge with the standard library whether a text, or a text and whitespace, is one JSON object in UTF-8."""
    if not text.startswith(b"{"):
        return False
    try:
        pairs = json.loads(text.decode(), parse_constant=_refuse, object_pairs_hook=list)
        json.dumps(pairs, ensure_ascii=False).encode()  # half a surrogate pair cannot be encoded
    except ValueError:  # UnicodeError and JSONDecodeError are such
        return False
    return True


def find_object_slowly(line: bytes) -> int | None:
    """Try every place, leftmost first."""
    return next((start for start in range(len(line)) if is_strict_object(line[start:])), None)
