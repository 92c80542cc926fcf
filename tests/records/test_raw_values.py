from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.records.raw_values import DATA_NAMES, may_hold_raw_values, raw_fields
from tests.records.strategies import ENTRY, values

HASHED = "hmac-sha256:" + "0" * 64
CLEAR = "hvs.secret"


def entry_of(*, token: str = HASHED, **members: object) -> bytes:
    """Return a response as Vault writes it, with that token everywhere and other members in place."""
    entry = {
        "type": "response",
        "auth": {"client_token": token, "accessor": "in-clear", "token_type": "service"},
        "request": {"id": "1", "client_token": token, "mount_type": "token", "path": "auth/token/create"},
        "response": {"auth": {"client_token": token}, "wrap_info": {"token": token, "accessor": "in-clear"}},
        **members,
    }
    return json.dumps(entry, separators=(",", ":")).encode()


def test_a_hashed_record_has_none() -> None:
    """A record as it should be is free of findings, accessors in clear text or not, and the fast search says so."""
    for body in (ENTRY, entry_of()):
        assert () == raw_fields(body)
        assert not may_hold_raw_values(body)


def test_every_place_of_a_token_is_named() -> None:
    """A record of a device with log_raw names all four tokens, in the order of the record, without a value."""
    expected = ("auth.client_token", "request.client_token", "response.auth.client_token", "response.wrap_info.token")
    assert expected == raw_fields(entry_of(token=CLEAR))


@pytest.mark.parametrize("name", sorted(DATA_NAMES))
@pytest.mark.parametrize("half", ["request", "response"])
def test_known_names_in_data_are_found_at_any_depth(half: str, name: str) -> None:
    """What opens a login is found in data, in an object in it, and in a list: each member is named once."""
    data = {name: CLEAR, "data": {name: [HASHED, CLEAR, CLEAR]}, "other": CLEAR}
    body = json.dumps({"type": "request", half: {"data": data}}, separators=(",", ":")).encode()
    assert may_hold_raw_values(body)
    assert (f"{half}.data.{name}", f"{half}.data.data.{name}") == raw_fields(body)


@pytest.mark.parametrize("value", [HASHED, "", None, 7, True, "2026-03-01T10:00:00.5Z", {"description": CLEAR}])
def test_what_is_no_text_in_clear_is_none(value: object) -> None:
    """Hashed, empty, null, a number, a time (Vault leaves those as they are), and an object of that name."""
    assert () == raw_fields(entry_of(request={"data": {"token": value}}))


def test_a_name_in_a_text_is_none() -> None:
    """A text that quotes JSON is a text: neither a path nor an error can look like a value in clear."""
    text = '{"client_token":"hvs.x"}'
    assert () == raw_fields(entry_of(error=text, request={"path": text, "operation": "token"}))


def test_metadata_is_not_looked_at() -> None:
    """Metadata is never hashed, so a member called token in it says nothing about the device."""
    assert () == raw_fields(entry_of(auth={"client_token": HASHED, "metadata": {"token": CLEAR}}))


def test_whitespace_is_read_too() -> None:
    """A record that somebody encoded anew with whitespace is judged like any other."""
    assert ("request.client_token",) == raw_fields(b'{"request": {"client_token": "hvs.x"}}')


def test_of_a_torn_record_the_names_are_told() -> None:
    """In half an entry the value in clear is found by its name alone; a value that is cut off may yet be hashed."""
    assert ("client_token",) == raw_fields(entry_of(token=CLEAR)[:80])
    for cut in range(len(HASHED)):
        assert () == raw_fields(b'{"auth":{"client_token":"' + HASHED[:cut].encode())
    assert () == raw_fields(b"")


@given(st.dictionaries(st.sampled_from([*sorted(DATA_NAMES), "x", '"', "\\"]), values, max_size=4), st.booleans())
@settings(max_examples=200)
def test_the_fast_search_never_misses(data: dict[str, object], half: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    """Where a record has a finding, the search over bytes has one; the finding is in the data that was given."""
    body = json.dumps({"request" if half else "response": {"data": data}}, separators=(",", ":")).encode()
    found = raw_fields(body)
    assert may_hold_raw_values(body) or not found
    assert all(re.match(r"re(quest|sponse)\.data\.", name) for name in found)
    top = {name for name, value in data.items() if name in DATA_NAMES and isinstance(value, str) and len(value) > 0}
    plain = {name for name in top if not re.match(r"hmac-sha256:|\d{4}-", str(data[name]))}
    assert plain <= {name.partition(".data.")[2] for name in found}
