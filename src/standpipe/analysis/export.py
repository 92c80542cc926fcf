"""Journals and archives into Parquet files, a segment at a time, so that larger engines read the same rows.

A file appears whole: written aside, then renamed, or put in one request. What is there already is replaced by what the
same segment gives now, so an export may be repeated, cut short, or done by several at once. Nothing is deleted: what
retention has removed from the journal stays in the export.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.analysis.database import Room, add_facts, connect, create_facts, rows_sql
from standpipe.analysis.loading import load_files
from standpipe.analysis.parquet_layout import (
    COMPRESSION,
    INCIDENTS,
    NO_DATE,
    SEALS,
    facts_key,
    records_key,
    stored_names,
)
from standpipe.analysis.views import literal
from standpipe.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from standpipe.analysis.database import Progress
    from standpipe.analysis.parquet_place import ParquetPlace
    from standpipe.analysis.sources import Source, Stretch


@dataclass(slots=True)
class Exported:
    """What was written."""

    records: int = 0
    files: int = 0
    bytes: int = 0


def export(
    sources: Sequence[Source], place: ParquetPlace, *, progress: Progress | None = None, room: Room | None = None
) -> Exported:
    """Write all of the sources' stretches, seals and incidents. Raises JournalError, StandpipeError, OSError."""
    room = room or Room()
    done = Exported()
    with scratch(room.spill_directory) as directory:
        connection = connect(directory, room.memory_bytes)
        stretches = [stretch for source in sources for stretch in source.stretches]
        total = sum(stretch.bytes for stretch in stretches)
        read = 0
        for stretch, path in load_files(stretches, directory):
            _write_records(connection, stretch, path, place, done)
            os.unlink(path)
            read += stretch.bytes
            if progress is not None:
                progress(read, total)
        for source in sources:
            _write_facts(connection, source, place, done)
        connection.close()
    return done


def _write_records(
    connection: duckdb.DuckDBPyConnection, stretch: Stretch, path: str, place: ParquetPlace, done: Exported
) -> None:
    # A record without a time goes with the one before it: that does not change when the segment grows.
    day = "strftime(time, '%Y-%m-%d')"
    last = f'last_value({day} IGNORE NULLS) OVER (ORDER BY "offset" ROWS UNBOUNDED PRECEDING)'
    rows = rows_sql(stretch.node, stretch.journal, path)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE part AS SELECT *, coalesce({last}, {literal(NO_DATE)}) AS day FROM ({rows})"
    )
    days = connection.execute("SELECT day, count(*) FROM part GROUP BY ALL ORDER BY ALL").fetchall()
    for day, count in days:
        key = records_key(day, stretch.node, stretch.journal, stretch.base)
        select = f'SELECT {stored_names("records")} FROM part WHERE day = {literal(day)} ORDER BY "offset"'
        done.bytes += _copy(connection, select, key, place)
        done.files += 1
        done.records += count


def _copy(connection: duckdb.DuckDBPyConnection, select: str, key: str, place: ParquetPlace) -> int:
    """Write one file; return its size."""
    with place.writing(key) as path:
        connection.execute(f"COPY ({select}) TO {literal(path)} (FORMAT parquet, COMPRESSION {COMPRESSION})")
        return os.stat(path).st_size


def _write_facts(connection: duckdb.DuckDBPyConnection, source: Source, place: ParquetPlace, done: Exported) -> None:
    """Write a journal's seals and incidents; those that an earlier export had, and the journal no longer, stay."""
    create_facts(connection)
    add_facts(connection, source)
    for table in (INCIDENTS, SEALS):
        key = facts_key(table, source.node, source.journal)
        names = stored_names(table)
        select = f"SELECT {names} FROM {table}"
        with place.reading(key) as earlier:
            if earlier is not None:
                select = f"{select} UNION SELECT {names} FROM read_parquet({literal(earlier)})"
            connection.execute(f"CREATE OR REPLACE TEMP TABLE facts AS {select}")
        done.bytes += _copy(connection, "SELECT * FROM facts ORDER BY ALL", key, place)
        done.files += 1
    for table in (INCIDENTS, SEALS):
        connection.execute(f"DROP TABLE {table}")
