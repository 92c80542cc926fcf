from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from standpipe.cli.main import main
from standpipe.journal import identity
from standpipe.journal.layout import Layout
from tests.archive.archived import archive_all, directory_config, keep
from tests.e2e.openbao import LOOPBACK, ROOT_TOKEN, Client, bao_path, running_openbao
from tests.evidence.craft import JOURNAL_ID, Crafted
from tests.journal.keep_fixture import add_segment

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HASH = "hmac-sha256:" + "ab" * 32


def whois(*words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment of its own."""
    return subprocess.run(
        [sys.executable, "-m", "standpipe", "whois", *words],
        input=stdin,
        env={"PYTHONPATH": ":".join(sys.path), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_token_is_found_in_a_real_log(tmp_path: Path) -> None:
    """What was done with a token, and what gave it out, by a real server's own hashing; our questions are not shown."""
    log = tmp_path / "audit.log"
    with running_openbao(tmp_path, bao=bao_path(), audit_path=log) as bao:
        client = Client(bao.port)
        _, answer = client.exchange("POST", "auth/token/create", {"policies": ["default"]}, ROOT_TOKEN)
        token = json.loads(answer)["auth"]["client_token"]
        client.exchange("GET", "auth/token/lookup-self", None, token)
        client.exchange("POST", "auth/token/lookup", {"token": token}, ROOT_TOKEN)
        client.close()
        journal = Crafted(tmp_path / "journal")
        journal.compress(journal.seal(journal.add(log.read_bytes())))
        variables = {"BAO_ADDR": f"http://{LOOPBACK}:{bao.port}", "BAO_TOKEN": ROOT_TOKEN}
        words = ["-", "--device", "test", "--journal", str(journal.root)]
        done = whois(*words, "--json", stdin=f"{token}\n", **variables)
        assert done.returncode == 0, done.stderr
        found = [(r["type"], r["path"], r["places"]) for r in map(json.loads, done.stdout.splitlines())]
        journal.add(log.read_bytes()[journal.end :], mode=0o600)  # with the question of the run before
        people = whois(*words, stdin=token, **variables)
        nothing = whois("no such value", "--device", "test", "--journal", str(journal.root), **variables)
    own = {"auth.client_token": "hashed", "request.client_token": "hashed"}
    assert [
        ("response", "auth/token/create", {"response.auth.client_token": "hashed"}),
        ("request", "auth/token/lookup-self", own),
        ("response", "auth/token/lookup-self", {**own, "response.data.id": "hashed"}),
        ("request", "auth/token/lookup", {"request.data.token": "hashed"}),
        ("response", "auth/token/lookup", {"request.data.token": "hashed", "response.data.id": "hashed"}),
    ] == found
    assert token not in done.stdout + done.stderr + people.stdout + people.stderr
    lines = people.stdout.splitlines()
    assert [True, 5, "not shown: 2 records of sys/audit-hash itself"] == [
        lines[0].startswith("hmac-sha256:"),
        len(lines[1:-1]),
        lines[-1],
    ]
    assert (1, "no record holds the value") == (nothing.returncode, json.loads(nothing.stderr)["message"])


def test_a_hash_needs_no_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An HMAC from a record is searched for as it is, also behind a gap and a torn record."""
    journal = Crafted(tmp_path / "j")
    line = json.dumps({"type": "request", "request": {"path": "p", "client_token": HASH}}).encode() + b"\n"
    journal.seal(journal.add(journal.data(1)))
    journal.add(b'{"half' + line)
    base = journal.add(line, base=journal.end + 50, mode=0o600)
    assert main(["whois", HASH, "--journal", str(journal.root), "--json"]) == 0
    found = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [(120 + 6, len(line)), (base, len(line))] == [(record["offset"], record["length"]) for record in found]
    assert {JOURNAL_ID} == {record["journal"] for record in found}


def test_an_archive_is_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every node and every segment of an archive; a record has the node's name and its offset in that journal."""
    line = json.dumps({"type": "request", "request": {"path": "p", "client_token": HASH}}).encode() + b"\n"
    (tmp_path / "archive").mkdir()
    for node in ("node-a", "node-b"):
        layout = Layout(str(tmp_path / node))
        identity.open_or_create(layout, node, 1_700_000_000.0)
        end = add_segment(layout, 0, b'{"type":"request"}\n')
        add_segment(layout, add_segment(layout, end, line), b"x\n", finished=False)
        keep(layout)
        archive_all(layout, directory_config(tmp_path / "archive"))
    assert main(["whois", HASH, "--archive", str(tmp_path / "archive"), "--json"]) == 0
    found = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [("node-a", 19, len(line)), ("node-b", 19, len(line))] == [
        (record["node"], record["offset"], record["length"]) for record in found
    ]


def test_nothing_to_ask_for_is_a_usage_error(tmp_path: Path) -> None:
    """No value and no terminal, or an empty one: 64, before any server is asked."""
    for words in ([], ["-"], [""]):
        done = whois(*words, "--journal", str(tmp_path))
        assert 64 == done.returncode, done.stderr


def test_a_part_of_a_hash_is_a_usage_error(tmp_path: Path) -> None:
    """It would be found nowhere, which must not look like an answer."""
    done = whois(HASH[:-1], "--journal", str(tmp_path))
    assert (64, True) == (done.returncode, "64 hex digits" in done.stderr)


def test_no_token_is_said() -> None:
    """Status 2, and how to get one."""
    done = whois("value")
    assert (2, "there is no token for the server") == (
        done.returncode,
        json.loads(done.stderr)["message"].partition(".")[0],
    )
