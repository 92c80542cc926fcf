from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.records.fields import Fields, parse_fields
from tests.records.strategies import ENTRY, entries, texts, values


def test_fields_of_a_real_entry() -> None:
    """All fields are read from an entry as Vault writes it, escapes resolved."""
    expected = Fields(
        type="response",
        has_error=True,
        operation="update",
        mount_type="kv",
        namespace_path="team/",
        time="2026-03-01T10:00:00.123456789Z",
        request_id="6f2d1f6e-3c56-4e3b-9d6e-0d6a4f9f4b11",
        path="secret/data/<a>",
        mount_point="secret/",
        error="permission denied",
    )
    assert expected == parse_fields(ENTRY)


@pytest.mark.parametrize("error", ["null", '""', "{}", "[]"])
def test_empty_error_is_no_error(error: str) -> None:
    """An error that is null or empty, as old versions wrote it, does not make the record one with an error."""
    assert Fields(type="request") == parse_fields(f'{{"type":"request","error":{error}}}'.encode())


@pytest.mark.parametrize("error", ['"permission denied"', "false", "0", '{"a":1}', '[""]'])
def test_any_other_error_is_one(error: str) -> None:
    """An error of whatever type is one if something is in it."""
    text = json.loads(error)
    expected = Fields(has_error=True, error=text if isinstance(text, str) else "")
    assert expected == parse_fields(f'{{"error":{error}}}'.encode())


def test_mount_of_the_response_stands_in() -> None:
    """A mount that only the response names is taken from there; the request's own comes first."""
    response = b'"response":{"mount_type":"kv","mount_point":"kv/"}'
    assert Fields(mount_type="kv", mount_point="kv/") == parse_fields(b"{" + response + b"}")
    body = b'{"request":{"mount_type":"pki","mount_point":"pki/"},' + response + b"}"
    assert Fields(mount_type="pki", mount_point="pki/") == parse_fields(body)
    odd = b'{"time":1,"request":{"mount_type":"pki"},' + response + b"}"
    assert Fields(mount_type="pki", mount_point="kv/") == parse_fields(odd)


def test_odd_type_spoils_one_field_only() -> None:
    """A member of an unexpected type reads as empty, and its neighbours are still read."""
    body = (
        b'{"time":1,"type":"request","error":["x"],"response":7,'
        b'"request":{"id":{},"operation":"read","path":null,"mount_point":"m/","namespace":{"id":"r","path":"a/"}}}'
    )
    expected = Fields(type="request", has_error=True, operation="read", namespace_path="a/", mount_point="m/")
    assert expected == parse_fields(body)


def test_all_fields_are_read_beside_an_odd_one() -> None:
    """One member of an unexpected type takes no other field along."""
    assert parse_fields(ENTRY) == parse_fields(ENTRY.replace(b'"response":{', b'"response":7,"x":{'))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "time": values,
            "type": values,
            "error": values,
            "response": values | st.fixed_dictionaries({}, optional={"mount_type": values, "mount_point": texts}),
            "request": values
            | st.fixed_dictionaries(
                {},
                optional={
                    "id": values,
                    "operation": values,
                    "path": values,
                    "mount_point": values,
                    "namespace": st.dictionaries(st.just("path"), values),
                },
            ),
        },
    )
)
def test_any_object_has_fields(value: dict[str, object]) -> None:
    """Whatever types the members have, those of the right type are read and the others are empty."""

    def text(holder: object, key: str) -> str:
        found = holder.get(key) if isinstance(holder, dict) else None
        return found if isinstance(found, str) else ""

    request = value.get("request")
    namespace = request.get("namespace") if isinstance(request, dict) else None
    expected = Fields(
        type=text(value, "type"),
        has_error=value.get("error") not in (None, "", [], {}),
        operation=text(request, "operation"),
        mount_type=text(value.get("response"), "mount_type"),
        namespace_path=text(namespace, "path"),
        time=text(value, "time"),
        request_id=text(request, "id"),
        path=text(request, "path"),
        mount_point=text(request, "mount_point") or text(value.get("response"), "mount_point"),
        error=text(value, "error"),
    )
    assert expected == parse_fields(json.dumps(value).encode())


@given(st.binary(max_size=20) | entries.map(lambda entry: entry[:-1]))
def test_anything_else_has_no_fields(body: bytes) -> None:
    """Bytes that are no object give empty fields and raise nothing."""
    assert Fields() == parse_fields(body)


@pytest.mark.parametrize(
    "body", [b'{"type":"\xff"}', b'{"type":' * 100_000, b'{"error":' + b"[" * 100_000, b'{"time":1,"type":"\xff"}']
)
def test_broken_objects_have_no_fields(body: bytes) -> None:
    """Bad UTF-8 and endless nesting raise nothing either."""
    assert Fields() == parse_fields(body)
