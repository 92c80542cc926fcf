"""Every named query against a count made from the list of requests, in plain Python."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from standpipe.analysis.database import open_database
from standpipe.analysis.named import NamedQuery, named_queries, named_query, parse_query
from standpipe.errors import UsageError
from tests.analysis.audit_world import (
    AUDIT,
    DAY,
    DELETE,
    LIST,
    LOGIN,
    LOOKUP,
    POLICY,
    READ,
    SEAL,
    TOKEN,
    WRITE,
    Asked,
    text,
    world,
    write,
)
from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import duckdb

Rows = list[tuple[Any, ...]]
MIDDLE = text(3 * DAY // 2)
AFTER = MIDDLE[:19] + "Z"

# One client more, who comes late, and another who left early.
REQUESTS = [
    replace(asked, who=7)
    if asked.who == 4 and asked.at >= 2 * DAY
    else replace(asked, who=3 if asked.at < DAY else 2)
    if asked.who == 3
    else asked
    for asked in world(600)
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database of the world."""
    root = tmp_path_factory.mktemp("world")
    write(root / "j", REQUESTS)
    connection = open_database([str(root / "j")])
    yield connection
    connection.close()


def columns(database: duckdb.DuckDBPyConnection, name: str, wanted: str, **params: str) -> Rows:
    """Return some columns of a named query's result."""
    query = named_query(name)
    result = database.execute(query.sql, query.values(params))
    names = [column[0] for column in result.description or ()]
    places = [names.index(column) for column in wanted.split()]
    return [tuple(row[place] for place in places) for row in result.fetchall()]


def counted(requests: Iterable[Asked], key: Callable[[Asked], object]) -> list[tuple[Any, ...]]:
    """Return (key…, count) for each key."""
    found = Counter(key(asked) for asked in requests)
    return [(*(name if isinstance(name, tuple) else (name,)), count) for name, count in found.items()]


def of(*kinds: int) -> list[Asked]:
    """Return the requests of some kinds."""
    return [asked for asked in REQUESTS if asked.kind in kinds]


def same(expected: Iterable[tuple[Any, ...]], actual: Iterable[tuple[Any, ...]]) -> bool:
    """Tell whether both have the same rows; prints them for pytest where not."""
    left, right = sorted(map(repr, expected)), sorted(map(repr, actual))
    assert left == right
    return bool(left)


# Each: the query, its parameters, the columns compared, and what they must be.
GROUPED: list[tuple[str, dict[str, str], str, list[tuple[Any, ...]]]] = [
    (
        "who-read",
        {"path": "secret/data/app/*"},
        "display_name operation outcome requests",
        counted(of(READ), lambda a: (a.name, a.operation, a.outcome)),
    ),
    (
        "denied",
        {"limit": "100000"},
        "display_name operation path requests",
        counted([a for a in REQUESTS if a.outcome == "denied"], lambda a: (a.name, a.operation, a.path)),
    ),
    (
        "hot-paths",
        {"limit": "100000"},
        "path requests",
        counted(REQUESTS, lambda a: a.path),
    ),
    (
        "failed-logins",
        {},
        "remote_address mount_point failures",
        counted([a for a in of(LOGIN) if a.outcome != "ok"], lambda a: (a.address, a.mount)),
    ),
    (
        "token-changes",
        {},
        "display_name action path outcome requests",
        counted(
            of(TOKEN, LOOKUP),
            lambda a: (a.name, "create" if a.kind == TOKEN else "lookup", a.path, a.outcome),
        ),
    ),
    (
        "token-abuse",
        {"at_least": "10"},
        "accessor lookups",
        [row for row in counted(of(LOOKUP), lambda a: a.accessor) if row[-1] >= 10],
    ),
    (
        "overview",
        {},
        "mount_point operation requests",
        counted(REQUESTS, lambda a: (a.mount, a.operation)),
    ),
    (
        "addresses",
        {},
        "remote_address requests",
        counted(REQUESTS, lambda a: a.address),
    ),
    (
        "entity-gaps",
        {"limit": "100000"},
        "operation path requests",
        counted([a for a in REQUESTS if a.entity is None], lambda a: (a.operation, a.path)),
    ),
    (
        "read-by-client",
        {"client": "user-1"},
        "path reads",
        counted([a for a in of(READ) if a.name == "user-1"], lambda a: a.path),
    ),
    (
        "read-by-client",
        {"client": "entity-2"},
        "path reads",
        counted([a for a in of(READ) if a.entity == "entity-2"], lambda a: a.path),
    ),
    (
        "polling",
        {"at_least": "5"},
        "display_name path requests",
        [row for row in counted(of(READ, LOOKUP), lambda a: (a.name, a.path)) if row[-1] >= 5],
    ),
    (
        "latency",
        {},
        "mount_point operation requests",
        counted([a for a in REQUESTS if a.duration is not None], lambda a: (a.mount, a.operation)),
    ),
    (
        "kv-usage",
        {},
        "mount_point requests",
        counted(of(READ, LIST, WRITE, DELETE), lambda a: a.mount),
    ),
    (
        "logins",
        {},
        "mount_point display_name logins",
        counted(of(LOGIN), lambda a: (a.mount, f"userpass-{a.name}" if a.outcome == "ok" else None)),
    ),
    ("k8s-auth", {}, "mount_point logins", []),
]


