"""docs/query.md: every table, column, function and named query, and none that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from standpipe.analysis.database import open_database
from standpipe.analysis.named import named_queries
from standpipe.analysis.views import REQUESTS_MACROS
from tests.docs.pages import DOCS, codes, rows, section, table_headed
from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

PAGE = DOCS / "query.md"
KINDS = {
    "text": {"VARCHAR"},
    "list of texts": {"VARCHAR[]"},
    "true or false": {"BOOLEAN"},
    "whole number": {"BIGINT", "INTEGER"},
    "number": {"DOUBLE"},
    "time, UTC": {"TIMESTAMP"},
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return an empty database."""
    Crafted(tmp_path / "j")
    connection = open_database([str(tmp_path / "j")])
    yield connection
    connection.close()


@pytest.mark.parametrize("view", ["requests", "records"])
def test_columns(database: duckdb.DuckDBPyConnection, view: str) -> None:
    """The page's columns are those of the view, with their types."""
    described = dict(row[:2] for row in database.execute(f"DESCRIBE {view}").fetchall())
    found: dict[str, set[str]] = {}
    for row in table_headed(section(PAGE, view), "column"):
        kind = row[1].split(";")[0].split(", as")[0].split(", cut")[0]
        found |= dict.fromkeys(codes(row[0]), KINDS[kind])
    assert set(described) == set(found)
    assert {} == {name: type_ for name, type_ in described.items() if type_ not in found[name]}


@pytest.mark.parametrize("table", ["incidents", "seals"])
def test_columns_of_facts(database: duckdb.DuckDBPyConnection, table: str) -> None:
    """The sentence names the table's columns, in order."""
    described = [row[0] for row in database.execute(f"DESCRIBE {table}").fetchall()]
    text = section(PAGE, "incidents and seals")
    sentence = text[text.index(f"`{table}` has") :].split(".")[0]
    assert described == codes(sentence)[1:][: len(described)]


def test_named_queries() -> None:
    """The page lists every named query with its title, what it tells, and its parameters."""
    found = {codes(row[0])[0]: (row[1], row[2]) for row in table_headed(PAGE.read_text(), "query")}
    expected = {}
    for name, query in named_queries().items():
        parameters = [
            f"`{each.name}`" + (f" (`{each.default}`)" if each.default is not None else "") for each in query.parameters
        ]
        expected[name] = (f"{query.title}. {query.about}", ", ".join(parameters) or "–")
    assert expected == found


def test_functions(database: duckdb.DuckDBPyConnection) -> None:
    """Every function of the page is there, and gives rows of `requests`."""
    found = [codes(row[0])[0] for row in table_headed(PAGE.read_text(), "function")]
    assert list(REQUESTS_MACROS) == found
    columns = database.execute("DESCRIBE requests").fetchall()
    for head in found:
        name = head.partition("(")[0]
        assert columns == database.execute(f"DESCRIBE FROM {name}('x')").fetchall()


def test_outcomes() -> None:
    """Each outcome that the view can say is explained."""
    explained = {codes(row[0])[0] for row in rows(section(PAGE, "requests")) if codes(row[0])[:1] != []}
    assert {"denied", "error", "no-response", "response-only", "ok"} <= explained
