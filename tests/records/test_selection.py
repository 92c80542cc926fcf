from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.config_sinks import SelectConfig
from standpipe.records.framing import Record
from standpipe.records.selection import Selection
from tests.records.strategies import ENTRY, entries


def whole(body: bytes) -> Record:
    """Return an object as a record."""
    return Record(0, len(body) + 1, body, torn=False)


def entry(path: str, namespace: str = "") -> Record:
    """Return the record of a request for a path in a namespace."""
    place = {"namespace": {"id": "x", "path": namespace} if namespace else {"id": "root"}}
    return whole(json.dumps({"type": "request", "request": {"path": path} | place}).encode())


MATCHING = SelectConfig(
    operations=("read", "update"),
    paths=("auth/", "secret/data/"),
    mount_types=("kv",),
    namespaces=("team",),
    types=("response",),
    errors=True,
)


def test_record_must_pass_every_question() -> None:
    """A record that has one of the answers to each question passes."""
    assert Selection(MATCHING).wants(whole(ENTRY))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"update"', b'"updat"'),
        (b'"secret/data/', b'"secret/dat/'),
        (b'"mount_type":"kv"', b'"mount_type":"kv2"'),
        (b'"team/"', b'"team/b/"'),
        (b'"response",', b'"kmip-response",'),
        (b'"permission denied"', b'""'),
        (b'"operation"', b'"op"'),
        (b'"path":"secret', b'"p":"secret'),
        (b'"namespace"', b'"ns"'),
        (b'"type":"response"', b'"type":null'),
        (b'"error"', b'"e"'),
    ],
)
def test_one_wrong_answer_is_enough(old: bytes, new: bytes) -> None:
    """A record with another value, or without the member, where one is asked for does not pass."""
    assert old in ENTRY
    assert not Selection(MATCHING).wants(whole(ENTRY.replace(old, new)))


@pytest.mark.parametrize(
    ("asked", "path", "namespace", "expected"),
    [
        ("secret/", "secret/data/a", "", True),
        ("secret/", "secret/data/a", "team/", True),
        ("secret/*", "secret/data/a", "", True),
        ("/secret/", "secret/data/a", "", True),
        ("secret/data/a", "secret/data/ab", "", True),
        ("secret/data/ab", "secret/data/a", "", False),
        ("secret/", "xsecret/", "", False),
        ("team/secret/", "secret/data/a", "team/", True),
        ("team/secret/", "secret/data/a", "team/b/", False),
        ("team/secret/", "team/secret/a", "", True),
        ("team/", "auth/x", "team/b/", True),
        ("team/", "auth/x", "", False),
        ("se*ret", "secret", "", False),
        ("*", "", "", True),
        ("a", "", "", False),
    ],
)
def test_paths_are_beginnings(asked: str, path: str, namespace: str, expected: bool) -> None:  # noqa: FBT001 - a row
    """A path is asked for by its beginning, with its namespace in front or without."""
    assert expected == Selection(SelectConfig(paths=("zzz", asked))).wants(entry(path, namespace))


@pytest.mark.parametrize(
    ("asked", "namespace", "expected"),
    [
        ("team", "team/", True),
        ("team/", "team/", True),
        ("/team/b/", "team/b/", True),
        ("team", "team/b/", False),
        ("root", "", True),
        ("", "", True),
        ("/", "", True),
        ("root", "team/", False),
        ("team", "", False),
    ],
)
def test_namespaces_are_exact_but_for_slashes(asked: str, namespace: str, expected: bool) -> None:  # noqa: FBT001 - a row
    """A namespace is asked for by its whole path; the root namespace has a name."""
    assert expected == Selection(SelectConfig(namespaces=(asked,))).wants(entry("a", namespace))


@pytest.mark.parametrize("error", ['"x"', "1", "[1]", "false"])
def test_error_of_any_type_is_one(error: str) -> None:
    """Whatever is in `error`, a sink for errors gets the record."""
    selection = Selection(SelectConfig(errors=True))
    assert selection.wants(whole(f'{{"error":{error}}}'.encode()))
    assert not selection.wants(whole(b'{"error":null}'))


@given(st.binary(max_size=20) | entries)
def test_torn_record_and_seal_always_pass(body: bytes) -> None:
    """What cannot be read could be anything, and seals are not selected."""
    selection = Selection(MATCHING)
    assert selection.wants(Record(0, len(body) + 1, body, torn=True))
    assert selection.wants(Record(0, 9, b'{"format":1}', torn=False, is_seal=True))


@given(entries)
def test_no_question_is_passed_by_all(body: bytes) -> None:
    """An empty selection takes everything."""
    assert Selection(SelectConfig()).wants(whole(body))