@pytest.mark.parametrize(("name", "params", "wanted", "expected"), GROUPED, ids=[case[0] for case in GROUPED])
def test_counts(
    database: duckdb.DuckDBPyConnection, name: str, params: dict[str, str], wanted: str, expected: Rows
) -> None:
    """A query that counts finds each group, and in each the number of the list."""
    assert same(expected, columns(database, name, wanted, **params)) == bool(expected)


def test_errors(database: duckdb.DuckDBPyConnection) -> None:
    """What went wrong, without what was denied."""
    expected = counted([a for a in REQUESTS if a.outcome == "error"], lambda a: (a.mount, a.operation))
    assert same(expected, columns(database, "errors", "mount_point operation requests"))


def test_root_use(database: duckdb.DuckDBPyConnection) -> None:
    """Every request of client 0, newest first."""
    mine = [a for a in REQUESTS if a.who == 0]
    expected = [(f"id-{a.number:08d}", a.path, a.outcome) for a in reversed(mine)][:30]
    assert expected == columns(database, "root-use", "request_id path outcome", limit="30")


def test_new_clients(database: duckdb.DuckDBPyConnection) -> None:
    """Clients whose first request is in the second half."""
    first: dict[str, int] = {}
    for asked in REQUESTS:
        first.setdefault(asked.entity or asked.name, asked.at)
    expected = [(client,) for client, at in first.items() if at >= 3 * DAY // 2]
    assert ["entity-7"] == [client for (client,) in expected]
    assert same(expected, columns(database, "new-clients", "client", after=AFTER))


def test_stale_tokens(database: duckdb.DuckDBPyConnection) -> None:
    """Accessors that were not used in the second half."""
    last = {asked.accessor: asked for asked in REQUESTS}
    expected = [(accessor, asked.name) for accessor, asked in last.items() if asked.at < 3 * DAY // 2]
    assert ["user-3"] == [name for _, name in expected]
    assert same(expected, columns(database, "stale-tokens", "accessor display_name", before=AFTER))


def test_slow_requests(database: duckdb.DuckDBPyConnection) -> None:
    """The slowest first, with their durations."""
    slow = sorted((a for a in REQUESTS if a.duration is not None), key=lambda a: (-(a.duration or 0), a.at))[:20]
    expected = [(f"id-{a.number:08d}", float(a.duration or 0), a.path) for a in slow]
    assert expected == columns(database, "slow-requests", "request_id duration_ms path", limit="20")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("config-changes", (POLICY, AUDIT)), ("audit-device-changes", (AUDIT,)), ("seal-unseal", (SEAL,))],
)
def test_changes(database: duckdb.DuckDBPyConnection, name: str, kinds: tuple[int, ...]) -> None:
    """Each write below sys/ of its kind, newest first."""
    expected = [(a.name, a.outcome) for a in reversed(of(*kinds))]
    assert expected == columns(database, name, "display_name outcome")


def test_asking_for_a_hash_changes_nothing(tmp_path: Path) -> None:
    """sys/audit-hash is an update below sys/audit…, and no change of the config; sys/audit/ itself is."""
    journal = Crafted(tmp_path / "j")
    paths = ("sys/audit-hash/file", "sys/audit/file", "sys/rekey-recovery-key/init")
    entries = [
        {"time": f"2024-05-06T00:00:0{number}Z", "type": "request", "request": {"operation": "update", "path": path}}
        for number, path in enumerate(paths)
    ]
    journal.add(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))
    with closing(open_database([str(tmp_path / "j")])) as connection:
        assert [(paths[2],), (paths[1],)] == columns(connection, "config-changes", "path")


def test_list_read_ratio(database: duckdb.DuckDBPyConnection) -> None:
    """Lists, reads and listed keys of each client."""
    lists, reads, keys = Counter[str](), Counter[str](), Counter[str]()
    for asked in of(LIST, READ, LOOKUP):
        if asked.kind == LIST:
            lists[asked.name] += 1
            keys[asked.name] += asked.thing
        else:
            reads[asked.name] += 1
    expected = [(name, count, reads[name], keys[name]) for name, count in lists.items()]
    assert same(expected, columns(database, "list-read-ratio", "display_name lists reads keys_listed"))


