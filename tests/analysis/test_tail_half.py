from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from standpipe.analysis.tail_half import Half, half_of, parse_entry
from tests.records.strategies import ENTRY, objects

EMPTY = Half(
    "j", 7, "", "", None, "", "", "", "", "", "", "", "", "", "", (), "", "", "", None, "", has_error_answer=False
)


def read(entry: object) -> Half | None:
    """Read an entry as from the journal j at offset 7."""
    found = parse_entry(json.dumps(entry).encode())
    return None if found is None else half_of(found, "j", 7)


def test_a_real_entry_is_read() -> None:
    """Time to the nanosecond, who, what and where, escapes resolved; what is not there is empty."""
    entry = parse_entry(ENTRY)
    assert entry is not None
    found = half_of(entry, "j", 7)
    assert found is not None
    assert (found.kind, found.nanoseconds, found.display_name) == ("response", 1772359200123456789, "root")
    assert (found.policies, found.path, found.namespace_path) == (("root",), "secret/data/<a>", "team/")
    assert (found.error, found.remote_address, found.remote_port) == ("permission denied", "", None)


def test_a_login_has_the_name_of_the_token_it_gave_out() -> None:
    """Before a login there is no name; after it the new token's name, entity and policies are the best there is."""
    login = {"display_name": "userpass-bob", "entity_id": "e", "policies": ["default"]}
    found = read({"type": "response", "auth": {}, "response": {"auth": login}})
    assert found is not None
    assert ("", "userpass-bob", "e", ("default",)) == (
        found.display_name,
        found.login_name,
        found.entity_id,
        found.policies,
    )


@pytest.mark.parametrize(
    ("written", "kind"),
    [("request", "request"), ("response", "response"), ("kmip-request", "request"), ("kmip-response", "response")],
)
def test_a_plugins_types_are_halves_too(written: str, kind: str) -> None:
    """A plugin's own auditor puts its mount type in front."""
    found = read({"type": written})
    assert found is not None
    assert kind == found.kind


def test_nulls_and_other_types_read_as_empty() -> None:
    """Old versions wrote null where others leave a member out; no member of a wrong type raises."""
    members = ["time", "auth", "request", "response", "error"]
    nothing = {"type": "", **dict.fromkeys(members)}
    assert EMPTY == read(nothing)
    assert EMPTY == read({"type": "", "time": 1, "auth": [1], "request": "x", "response": 7, "error": ""})
    assert EMPTY == read({"type": "", "request": {"id": 1, "path": {}, "namespace": 1, "remote_port": True}})


def test_an_answer_that_is_only_an_error_is_known() -> None:
    """Data with the one member `error` is how the server answers 400; with another member beside it, it is data."""
    for data, expected in (({"error": "hmac-sha256:0"}, True), ({"error": "x", "b": 1}, False), ({}, False)):
        found = read({"type": "response", "response": {"data": data}})
        assert found is not None
        assert expected is found.has_error_answer


def test_what_is_no_entry_is_none() -> None:
    """JSON that is no audit entry, and bytes that are no JSON."""
    assert read({"message": "a server's own"}) is None
    assert parse_entry(b"[1]") is None
    assert parse_entry(b'{"half') is None
    assert parse_entry(b'{"a":' * 100_000) is None


@given(objects)
@settings(max_examples=100)
def test_no_object_raises(entry: dict[str, object]) -> None:
    """Whatever the members hold, a half is read or none."""
    for name in ("auth", "request", "response", "error", "time"):
        found = half_of({"type": "request", name: entry}, "", None)
        assert found is not None
