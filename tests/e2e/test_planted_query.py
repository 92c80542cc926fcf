"""query and export over a real OpenBao's records: every figure is the client's own count."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.planted_counts import Asked, counted, differences, request_in
from tests.e2e.planted_requests import DENIED, ERROR, NAMESPACE, OK, USERS
from tests.e2e.planted_run import CLIENTS
from tests.e2e.run_harness import STANDPIPE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.planted_requests import Ask
    from tests.e2e.planted_run import Life

Rows = list[dict[str, Any]]
USER_NAME = f"userpass-{USERS[0]}"
REQUESTS = "SELECT outcome, operation, namespace_path, path, display_name, is_root FROM requests"
WRITES = {"create", "update", "patch"}


def query(*arguments: str | Path) -> Rows:
    """Return the rows of `query --format json`."""
    command = [*STANDPIPE, "query", "--format", "json", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def exported(clean: Life, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an export of the clean set: what most queries are asked of, so that it is read once."""
    directory = tmp_path_factory.mktemp("export") / "parquet"
    export(clean.journal, directory)
    return directory


def export(journal: Path, directory: Path) -> None:
    """Export a journal."""
    command = [*STANDPIPE, "export", "--journal", str(journal), "--parquet", str(directory)]
    subprocess.run(command, check=True, capture_output=True)


def named(exported: Path, name: str, **parameters: object) -> Rows:
    """Ask a named query of the export."""
    options = [text for key, value in parameters.items() for text in ("--param", f"{key}={value}")]
    return query("--parquet", exported, "--named", name, *options)


def test_every_request_is_a_row_as_it_was_asked(clean: Life) -> None:
    """100,000 requests of a journal: outcome, operation, path, namespace, who asked, and whether as root."""
    assert [] == differences(
        counted(clean.asked), Counter(map(request_in, query("--journal", clean.journal, REQUESTS)))
    )


def test_the_archive_and_the_export_say_the_same(clean: Life, exported: Path) -> None:
    """The same rows come from an export; an archive adds nothing to its own journal."""
    expected = counted(clean.asked)
    assert [] == differences(expected, Counter(map(request_in, query("--parquet", exported, REQUESTS))))
    count = "SELECT count(*) AS n FROM records"
    both = query("--journal", clean.journal, "--archive", clean.archive, count)
    assert [{"n": clean.records}] == both == query("--parquet", exported, count)


def test_an_export_made_again_changes_nothing(small: Life, tmp_path: Path) -> None:
    """An export of the same journal to the same place holds each record once."""
    for _ in range(2):
        export(small.journal, tmp_path / "parquet")
    found = query("--parquet", tmp_path / "parquet", "SELECT count(*) AS n FROM records")
    assert [{"n": small.records}] == found


def test_two_nodes_at_once(small: Life, clean: Life) -> None:
    """Records of two journals are told apart by node."""
    sql = "SELECT node, count(*) AS n FROM records GROUP BY node ORDER BY node"
    found = query("--journal", small.journal, "--journal", clean.journal, sql)
    assert [{"node": life.node, "n": life.records} for life in (clean, small)] == found


def test_denied_and_errors(clean: Life, exported: Path) -> None:
    """Denied requests and errors are as many as the clients saw, by who asked."""
    asked = Asked(clean.asked)
    found: Counter[str] = Counter()
    for row in named(exported, "denied", limit=10**6):
        found[row["display_name"] or ""] += row["requests"]
    assert asked.by(lambda ask: ask.who, lambda ask: ask.outcome == DENIED) == dict(found)
    errors = sum(row["requests"] for row in named(exported, "errors", limit=10**6))
    assert asked.number(lambda ask: ask.outcome == ERROR) == errors


def test_root_use(clean: Life, exported: Path) -> None:
    """Each request with the root token is listed."""
    rows = named(exported, "root-use", limit=10**6)
    expected = Counter((ask.operation, ask.path, ask.outcome) for ask in clean.asked if ask.root)
    assert expected == Counter((row["operation"], row["path"], row["outcome"]) for row in rows)


def test_who_read(clean: Life, exported: Path) -> None:
    """Who read a path, and how often with what outcome."""
    path = "secret/data/app/2"
    expected = Counter(
        (ask.who, ask.outcome) for ask in clean.asked if ask.path == path and ask.operation in ("read", "list")
    )
    rows = named(exported, "who-read", path=path)
    assert expected == Counter({(row["display_name"] or "", row["outcome"]): row["requests"] for row in rows})


