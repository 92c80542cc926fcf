"""A database in a file of its own, filled from journals: tables and views that analysis.rows and analysis.views name.

The file lies in a directory of ours below the spill directory and goes away with the connection. The database's memory
is bounded; what does not fit is on disk. It is never let to download extensions.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from typing import TYPE_CHECKING

from standpipe.analysis.loading import load_files
from standpipe.analysis.rows import COLUMNS, ROW_COLUMNS, TIME_COLUMN
from standpipe.analysis.sources import Source, is_journal, journal_source
from standpipe.analysis.views import (
    INCIDENT_COLUMNS,
    RECORDS_TABLE,
    SEAL_COLUMNS,
    columns_sql,
    literal,
    names_sql,
    requests_sql,
    table_sql,
)
from standpipe.errors import StandpipeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import duckdb

    Progress = Callable[[int, int], None]  # raw bytes read so far, and in all

MEMORY_BYTES = 1 << 30  # of the database; the workers that read take some 60 MB each besides
OBJECT_BYTES_MAX = 16 << 20  # of one JSON line; load_worker.LINE_BYTES_MAX is less
HINT = "Run: pip install 'standpipe[query]'"


def connect(directory: str, memory_bytes: int = MEMORY_BYTES) -> duckdb.DuckDBPyConnection:
    """Open a new database in a directory. Raises StandpipeError where duckdb is not installed."""
    try:
        import duckdb  # noqa: PLC0415 - a library of an extra, and only these commands may pay for it
    except ImportError as error:
        raise StandpipeError(f"this command needs a library that cannot be loaded: {error}", HINT) from error
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_bytes >> 20}MiB",
        "temp_directory": f"{directory}/spill",
        "autoinstall_known_extensions": "false",
        "preserve_insertion_order": "false",  # else whole files wait in memory for the one before
    }
    connection = duckdb.connect(f"{directory}/standpipe.duckdb", config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def open_database(
    locations: Sequence[str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Progress | None = None,
    prefix: str | None = None,
    spill_directory: str | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> duckdb.DuckDBPyConnection:
    """Return a database with `records`, `requests`, `incidents` and `seals` of the journals at some locations.

    since, until: only records whose time is in [since, until), those without a time from segments that reach into it,
    and incidents likewise. prefix: Vault's, where the journal does not know. Close the connection, or forget it, and
    its files are deleted. Raises UsageError for a location that is nothing of ours, JournalError, OSError.
    """
    directory = tempfile.mkdtemp(prefix="standpipe-", dir=spill_directory)
    try:
        sources = [_source(location, since, until, prefix) for location in locations]
        connection = connect(directory, memory_bytes)
        _create(connection)
        for source in sources:
            add_facts(connection, source)
        _load(connection, sources, directory, _time_condition(since, until), progress)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    weakref.finalize(connection, shutil.rmtree, directory, ignore_errors=True)
    return connection


def _source(location: str, since: datetime | None, until: datetime | None, prefix: str | None) -> Source:
    if is_journal(location):
        return journal_source(location, since=since, until=until, prefix=prefix)
    raise UsageError(f"{location} is no journal", "Name a directory that has a journal.json")


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(table_sql(RECORDS_TABLE, COLUMNS))
    create_facts(connection)
    connection.execute(f"CREATE VIEW records AS SELECT * FROM {RECORDS_TABLE}")
    connection.execute(requests_sql())


def create_facts(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of incidents and seals."""
    connection.execute(table_sql("incidents", INCIDENT_COLUMNS))
    connection.execute(table_sql("seals", SEAL_COLUMNS))


def _time_condition(since: datetime | None, until: datetime | None) -> str:
    """Return the condition on the column time."""
    conditions = [
        f"time {comparison} TIMESTAMPTZ {literal(moment.isoformat())} AT TIME ZONE 'UTC'"
        for comparison, moment in ((">=", since), ("<", until))
        if moment is not None
    ]
    return f"(time IS NULL OR ({' AND '.join(conditions)}))" if conditions else "true"


def add_facts(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Add a source's seals and incidents."""
    seals = [
        (
            source.node,
            source.journal,
            seal.base,
            seal.end,
            seal.records,
            seal.first_time,
            seal.last_time,
            seal.sealed_at,
            seal.signature is not None,
        )
        for seal in source.seals
    ]
    incidents = [
        (
            source.node,
            source.journal,
            str(entry.get("time")),
            entry["kind"],
            _whole(entry.get("offset")),
            _whole(entry.get("length")),
            json.dumps(entry.get("detail")),
        )
        for entry in source.incidents
    ]
    _insert(connection, "seals", SEAL_COLUMNS, seals)
    _insert(connection, "incidents", INCIDENT_COLUMNS, incidents)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: tuple[tuple[str, str], ...],
    rows: Sequence[tuple[object, ...]],
) -> None:
    marks = ", ".join("try_cast(? AS TIMESTAMP)" if type_ == "TIMESTAMP" else "?" for _, type_ in columns)
    if rows:
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _load(
    connection: duckdb.DuckDBPyConnection,
    sources: Sequence[Source],
    directory: str,
    condition: str,
    progress: Progress | None,
) -> None:
    stretches = [stretch for source in sources for stretch in source.stretches]
    total = sum(stretch.bytes for stretch in stretches)
    done = 0
    connection.begin()  # one transaction: small ones go through the write-ahead log first, and cost half as much again
    for stretch, path in load_files(stretches, directory):
        rows = rows_sql(stretch.node, stretch.journal, path)
        connection.execute(f"INSERT INTO {RECORDS_TABLE} {rows} WHERE {condition}")
        os.unlink(path)
        done += stretch.bytes
        if progress is not None:
            progress(done, total)
    connection.commit()


def rows_sql(node: str, journal: str, path: str) -> str:
    """Return the SELECT that reads a file of rows as `records` has them; a WHERE may follow."""
    reader = (
        f"read_json({literal(path)}, format = 'newline_delimited', columns = {columns_sql(ROW_COLUMNS)}, "
        f"maximum_object_size = {OBJECT_BYTES_MAX})"
    )
    place = f"{literal(node)} AS node, {literal(journal)} AS journal"
    time = f"try_cast(time_text AS {TIME_COLUMN[1]}) AS time"
    return f"SELECT {names_sql()} FROM (SELECT {place}, {time}, * FROM {reader})"
