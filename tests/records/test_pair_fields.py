from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.records.fields import parse_fields
from standpipe.records.pair_fields import OTHER, REQUEST, RESPONSE, PairFields, is_jsonx, kind_of, parse_pair_fields
from tests.records.strategies import ENTRY, entries, junk, texts, values


def test_fields_of_a_real_entry() -> None:
    """All fields are read from an entry as Vault writes it, escapes resolved."""
    expected = PairFields(
        kind=RESPONSE,
        request_id="6f2d1f6e-3c56-4e3b-9d6e-0d6a4f9f4b11",
        path="secret/data/<a>",
        namespace_path="team/",
        operation="update",
        error="permission denied",
        time="2026-03-01T10:00:00.123456789Z",
        mount_type="kv",
        mount_point="secret/",
        forwarded_from="10.0.0.1:8201",
    )
    body = ENTRY.replace(b'{"time"', b'{"forwarded_from":"10.0.0.1:8201","time"', 1)
    assert expected == parse_pair_fields(body)
    assert expected == parse_pair_fields(
        body.replace(b'"response":{', b'"x":7,"error":"permission denied","response":{')
    )


@pytest.mark.parametrize(
    ("text", "kind", "plugin"),
    [
        ("request", REQUEST, ""),
        ("response", RESPONSE, ""),
        ("kmip-request", REQUEST, "kmip"),
        ("my-own-response", RESPONSE, "my-own"),
        ("-request", REQUEST, ""),
        ("requests", OTHER, ""),
        ("", OTHER, ""),
    ],
)
def test_types(text: str, kind: str, plugin: str) -> None:
    """A plugin's own entries are requests and responses too, and say whose."""
    assert (kind, plugin) == kind_of(text)
    fields = parse_pair_fields(json.dumps({"type": text}).encode())
    assert (kind, plugin) == (fields.kind, fields.plugin)


def test_old_shapes() -> None:
    """Nulls and empty texts, as Vault wrote them up to 1.6, read like what is absent; members come in any order."""
    body = (
        b'{"auth":null,"error":"","request":{"data":null,"id":"i","namespace":null,"operation":"read","path":"a",'
        b'"remote_address":""},"time":"t","type":"request"}'
    )
    expected = PairFields(kind=REQUEST, request_id="i", operation="read", path="a", time="t")
    assert expected == parse_pair_fields(body)


def test_an_odd_type_spoils_one_field_only() -> None:
    """A member of an unexpected type reads as empty, and its neighbours are still read."""
    body = b'{"type":"request","error":{},"forwarded_from":"n","request":{"id":"i","path":7,"mount_point":"m/"}}'
    expected = PairFields(kind=REQUEST, request_id="i", mount_point="m/", forwarded_from="n")
    assert expected == parse_pair_fields(body)
    assert PairFields(kind=REQUEST) == parse_pair_fields(b'{"type":"request","forwarded_from":7}')


members = st.fixed_dictionaries(
    {},
    optional={
        "time": values,
        "type": values | st.sampled_from(["request", "response", "kv-request"]),
        "error": values,
        "forwarded_from": values,
        "request": values
        | st.fixed_dictionaries({}, optional={"id": values, "path": values, "operation": texts, "namespace": values}),
    },
)


@given(members.map(lambda entry: json.dumps(entry).encode()) | entries | junk)
def test_agrees_with_the_other_parser(body: bytes) -> None:
    """Whatever the bytes: nothing is raised, and every field that both parsers know is the same."""
    fields, found = parse_fields(body), parse_pair_fields(body)
    if fields.time or not fields.has_error:  # an error that is no text has no text in either
        assert fields.error == found.error
    assert (fields.request_id, fields.path, fields.operation, fields.time, fields.namespace_path) == (
        found.request_id,
        found.path,
        found.operation,
        found.time,
        found.namespace_path,
    )
    assert kind_of(fields.type) == (found.kind, found.plugin)


def test_jsonx() -> None:
    """XML entries are known by their beginning, also behind a line feed; JSON is not taken for them."""
    assert is_jsonx(b'\n<json:object name="auth"><json:string name="a">b</json:string></json:object>')
    assert not is_jsonx(b'{"a":"<json:object"}')
    assert not is_jsonx(b"")
