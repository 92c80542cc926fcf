"""A database in a file of its own, filled from journals: tables and views that analysis.rows and analysis.views name.

The file lies in a directory of ours below the spill directory and goes away with the connection. The database's memory
is bounded; what does not fit is on disk. It is never let to download extensions.
"""

from __future__ import annotations

import json
import os
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from standpipe import scratch
from standpipe.analysis.coverage import Coverage
from standpipe.analysis.loading import load_files
from standpipe.analysis.locations import Wanted, sources_at
from standpipe.analysis.parquet_layout import INCIDENTS, RECORDS, SEALS, ranges_sql, read_sql
from standpipe.analysis.parquet_place import StorePlace, is_export, open_place, records_files, table_files
from standpipe.analysis.rows import COLUMNS, ROW_COLUMNS, TIME_COLUMN
from standpipe.analysis.views import (
    INCIDENT_COLUMNS,
    RECORDS_TABLE,
    SEAL_COLUMNS,
    columns_sql,
    file_row_number,
    literal,
    names_sql,
    records_statements,
    requests_statements,
    table_sql,
)
from standpipe.errors import StandpipeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import duckdb

    from standpipe.analysis.sources import Source
    from standpipe.archive.location import ArchiveOptions

    Progress = Callable[[int, int], None]  # raw bytes read so far, and in all

MEMORY_BYTES = 1 << 30  # of the database; the workers that read take some 60 MB each besides
OBJECT_BYTES_MAX = 16 << 20  # of one JSON line; load_worker.LINE_BYTES_MAX is less
HINT = "Run: pip install 'standpipe[query]'"


@dataclass(frozen=True, slots=True)
class Room:
    """What the database may take: memory in bytes, and the directory for its file (None: the system's for such)."""

    memory_bytes: int = MEMORY_BYTES
    spill_directory: str | None = None


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
    parquet: Sequence[str] = (),
    prefix: str | None = None,
    archive: ArchiveOptions | None = None,
    room: Room | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return a database with `records`, `requests`, `incidents` and `seals` of journals, archives and exports.

    locations: directories and URLs of journals, archives and exports; parquet: exports only, and URLs of such. since,
    until: only records whose time is in [since, until), those without a time from segments that reach into it, and
    incidents likewise. prefix: Vault's, where the journal does not know. Close the connection, or forget it, and its
    files are deleted. Raises UsageError for a location that is nothing of ours, JournalError, ArchiveError, OSError.
    """
    room = room or Room()
    with ExitStack() as undo:
        directory = scratch.make(room.spill_directory)
        undo.callback(scratch.remove, directory)
        connection = connect(directory, room.memory_bytes)
        exports = [*parquet, *(location for location in locations if is_export(location))]
        others = [location for location in locations if not is_export(location)]
        exported = [_local(export, f"{directory}/export-{n}", since, until) for n, export in enumerate(exports)]
        condition = _time_condition(since, until)
        _create(connection, exported, condition)
        sources = sources_at(others, Wanted(since, until, prefix, archive), _covered(connection, exported))
        _load(connection, sources, directory, condition, progress)
        _add_all_facts(connection, sources, exported, condition)
        undo.pop_all()
    weakref.finalize(connection, scratch.remove, directory)
    return connection


def _local(export: str, copy: str, since: datetime | None, until: datetime | None) -> str:
    """Return an export's directory; of one in an object store that of a copy. Raises UsageError, StandpipeError."""
    place = open_place(export)
    local = os.path.abspath(export)
    if isinstance(place, StorePlace):
        local = copy
        place.fetch_all(copy, _date(since, "0001-01-01"), _date(until, "9999-12-31"))
    if not is_export(local):
        raise UsageError(f"{export} holds no export", "Name what `standpipe export --parquet` wrote")
    return local


def _date(moment: datetime | None, otherwise: str) -> str:
    return otherwise if moment is None else moment.astimezone(UTC).date().isoformat()


def _covered(connection: duckdb.DuckDBPyConnection, exported: list[str]) -> Coverage:
    """Return what exports hold: it is not read from a journal or an archive as well."""
    covered = Coverage()
    files = records_files(exported)
    for journal, start, end in connection.execute(ranges_sql(files)).fetchall() if files else ():
        covered.add(journal, start, end)
    return covered


def _create(connection: duckdb.DuckDBPyConnection, exported: list[str], condition: str) -> None:
    connection.execute(table_sql(RECORDS_TABLE, COLUMNS))
    create_facts(connection)
    files = records_files(exported)
    export = f"{read_sql(RECORDS, files, file_row_number())} WHERE {condition}" if files else None
    for statement in (*records_statements(export), *requests_statements()):
        connection.execute(statement)


def _add_all_facts(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[Source], exported: list[str], condition: str
) -> None:
    """Fill the tables of incidents and seals; what several places tell is there once."""
    for source in sources:
        add_facts(connection, source)
    for table in (INCIDENTS, SEALS):
        files = table_files(table, exported)
        also = f" UNION {read_sql(table, files)}" if files else ""
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT DISTINCT * FROM (SELECT * FROM {table}{also})")
    connection.execute(f"DELETE FROM {INCIDENTS} WHERE NOT {condition}")


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
