from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.analysis.rows import (
    DATA_KEYS_MAX,
    ROW_COLUMNS,
    TEXT_CHARACTERS_MAX,
    Row,
    cut_row,
    parse_row,
    row_of,
)
from standpipe.records.framing import Record

FULL = {
    "time": "2024-05-06T07:08:09.123456789Z",
    "type": "response",
    "error": "e",
    "forwarded_from": "10.0.0.9:8201",
    "auth": {
        "accessor": "a",
        "client_token": "auth token",
        "display_name": "bob",
        "entity_id": "ent",
        "policies": ["default", "x"],
        "policy_results": {"allowed": False},
        "token_type": "batch",
        "token_issue_time": "2024-05-06T00:00:00+02:00",
        "token_ttl": 60,
    },
    "request": {
        "id": "i",
        "operation": "list",
        "path": "p",
        "namespace": {"id": "nid", "path": "team/"},
        "mount_point": "m/",
        "mount_type": "kv",
        "mount_class": "secret",
        "mount_accessor": "kv_1",
        "client_id": "c",
        "client_token": "request token",
        "client_token_accessor": "ca",
        "remote_address": "10.0.0.1",
        "remote_port": 443,
        "wrap_ttl": 5,
        "data": {"one": 1, "two": {"three": 3}},
    },
    "response": {
        "auth": {
            "accessor": "ra",
            "display_name": "rd",
            "entity_id": "re",
            "policies": ["p1"],
            "token_type": "service",
            "token_ttl": 7,
            "entity_created": True,
        },
        "data": {"keys": ["a", "b", "c"]},
        "secret": {"lease_id": "l"},
        "wrap_info": {"creation_path": "cp"},
    },
}
FULL_ROW = {
    "offset": 5,
    "length": 9,
    "torn": False,
    "time_text": "2024-05-06T07:08:09.123456789Z",
    "type": "response",
    "error": "e",
    "request_id": "i",
    "operation": "list",
    "path": "p",
    "namespace_id": "nid",
    "namespace_path": "team/",
    "mount_point": "m/",
    "mount_type": "kv",
    "mount_class": "secret",
    "mount_accessor": "kv_1",
    "client_id": "c",
    "client_token": "request token",
    "client_token_accessor": "ca",
    "display_name": "bob",
    "entity_id": "ent",
    "policies": ["default", "x"],
    "token_type": "batch",
    "token_issue_time": "2024-05-06T00:00:00+02:00",
    "token_ttl": 60,
    "remote_address": "10.0.0.1",
    "remote_port": 443,
    "wrap_ttl": 5,
    "policy_allowed": False,
    "auth_accessor": "a",
    "forwarded_from": "10.0.0.9:8201",
    "response_auth_accessor": "ra",
    "response_auth_display_name": "rd",
    "response_auth_entity_id": "re",
    "response_auth_policies": ["p1"],
    "response_auth_token_type": "service",
    "response_auth_token_ttl": 7,
    "entity_created": True,
    "response_lease_id": "l",
    "response_keys": 3,
    "wrap_creation_path": "cp",
    "request_data_keys": ["one", "two"],
    "response_data_keys": ["keys"],
}


def row(entry: object) -> dict[str, object]:
    """Return the row of an entry as a dict, without place and without NULLs."""
    found = msgspec.structs.asdict(parse_row(json.dumps(entry).encode(), 0, 1))
    return {name: value for name, value in found.items() if value is not None and name not in ("offset", "length")}


def test_every_column() -> None:
    """A response with everything in it fills every column."""
    found = msgspec.structs.asdict(parse_row(json.dumps(FULL).encode(), 5, 9))
    assert FULL_ROW == found


def test_the_members_of_a_row_are_the_columns() -> None:
    """Row and ROW_COLUMNS name the same, in the same order."""
    assert list(Row.__struct_fields__) == [name for name, _ in ROW_COLUMNS]


def test_alphabetical_keys_give_the_same_row() -> None:
    """The order of members makes no difference."""
    reordered = json.dumps(FULL, sort_keys=True).encode()
    assert msgspec.structs.asdict(parse_row(reordered, 5, 9)) == FULL_ROW


def test_null_and_empty_are_null() -> None:
    """Old versions wrote null and "" where newer ones leave a member out."""
    entry = {
        "time": "",
        "type": "request",
        "error": "",
        "auth": None,
        "request": {"id": "", "data": None, "path": None},
    }
    assert {"torn": False, "type": "request"} == row(entry)


