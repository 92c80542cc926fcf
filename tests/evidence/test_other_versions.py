"""Records of other versions of Vault, written by hand in `fixtures/`: what verify, tail and query make of them.

The shapes are those of Vault's and OpenBao's sources and issues: up to Vault 1.6 every member was there, null or empty;
vault#31435 has its keys in alphabetical order; vault#32026: help has no request.id; plugins audit as
``<mount type>-request``; ``elide_list_responses`` writes a number where a list's keys were; Enterprise's standby writes
``forwarded_from``, and its ``exclude`` takes members away; Vault 2.0 has metadata of any type and new members; JSONx is
XML without newlines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.evidence.craft import Crafted

FIXTURES = Path(__file__).parent / "fixtures"
STANDPIPE = [sys.executable, "-m", "standpipe"]

Explained = dict[str, int]

PAIRED: dict[str, tuple[int, Explained]] = {
    "vault-1.0-nulls": (3, {"audit-test": 1}),
    "vault-1.19-help-without-id": (3, {}),
    "vault-1.20-alphabetical": (2, {"bad-wrapping-token": 1}),
    "vault-1.21-elided-lists": (3, {}),
    "vault-2.0-new-members": (1, {}),
    "vault-enterprise-plugin-types": (2, {}),
    "vault-enterprise-standby": (2, {}),
}
"""By file: pairs, and requests that have no response, by the rule that explains it."""

OUTCOMES = {
    "vault-1.0-nulls": ["ok", "ok", "denied", "no-response"],
    "vault-1.19-help-without-id": ["ok", "ok", "ok"],
    "vault-1.20-alphabetical": ["ok", "ok", "error"],
    "vault-1.21-elided-lists": ["ok", "ok", "ok"],
    "vault-2.0-new-members": ["ok"],
    "vault-enterprise-plugin-types": ["ok", "ok"],
    "vault-enterprise-standby": ["ok", "ok"],
}
"""By file: the requests in order, as tail and query tell them."""


@pytest.fixture
def journal(tmp_path: Path) -> Crafted:
    """Return an empty journal."""
    return Crafted(tmp_path / "journal")


def fill(journal: Crafted, name: str) -> bytes:
    """Put a file of records into a journal, sealed, and an empty segment behind it."""
    data = (FIXTURES / name).read_bytes()
    journal.seal(journal.add(data))
    journal.add(b"", mode=0o600)
    return data


def standpipe(*arguments: str | os.PathLike[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command."""
    return subprocess.run([*STANDPIPE, *(os.fspath(each) for each in arguments)], check=False, capture_output=True)


def rows_of(*arguments: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the JSON objects that a command prints."""
    done = standpipe(*arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", PAIRED)
def test_pairs(journal: Crafted, name: str) -> None:
    """Verify finds each request's response, whatever the version, and explains what has none."""
    fill(journal, f"{name}.jsonl")
    (found,) = rows_of("verify", "--json", "--require-pairs", "--journal", journal.root)
    unpaired = found["unpaired"]
    assert ("complete", 0, 0) == (found["verdict"], unpaired["requests"], unpaired["responses"])
    assert PAIRED[name] == (unpaired["paired"], unpaired["explained"])


def test_what_is_alone_is_named(journal: Crafted) -> None:
    """A request and a response without their other halves are listed with their places, and nothing else is."""
    data = fill(journal, "unpaired.jsonl")
    done = standpipe("verify", "--json", "--require-pairs", "--journal", journal.root)
    found = json.loads(done.stdout)
    assert (1, "incomplete") == (done.returncode, found["verdict"])
    places = {"secret/data/lonely": "request", "secret/data/orphan": "response"}
    lines = data.splitlines()
    expected = [(data.index(line), kind) for path, kind in places.items() for line in lines if path.encode() in line]
    assert expected == [(each["offset"], each["kind"]) for each in found["unpaired"]["examples"]]


@pytest.mark.parametrize("name", OUTCOMES)
def test_tail(journal: Crafted, name: str) -> None:
    """Tail shows one line a request, in order, with its outcome."""
    fill(journal, f"{name}.jsonl")
    assert OUTCOMES[name] == [
        row["outcome"] for row in rows_of("tail", "--no-follow", "--json", "--journal", journal.root)
    ]


@pytest.mark.parametrize("name", OUTCOMES)
def test_query(journal: Crafted, name: str) -> None:
    """Query has one row a request, with its outcome."""
    fill(journal, f"{name}.jsonl")
    sql = 'SELECT outcome FROM requests ORDER BY "offset"'
    assert OUTCOMES[name] == [
        row["outcome"] for row in rows_of("query", "--format", "json", "--journal", journal.root, sql)
    ]


def test_the_number_in_the_place_of_a_list(journal: Crafted) -> None:
    """A list's length is the number that `elide_list_responses` wrote, or the number of its keys."""
    fill(journal, "vault-1.21-elided-lists.jsonl")
    rows = rows_of(
        "query", "--format", "json", "--journal", journal.root, 'SELECT response_keys FROM requests ORDER BY "offset"'
    )
    assert [312456, 3, 2] == [row["response_keys"] for row in rows]


@pytest.mark.parametrize("arguments", [("verify", "--json"), ("tail", "--no-follow")])
def test_jsonx_is_refused_by_name(journal: Crafted, arguments: tuple[str, ...]) -> None:
    """XML is refused with a message that names the audit device's option."""
    journal.add((FIXTURES / "jsonx.xml").read_bytes(), mode=0o600)
    done = standpipe(*arguments, "--journal", journal.root)
    assert 2 == done.returncode
    assert b"jsonx" in (done.stdout + done.stderr).lower()
    assert b"format=json" in done.stdout + done.stderr


def test_a_copy_of_jsonx_is_refused_by_name() -> None:
    """So is a file of it."""
    done = standpipe("verify", "--json", FIXTURES / "jsonx.xml")
    found = json.loads(done.stdout)
    assert (2, "unknown") == (done.returncode, found["verdict"])
    assert "format=jsonx" in found["unreadable"][0]
