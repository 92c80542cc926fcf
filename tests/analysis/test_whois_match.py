from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.analysis.whois_match import Lines, Needle, is_question

HASH = "hmac-sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("entry", "places"),
    [
        ({"request": {"client_token": HASH}}, {"request.client_token": "hashed"}),
        ({"response": {"data": {"keys": ["x", HASH, HASH]}}}, {"response.data.keys": "hashed"}),
        ({"auth": {"accessor": "val"}}, {"auth.accessor": "clear"}),
        ({"request": {"path": "secret/val/x"}}, {"request.path": "clear"}),
        ({"request": {"data": {"val": 1}}}, {"request.data.val": "clear"}),
        ({"request": {"path": "secret/value/x"}, "error": "no val", "auth": {"x": f"{HASH}0"}}, {}),
    ],
)
def test_whole_texts_and_path_segments_count(entry: dict[str, object], places: dict[str, str]) -> None:
    """The hash and the value in clear as whole texts, as names of members, and as segments of a path; no part else."""
    assert places == Needle(HASH, "val").places(entry)


def test_a_path_of_several_segments_is_found() -> None:
    """`a/b` is found in a path that has both, one after the other."""
    needle = Needle(HASH, "/data/prod")
    assert {"request.path": "clear"} == needle.places({"request": {"path": "secret/data/prod/db"}})
    assert {} == needle.places({"request": {"path": "secret/data/x/prod"}})


def test_a_hash_alone_is_enough() -> None:
    """Where only the hash is known, nothing else is looked for."""
    needle = Needle(HASH, None)
    assert (HASH.encode(),) == needle.bytes
    assert {} == needle.places({"request": {"path": ""}})


@pytest.mark.parametrize("value", ['a"b\\c', "a<b>&c", "\u00e9\u2028\x01", "plain"])
def test_escapes_are_as_go_writes_them(value: str) -> None:
    """A value with characters that JSON or Go escapes is found in the bytes that they write."""
    go = json.dumps(value, ensure_ascii=False)
    for character, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        go = go.replace(character, escape)
    line = b'{"request":{"client_token":' + go.encode() + b"}}\n"
    assert [(0, line[:-1])] == list(Lines(Needle(HASH, value)).feed(0, line))


def test_a_line_break_in_a_value_is_found_as_go_writes_it() -> None:
    """Go escapes U+2028 and U+2029 too."""
    line = b'{"request":{"client_token":"a\\u2028b"}}\n'
    assert [(0, line[:-1])] == list(Lines(Needle(HASH, "a\u2028b")).feed(0, line))


def test_our_own_question_is_known() -> None:
    """A record of sys/audit-hash holds every value that was asked for."""
    assert is_question({"request": {"path": "sys/audit-hash/file"}})
    assert not is_question({"request": {"path": "sys/audit"}})
    assert not is_question({"request": None})


@given(st.lists(st.sampled_from([b"x", HASH.encode(), b"\n", b"val", HASH.encode()[:40]]), max_size=12), st.data())
@settings(max_examples=200)
def test_cuts_make_no_difference(pieces: list[bytes], data: st.DataObject) -> None:
    """However a stream is cut into blocks, the whole lines with the value are found, each once, with their offsets."""
    stream = b"".join(pieces)
    lines = stream.split(b"\n")[:-1]
    starts = [sum(len(line) + 1 for line in lines[:index]) for index in range(len(lines))]
    expected = [
        (start, line) for start, line in zip(starts, lines, strict=True) if HASH.encode() in line or b"val" in line
    ]
    search = Lines(Needle(HASH, "val"))
    found, position = [], 0
    while position < len(stream):
        size = data.draw(st.integers(1, len(stream) - position))
        found += list(search.feed(position, stream[position : position + size]))
        position += size
    assert expected == found


def test_after_a_gap_a_new_line_begins() -> None:
    """What was held before a gap is not glued to what comes after it."""
    search = Lines(Needle(HASH, "val"))
    assert [] == list(search.feed(0, b'{"a":"va'))
    assert [] == list(search.feed(100, b'l"}\n'))
    assert [(104, b"val")] == list(search.feed(104, b"val\n"))


def test_memory_is_bounded() -> None:
    """A line beyond the limit is given up instead of held."""
    search = Lines(Needle(HASH, "val"), line_bytes_max=10)
    assert [] == list(search.feed(0, b"x" * 11))
    assert b"" == search._held