def test_a_number_in_the_place_of_keys() -> None:
    """With elide_list_responses a list's keys are their count."""
    entry = {"response": {"data": {"keys": 17, "key_info": 17}}}
    assert {"torn": False, "response_keys": 17, "response_data_keys": ["keys", "key_info"]} == row(entry)


def test_a_mount_that_only_the_response_names() -> None:
    """The response's mount counts where the request has none."""
    entry = {"request": {"path": "p"}, "response": {"mount_type": "kv", "mount_point": "m/"}}
    assert {"torn": False, "path": "p", "mount_type": "kv", "mount_point": "m/"} == row(entry)


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("error", "error"),
        ("auth.policies", "policies"),
        ("auth.token_ttl", "token_ttl"),
        ("auth.policy_results", "policy_allowed"),
        ("request.id", "request_id"),
        ("request.remote_port", "remote_port"),
        ("response.auth.entity_created", "entity_created"),
        ("response.secret", "response_lease_id"),
        ("response.wrap_info", "wrap_creation_path"),
    ],
)
def test_a_member_of_another_type_costs_its_own_column_only(path: str, column: str) -> None:
    """One member that is not as expected is NULL; the others stand."""
    entry = json.loads(json.dumps(FULL))
    parent = entry
    *above, last = path.split(".")
    for name in above:
        parent = parent[name]
    parent[last] = {"of": ["another", "type"]}
    found = msgspec.structs.asdict(parse_row(json.dumps(entry).encode(), 5, 9))
    assert {**FULL_ROW, column: None} == found


def test_a_token_that_only_auth_names() -> None:
    """Where the request has no token, that of auth counts."""
    assert {"torn": False, "client_token": "t"} == row({"auth": {"client_token": "t"}, "request": {}})


def test_an_entity_that_a_login_made() -> None:
    """A login's response says so in auth, or in response.auth."""
    auth = {"entity_created": True}
    responses = ({"auth": auth}, {"response": {"auth": auth}}, {"auth": auth, "response": {"auth": {"accessor": "a"}}})
    assert [True] * 3 == [row({"type": "response", **entry}).get("entity_created") for entry in responses]


def test_odd_parents() -> None:
    """A request, a response, a namespace that are no objects leave their columns empty."""
    entry = {"type": "request", "auth": [], "request": {"namespace": "root", "path": "p"}, "response": 3}
    assert {"torn": False, "type": "request", "path": "p"} == row(entry)


def test_policies_with_something_else_among_them() -> None:
    """Of a list of policies the texts count."""
    assert {"torn": False, "policies": ["a", "b"]} == row({"auth": {"policies": ["a", None, 3, "b"]}})


def test_numbers_beyond_a_column() -> None:
    """A number that the database cannot hold is NULL."""
    entry = {"auth": {"token_ttl": 2**70}, "request": {"remote_port": 2**40, "wrap_ttl": -(2**63)}}
    assert {"torn": False} == row(entry)


def test_a_torn_record() -> None:
    """A torn record has its place and length only."""
    assert Row(3, 4, torn=True) == row_of(Record(3, 4, b"{hal", torn=True))


def test_many_names() -> None:
    """Of very many names of data the first ones are taken."""
    found = parse_row(json.dumps({"request": {"data": {f"k{n}": 1 for n in range(5000)}}}).encode(), 0, 1)
    assert [f"k{n}" for n in range(DATA_KEYS_MAX)] == found.request_data_keys


def test_a_huge_row_is_cut() -> None:
    """Long texts are cut, and lists of names go."""
    found = cut_row(
        Row(0, 1, torn=False, path="x" * (TEXT_CHARACTERS_MAX + 1), request_data_keys=["y"], type="request")
    )
    assert Row(0, 1, torn=False, path="x" * TEXT_CHARACTERS_MAX, type="request") == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                sorted({name for part in (FULL, FULL["auth"], FULL["request"], FULL["response"]) for name in part})
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_no_json_is_refused(entry: object) -> None:
    """Whatever JSON: a row, whose values have the columns' types."""
    kinds = {"VARCHAR": str, "VARCHAR[]": list, "BIGINT": int, "INTEGER": int, "BOOLEAN": bool}
    found = msgspec.structs.asdict(parse_row(json.dumps(entry).encode(), 0, 1))
    assert [] == [name for name, kind in ROW_COLUMNS if not isinstance(found[name], kinds[kind] | None)]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_no_bytes_raise(body: bytes) -> None:
    """Whatever bytes: a row."""
    assert parse_row(body, 0, 1).torn in (True, False)


def test_a_column_is_a_word() -> None:
    """Names of columns are words, so that a person can write them."""
    assert [] == [name for name, _ in ROW_COLUMNS if not re.fullmatch(r"[a-z_]+", name)]
