"""Where an export's files stand, so that DuckDB, Spark, Trino, ClickHouse and BigQuery find partitions by name. Pure.

::

    records/date=<YYYY-MM-DD>/node=<node>/<journal id>-<base>.parquet
    incidents/node=<node>/<journal id>.parquet
    seals/node=<node>/<journal id>.parquet

base: the first journal offset of the segment, 20 digits. A segment never changes once it is sealed, so an export that
is done again writes the same files, and one that goes on replaces those of the segment that was open. date is the UTC
date of the records inside; a record without a time is beside the one before it in its segment. node is
percent-encoded as in a URL. The columns node and date are in the path only, as is usual (Hive's partitions).
"""

from __future__ import annotations

from standpipe.analysis.rows import COLUMNS
from standpipe.analysis.views import INCIDENT_COLUMNS, SEAL_COLUMNS, columns_sql, literal, names_sql
from standpipe.journal.layout import OFFSET_DIGITS

RECORDS, INCIDENTS, SEALS = TABLES = ("records", "incidents", "seals")
SUFFIX = ".parquet"
NO_DATE = "1970-01-01"  # of records before which their segment has none with a time
COMPRESSION = "zstd"  # half of snappy's size; all five engines read it

_COLUMNS = {RECORDS: COLUMNS, INCIDENTS: INCIDENT_COLUMNS, SEALS: SEAL_COLUMNS}


def percent_encoded(name: str) -> str:
    """Return a name as a part of a URL's path (RFC 3986): letters, digits and ``-._~`` stay."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in name.encode("utf-8", "surrogateescape"))


def records_key(date: str, node: str, journal: str, base: int) -> str:
    """Return the name of a file of records, below the export's place."""
    return f"{RECORDS}/date={date}/node={percent_encoded(node)}/{journal}-{base:0{OFFSET_DIGITS}d}{SUFFIX}"


def facts_key(table: str, node: str, journal: str) -> str:
    """Return the name of the file of a journal's incidents or seals."""
    return f"{table}/node={percent_encoded(node)}/{journal}{SUFFIX}"


def stored_names(table: str) -> str:
    """Return the columns that are inside the files of a table, for a SELECT."""
    return names_sql(tuple((name, type_) for name, type_ in _COLUMNS[table] if name != "node"))


def read_sql(table: str, files: list[str], also: str | None = None) -> str:
    """Return the SELECT that reads a table from files of exports, one at least. also: an expression to add."""
    columns = _COLUMNS[table]
    partitions = (("date", "DATE"), ("node", "VARCHAR")) if table == RECORDS else (("node", "VARCHAR"),)
    reader = (
        f"read_parquet([{_list(files)}], hive_partitioning = true, hive_types = {columns_sql(partitions)}, "
        "union_by_name = true)"
    )
    return f"SELECT {names_sql(columns)}{f', {also}' if also else ''} FROM {reader}"


def ranges_sql(files: list[str]) -> str:
    """Return the SELECT of what exports hold of each segment: journal, first offset, end of the last record."""
    return (
        f'SELECT journal, min("offset"), max("offset" + "length") '
        f"FROM read_parquet([{_list(files)}], filename = true, hive_partitioning = false) "
        f"GROUP BY journal, regexp_extract(filename, '[0-9]+[.]parquet$')"
    )


def files_pattern(table: str) -> str:
    """Return the shell pattern of a table's files, below the export's place."""
    return f"{table}/{'*/*' if table == RECORDS else '*'}/*{SUFFIX}"


def _list(files: list[str]) -> str:
    return ", ".join(map(literal, files))