def test_kv_secrets(database: duckdb.DuckDBPyConnection) -> None:
    """Reads, writes and deletes of each secret, whichever version's path it has."""
    found: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for asked in of(READ, WRITE, DELETE):
        found[asked.mount, f"app/{asked.thing}"][asked.kind] += 1
    expected = [(*key, kinds[READ], kinds[WRITE], kinds[DELETE]) for key, kinds in found.items()]
    assert same(expected, columns(database, "kv-secrets", "mount_point secret reads writes deletes"))


def test_kv_usage_counts_secrets(database: duckdb.DuckDBPyConnection) -> None:
    """A secret's data and metadata are one secret."""
    expected = {
        mount: len({a.thing for a in of(READ, WRITE, DELETE) if a.mount == mount}) for mount in ("secret/", "kv1/")
    }
    expected["secret/"] += 1  # the list of app/
    assert same(expected.items(), columns(database, "kv-usage", "mount_point secrets"))


def test_entity_churn(database: duckdb.DuckDBPyConnection) -> None:
    """A day's entities, those that come and those that go."""
    days: dict[int, Counter[str]] = defaultdict(Counter)
    for asked in REQUESTS:
        if asked.entity is not None:
            days[asked.at // DAY][asked.entity] += 1
    first = {entity: min(day for day in days if entity in days[day]) for day in days for entity in days[day]}
    last = {entity: max(day for day in days if entity in days[day]) for day in days for entity in days[day]}
    expected = [
        (
            len(entities),
            len([entity for entity in entities if first[entity] == day]),
            len([entity for entity in entities if last[entity] == day]),
            sum(entities.values()),
        )
        for day, entities in sorted(days.items())
    ]
    assert expected == columns(database, "entity-churn", "entities first_seen last_seen requests")


def test_entity_timeline(database: duckdb.DuckDBPyConnection) -> None:
    """All that one entity did, in order."""
    expected = [(a.operation, a.path, a.outcome) for a in REQUESTS if a.entity == "entity-2"]
    assert expected == columns(database, "entity-timeline", "operation path outcome", entity="entity-2")


def test_traffic(database: duckdb.DuckDBPyConnection) -> None:
    """Requests, errors and denied ones by hour."""
    hours: dict[int, list[Asked]] = defaultdict(list)
    for asked in REQUESTS:
        hours[asked.at // 3_600_000].append(asked)
    expected = [
        (
            len(mine),
            len([a for a in mine if a.outcome == "error"]),
            len([a for a in mine if a.outcome == "denied"]),
            len([a for a in mine if a.duration is None]),
        )
        for _, mine in sorted(hours.items())
    ]
    assert expected == columns(database, "traffic", "requests errors denied without_response")


COMPARED = {name for name, *_ in GROUPED} | {
    "errors",
    "root-use",
    "new-clients",
    "stale-tokens",
    "slow-requests",
    "config-changes",
    "audit-device-changes",
    "seal-unseal",
    "list-read-ratio",
    "kv-secrets",
    "entity-churn",
    "entity-timeline",
    "traffic",
}


def test_every_query_is_compared() -> None:
    """No named query ships without a test of its figures."""
    assert COMPARED == set(named_queries())


# Reading a query's file.


def test_a_file_is_read() -> None:
    """Head, parameters and SQL."""
    query = parse_query(
        "q", "-- title: T\n-- about: A: b.\n-- param n number 5: How many\n-- param p text: A path\nFROM x\n"
    )
    assert ("q", "T", "A: b.", "FROM x\n") == (query.name, query.title, query.about, query.sql)
    assert [("n", "number", "5", "How many"), ("p", "text", None, "A path")] == [
        (each.name, each.type, each.default, each.about) for each in query.parameters
    ]
    assert {"n": 5, "p": "x"} == query.values({"p": "x"})
    assert {"n": 1.5, "p": "x"} == query.values({"p": "x", "n": "1.5"})


@pytest.mark.parametrize("head", ["-- title: T\n", "-- title: T\n-- about: A\n-- param x: y\n"])
def test_a_bad_head(head: str) -> None:
    """A file without a head, or with one that cannot be read, is a fault."""
    with pytest.raises(ValueError, match="q: "):
        parse_query("q", head + "FROM x\n")


def one() -> NamedQuery:
    """Return a query with one parameter of type time."""
    return parse_query("q", "-- title: T\n-- about: A\n-- param t time: When\nFROM x\n")


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "needs t: When"), ({"u": "1"}, "no parameter 'u'"), ({"t": "noon"}, "t='noon' is no time")],
)
def test_wrong_parameters(given: dict[str, str], words: str) -> None:
    """A parameter that is missing, unknown or of another type is refused."""
    with pytest.raises(UsageError, match=words):
        one().values(given)


def test_an_unknown_name() -> None:
    """The names that there are are told."""
    with pytest.raises(UsageError, match=r"no query .x..*denied"):
        named_query("x")
