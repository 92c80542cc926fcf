"""A query's result as a table, CSV, JSON lines or Parquet."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import IO, TYPE_CHECKING

from standpipe.analysis.views import literal
from standpipe.errors import UsageError
from standpipe.observe.log import escape_control

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

    from standpipe.analysis.named import Value

TABLE, CSV, JSON, PARQUET = FORMATS = ("table", "csv", "json", "parquet")
ROWS_A_FETCH = 1000
TABLE_ROWS_MAX = 10_000  # a table's widths need all rows at once, and nobody reads more
CELL_CHARACTERS_MAX = 80  # of a cell in a table; the other formats have all of it


def write_result(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Value], form: str, file: IO[str]
) -> None:
    """Run a statement and write its result as table, CSV or JSON lines. Raises UsageError where the SQL is wrong."""
    result = run(connection, sql, values)
    names = [str(column[0]) for column in result.description or ()]
    if form == TABLE:
        rows = result.fetchmany(TABLE_ROWS_MAX)
        more = result.fetchone() is not None
        file.writelines(f"{line}\n" for line in as_table(names, rows, more=more))
        return
    line = csv_line if form == CSV else json_line
    if form == CSV:
        file.write(csv_line(names, names))
    for row in _rows(result):
        file.write(line(names, row))


def write_parquet(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Value], path: str) -> None:
    """Run a SELECT into a Parquet file. Raises UsageError where the SQL is wrong."""
    run(connection, f"COPY ({sql.strip().rstrip(';')}) TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)", values)


def run(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Value]) -> duckdb.DuckDBPyConnection:
    """Run a statement; its errors are those of the person who wrote it. Raises UsageError."""
    import duckdb  # noqa: PLC0415 - a library of an extra

    try:
        return connection.execute(sql, dict(values)) if values else connection.execute(sql)
    except duckdb.OutOfMemoryException as error:
        raise UsageError(f"the query needs more memory: {_first_line(error)}", "Give more with --memory") from error
    except duckdb.Error as error:
        raise UsageError(
            f"the query cannot be run: {_first_line(error)}", "docs/query.md has the tables and columns"
        ) from error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _rows(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[object, ...]]:
    while rows := result.fetchmany(ROWS_A_FETCH):
        yield from rows


def plain(value: object) -> object:
    """Return a value as JSON has it: times as RFC 3339 in UTC, decimals as numbers."""
    if isinstance(value, datetime):
        return f"{value.replace(tzinfo=None).isoformat()}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, dict):
        return {str(key): plain(member) for key, member in value.items()}
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def json_line(names: Sequence[str], row: Sequence[object]) -> str:
    """Return a row as one JSON object and a newline."""
    entry = dict(zip(names, map(plain, row), strict=True))
    return json.dumps(entry, separators=(",", ":")) + "\n"


def _text(value: object) -> str:
    simple = plain(value)
    if simple is None:
        return ""
    if isinstance(simple, str):
        return simple
    return json.dumps(simple, ensure_ascii=False)


def csv_line(_names: Sequence[str], row: Sequence[object]) -> str:
    """Return a row as RFC 4180 has it, with a newline; NULL is an empty field."""
    return ",".join(_csv_field(_text(value)) for value in row) + "\n"


def _csv_field(text: str) -> str:
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def as_table(names: Sequence[str], rows: Sequence[Sequence[object]], *, more: bool = False) -> list[str]:
    """Return lines for a person: columns by width, numbers to the right, control characters escaped."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max([len(name), *(len(row[index]) for row in cells)]) for index, name in enumerate(names)]
    right = [all(isinstance(row[index], int | float | Decimal | None) for row in rows) for index in range(len(names))]
    heads = [escape_control(name) for name in names]
    lines = [_line(heads, widths, right), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths, right) for row in cells]
    lines.append(f"({len(rows)} row{'' if len(rows) == 1 else 's'}{', and there are more' if more else ''})")
    return lines


def _cell(value: object) -> str:
    text = escape_control(_text(value))
    return text if len(text) <= CELL_CHARACTERS_MAX else f"{text[: CELL_CHARACTERS_MAX - 1]}…"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    placed = [
        cell.rjust(width) if to_the_right else cell.ljust(width)
        for cell, width, to_the_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(placed).rstrip()
