"""`standpipe query`: SQL over journals, archives and exports."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import click

from standpipe.analysis.database import open_database
from standpipe.analysis.named import NamedQuery, named_queries, named_query
from standpipe.analysis.output import FORMATS, PARQUET, TABLE, write_parquet, write_result
from standpipe.cli.endings import cleans_up
from standpipe.cli.progress import TerminalProgress
from standpipe.cli.sources import source_options
from standpipe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from standpipe.analysis.named import Value
    from standpipe.cli.sources import Chosen

EPILOG = """\b
Examples:
  standpipe query --list                                        what can be asked by name
  standpipe query --named denied --since 1d
  standpipe query --named who-read --param 'path=secret/data/prod/*' --format csv
  standpipe query "SELECT mount_type, count(*) FROM requests GROUP BY ALL"
  standpipe query --parquet /srv/export --named hot-paths --format json | jq .path
  echo 'FROM incidents' | standpipe query -

\b
Exit status: 0 done; 2 a journal, an archive or an export cannot be read, or
the library is missing; 64 the command line or the SQL is wrong.
Tables, columns and named queries: docs/query.md.
"""


@click.command("query", epilog=EPILOG)
@click.argument("sql", required=False)
@click.option("--named", metavar="NAME", help="A query that ships with the program, instead of SQL.")
@click.option("--param", "params", metavar="KEY=VALUE", multiple=True, help="A named query's parameter.")
@click.option("--list", "list_wanted", is_flag=True, help="List the named queries and stop.")
@click.option("--show", is_flag=True, help="Print the named query's SQL and stop.")
@click.option("--parquet", "exports", metavar="LOCATION", multiple=True, help="What `standpipe export` wrote.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=TABLE,
    show_default=True,
    metavar="FORMAT",
    help="table, csv, json (one object a row) or parquet.",
)
@click.option("--output", metavar="FILE", help="Write to a file instead of stdout.")
@source_options
@cleans_up
def command(  # noqa: PLR0913 - each is an option of its own
    *,
    sql: str | None,
    named: str | None,
    params: tuple[str, ...],
    list_wanted: bool,
    show: bool,
    exports: tuple[str, ...],
    form: str,
    output: str | None,
    chosen: Chosen,
) -> None:
    """Ask journals, archives and exports in SQL (DuckDB's).

    The views are `requests` (request and response as one row), `records`, `incidents` and `seals`. SQL `-` is read from
    stdin. Works on a live journal; takes no lock and writes nothing but a temporary database, which is deleted.
    """
    if list_wanted:
        _list(form)
        return
    query = named_query(named) if named is not None else None
    if show:
        click.echo(_required(query).sql, nl=False)
        return
    text, values = _statement(sql, query, params)
    if form == PARQUET and output is None:
        raise UsageError("Parquet is no text", "Name a file with --output")
    progress = TerminalProgress("reading")
    try:
        connection = open_database(
            chosen.locations(exports),
            since=chosen.since,
            until=chosen.until,
            progress=progress,
            parquet=exports,
            prefix=chosen.prefix,
            archive=chosen.archive,
            room=chosen.room,
        )
    finally:
        progress.close()
    _write(connection, text, values, form, output)
    connection.close()


def _write(
    connection: duckdb.DuckDBPyConnection, text: str, values: dict[str, Value], form: str, output: str | None
) -> None:
    if output is not None and form == PARQUET:
        write_parquet(connection, text, values, output)
        return
    with _opened(output) as file:
        write_result(connection, text, values, form, file)


@contextmanager
def _opened(output: str | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    with open(output, "w", encoding="utf-8", opener=_private) as file:
        yield file


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner may read: it says who did what."""
    return os.open(path, flags, 0o600)


def _required(query: NamedQuery | None) -> NamedQuery:
    if query is None:
        raise UsageError("--show needs a named query", "Add --named; `standpipe query --list` has them")
    return query


def _statement(sql: str | None, query: NamedQuery | None, params: tuple[str, ...]) -> tuple[str, dict[str, Value]]:
    """Return the SQL and its parameters. Raises UsageError."""
    if (sql is None) == (query is None):
        raise UsageError("give either SQL or --named NAME", "`standpipe query --list` has the names")
    given = {}
    for param in params:
        key, equals, value = param.partition("=")
        if not equals:
            raise UsageError(f"--param {param!r} has no value", "Write --param key=value")
        given[key] = value
    if query is not None:
        return query.sql, query.values(given)
    if given:
        raise UsageError("--param is for named queries", "Write the values into the SQL")
    return (sys.stdin.read() if sql == "-" else sql or ""), {}


def _list(form: str) -> None:
    for query in named_queries().values():
        if form == "json":
            parameters = [
                {"name": each.name, "type": each.type, "default": each.default, "about": each.about}
                for each in query.parameters
            ]
            entry = {"name": query.name, "title": query.title, "about": query.about, "parameters": parameters}
            click.echo(json.dumps(entry))
            continue
        click.echo(f"{query.name}: {query.title}. {query.about}")
        for each in query.parameters:
            default = "must be given" if each.default is None else f"default {each.default}"
            click.echo(f"    --param {each.name}=…  {each.about} ({each.type}, {default})")
