from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.journal.signature import (
    endorsement_bytes,
    find_endorsement,
    key_id,
    parse_public_key,
    parse_signature,
    public_key_text,
    signature_text,
    with_endorsement,
)

keys = st.binary(min_size=32, max_size=32)
values = st.binary(min_size=64, max_size=64)
GOOD = signature_text(b"k" * 32, b"s" * 64)


@given(keys, values)
def test_a_signature_survives_the_round_trip(public: bytes, value: bytes) -> None:
    """Its text gives back the bytes and the key's id."""
    assert (key_id(public), value) == parse_signature(signature_text(public, value))
    assert public == parse_public_key(public_key_text(public))


def test_the_id_of_a_key() -> None:
    """The first 16 hex digits of the SHA-256 of the raw key."""
    assert hashlib.sha256(b"k" * 32).hexdigest()[:16] == key_id(b"k" * 32)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519",
        GOOD.replace("ed25519", "rsa"),
        GOOD.replace(":", "", 1),
        GOOD[:-4],
        GOOD + "AAAA",
        GOOD.replace("c", "*"),
        "ed25519:" + "G" * 16 + ":" + GOOD.rpartition(":")[2],
        "ed25519:abc:" + GOOD.rpartition(":")[2],
    ],
)
def test_what_is_no_signature(text: str) -> None:
    """Another algorithm, a wrong length, another alphabet: each is refused."""
    with pytest.raises(ValueError, match=r"algorithm|key id|base64|bytes"):
        parse_signature(text)


@given(keys, keys, values)
def test_an_endorsement_in_a_key_file(public: bytes, old: bytes, value: bytes) -> None:
    """The line is found again, and a file without one has none."""
    text = signature_text(old, value)
    assert text == find_endorsement(with_endorsement(b"-----BEGIN PRIVATE KEY-----", text))
    assert find_endorsement(with_endorsement(public, None)) is None


def test_a_damaged_endorsement() -> None:
    """It is not passed over."""
    with pytest.raises(ValueError, match="bytes"):
        find_endorsement(with_endorsement(b"", GOOD[:-4]))


def test_nothing_that_is_signed_can_pass_for_the_other() -> None:
    """A seal is an object; an endorsement does not begin as one."""
    assert not endorsement_bytes(b"{" * 32).startswith(b"{")
