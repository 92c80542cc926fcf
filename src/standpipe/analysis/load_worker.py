"""A process that turns stretches into rows: ``python -m standpipe.analysis.load_worker``, started by analysis.loading.

Each line on stdin is a Job as JSON; for each a line is written to stdout when its rows are in their file: null, or
what went wrong. The end of stdin ends it. Rows are JSON lines, which the database reads with all its threads.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from standpipe.analysis.reading import records_of
from standpipe.analysis.rows import cut_row, row_of
from standpipe.analysis.sources import Stretch
from standpipe.errors import StandpipeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from standpipe.analysis.rows import Row
    from standpipe.records.framing import Record

LINE_BYTES_MAX = 4 << 20  # of one row; the database reserves four times as much for each of its threads
ROWS_A_WRITE = 1000  # some 600 KB


class Job(msgspec.Struct, frozen=True):
    """Write the rows of a stretch to a file."""

    stretch: Stretch
    path: str


class Answer(msgspec.Struct, frozen=True):
    """What became of a job: how many rows, or the error's message and remedy."""

    rows: int = 0
    error: str = ""
    remedy: str = ""


def write_rows(records: Iterable[Record], path: str) -> int:
    """Write one JSON line a record to a new file; return how many. Raises OSError, and what records raises."""
    encoder = msgspec.json.Encoder()
    count = 0
    waiting: list[Row] = []
    with open(path, "xb") as file:
        for record in records:
            waiting.append(row_of(record))
            if len(waiting) == ROWS_A_WRITE:
                file.write(_lines(encoder, waiting))
                count += len(waiting)
                waiting.clear()
        file.write(_lines(encoder, waiting))
    return count + len(waiting)


def _lines(encoder: msgspec.json.Encoder, rows: list[Row]) -> bytes:
    lines = encoder.encode_lines(rows)
    if len(lines) <= LINE_BYTES_MAX:
        return lines
    return b"".join(_line(encoder, row) for row in rows)


def _line(encoder: msgspec.json.Encoder, row: Row) -> bytes:
    line = encoder.encode(row)
    return (line if len(line) <= LINE_BYTES_MAX else encoder.encode(cut_row(row))) + b"\n"


def perform(job: Job) -> Answer:
    """Do a job; a failure is an answer."""
    try:
        return Answer(write_rows(records_of(job.stretch), job.path))
    except StandpipeError as error:
        return Answer(error=error.message, remedy=error.remedy)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return Answer(error=f"{error.strerror or error}{where}")


def main() -> None:
    """Answer jobs until stdin ends."""
    for line in sys.stdin.buffer:
        answer = perform(msgspec.json.decode(line, type=Job))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
