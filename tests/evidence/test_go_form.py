from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.evidence.copy_entry import EXACT, INEXACT, RESTORED, judge_bytes, raw_bytes
from standpipe.evidence.copy_line import CopiedRecord
from standpipe.evidence.go_form import go_form
from tests.evidence.copied import vault_record

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def as_go_writes(value: object) -> bytes:
    """Return JSON as Go's encoding/json has it, by other means: escape after the fact, all of it is in strings."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "surrogatepass")


@settings(max_examples=200)
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), VALUES, max_size=4))
def test_spaces_and_escapes_are_undone(value: dict[str, object]) -> None:
    """Whatever another writer does to spaces and escapes, what Vault wrote comes out."""
    expected = as_go_writes(value)
    for text in (json.dumps(value), json.dumps(value, indent=3), json.dumps(value, ensure_ascii=False)):
        assert expected == go_form(text.encode())
    assert expected == go_form(expected)


def test_numbers_and_order_stay() -> None:
    """Digits and the order of members are nothing that is known here."""
    assert go_form(b'{ "b" : 1.10, "a" : 1e400 }') == b'{"b":1.10,"a":1e400}'


def test_how_sure_bytes_are() -> None:
    """Bytes of the right length are the journal's, others may be brought back, or not."""
    body = vault_record(1)
    length = len(body) + 1
    assert judge_bytes(CopiedRecord("j", 0, length, 0, body)) == (EXACT, body)
    spaced = json.dumps(json.loads(body)).encode()
    assert judge_bytes(CopiedRecord("j", 0, length, 0, spaced)) == (RESTORED, body)
    assert judge_bytes(CopiedRecord("j", 0, length + 3, 0, body)) == (INEXACT, body)
    assert judge_bytes(CopiedRecord("j", 0, length + 3, 0, body), b"vp:") == (EXACT, body)
    assert judge_bytes(CopiedRecord("j", 0, length, 0, body, dropped=True)) == (INEXACT, body)


def test_the_journals_bytes() -> None:
    """A newline follows, and a prefix precedes, where the length says so; a torn fragment may have neither."""
    assert raw_bytes(b"{}", 3, b"p", torn=False) == b"{}\n"
    assert raw_bytes(b"{}", 4, b"p", torn=False) == b"p{}\n"
    assert raw_bytes(b"{}", 5, b"p", torn=False) is None
    assert raw_bytes(b"ab", 2, b"", torn=True) == b"ab"
    assert raw_bytes(b"ab", 3, b"", torn=True) == b"ab\n"