def test_logins(clean: Life, exported: Path) -> None:
    """Logins that failed by address, those of unknown users too; logins by whom."""
    asked = Asked(clean.asked)
    failed = asked.number(lambda ask: is_login(ask) and ask.outcome != OK)
    assert [("127.0.0.1", failed)] == [
        (row["remote_address"], row["failures"]) for row in named(exported, "failed-logins")
    ]
    rows = {row["display_name"] or "": row["logins"] for row in named(exported, "logins")}
    assert asked.by(lambda ask: ask.who, is_login) == rows


def is_login(ask: Ask) -> bool:
    """Whether it is a login."""
    return "/login/" in ask.path


def test_hot_paths(clean: Life, exported: Path) -> None:
    """The hottest paths, each with its reads, lists and writes."""
    asked = Asked(clean.asked)
    hottest = Counter(asked.by(lambda ask: ask.path)).most_common(3)
    rows = named(exported, "hot-paths", limit=3)
    assert sorted(number for _, number in hottest) == sorted(row["requests"] for row in rows)
    for row in rows:
        of_path = Asked([ask for ask in clean.asked if ask.path == row["path"]])
        kinds = of_path.by(lambda ask: ask.operation)
        assert (kinds.get("read", 0), kinds.get("list", 0)) == (row["reads"], row["lists"])


@pytest.mark.parametrize(("mount", "namespace"), [("kv/", ""), ("kv/", NAMESPACE + "/"), ("secret/", "")])
def test_kv_usage(clean: Life, exported: Path, mount: str, namespace: str) -> None:
    """Reads, lists, writes and deletes of each KV mount, and of each of its secrets."""
    there = [ask for ask in clean.asked if ask.path.startswith(mount) and ask.namespace == namespace]
    (row,) = (each for each in named(exported, "kv-usage") if each["mount_point"] == namespace + mount)
    found = {"read": row["reads"], "list": row["lists"], "delete": row["deletes"], "write": row["writes"]}
    assert kinds(there) == found
    secrets: dict[str, list[Ask]] = {}
    for ask in there:
        if ask.operation != "list":
            secrets.setdefault(ask.path.removeprefix(mount).removeprefix("data/"), []).append(ask)
    expected = {name: kinds(asks) for name, asks in secrets.items()}
    rows = [each for each in named(exported, "kv-secrets", limit=10**6) if each["mount_point"] == namespace + mount]
    assert {name: (each["read"], each["write"], each["delete"]) for name, each in expected.items()} == {
        each["secret"]: (each["reads"], each["writes"], each["deletes"]) for each in rows
    }


def kinds(asks: list[Ask]) -> dict[str, int]:
    """Count reads, lists, deletes and writes."""
    found = Counter("write" if ask.operation in WRITES else ask.operation for ask in asks)
    return {kind: found[kind] for kind in ("read", "list", "delete", "write")}


def test_lists_and_reads(clean: Life, exported: Path) -> None:
    """How much each client lists and reads."""
    asked = Asked(clean.asked)
    lists = asked.by(lambda ask: ask.who, lambda ask: ask.operation == "list")
    reads = asked.by(lambda ask: ask.who, lambda ask: ask.operation == "read")
    found: Counter[str] = Counter()
    for row in named(exported, "list-read-ratio"):
        found[row["display_name"] + " lists"] += row["lists"]
        found[row["display_name"] + " reads"] += row["reads"]
    assert (lists[USER_NAME], reads[USER_NAME]) == (found[USER_NAME + " lists"], found[USER_NAME + " reads"])


def test_tokens_policies_devices_and_seals(clean: Life, exported: Path) -> None:
    """Tokens that were made and revoked, changes of policies and mounts, audit devices, and the seal."""
    asked = Asked(clean.asked)
    tokens = asked.by(lambda ask: ask.path, lambda ask: ask.path.startswith("auth/token/"))
    found: Counter[str] = Counter()
    for row in named(exported, "token-changes"):
        found[row["path"]] += row["requests"]
    assert tokens == dict(found)
    rows = named(exported, "config-changes")
    policies = asked.by(lambda ask: ask.operation, lambda ask: ask.path.startswith("sys/policies/"))
    assert policies == dict(Counter(row["operation"] for row in rows if row["path"].startswith("sys/policies/")))
    devices = asked.number(lambda ask: ask.path == "sys/audit/test")
    assert devices == len(named(exported, "audit-device-changes"))
    events = Counter(row["event"] for row in named(exported, "seal-unseal"))
    assert {"seal": 1, "start or enable": devices} == dict(events)


def test_the_clients_have_asked_enough(clean: Life) -> None:
    """The clean set has every kind of request that the figures above are about."""
    asked = Asked(clean.asked)
    for outcome in (OK, DENIED, ERROR):
        assert asked.by(lambda ask: ask.outcome)[outcome] > 0
    assert asked.number(lambda ask: ask.who == "token-batch") > len(CLIENTS) * 1000
