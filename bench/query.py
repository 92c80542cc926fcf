"""`standpipe query` over a journal, `standpipe export`, and every named query over what was exported."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from bench.audit_records import FIRST_SECOND, blocks, time_text
from bench.contest import tell
from bench.processes import STANDPIPE
from bench.table import AT_MOST, Aim, Row
from standpipe.analysis.database import open_database
from standpipe.analysis.named import named_queries
from standpipe.journal.identity import Identity
from standpipe.journal.layout import FINISHED_SEGMENT_MODE, Layout

if TYPE_CHECKING:
    from bench.size import Size

SEGMENT_BYTES = 64 << 20
CHUNK_RECORDS = 1_000_000  # a journal at a time: ten million records are 14 GB before they are exported
LOAD_AIM = Aim(AT_MOST, 12.0)  # of the 15 s that a report of a million records may take
NAMED_AIM = Aim(AT_MOST, 10.0)
RSS_AIM = Aim(AT_MOST, 1300.0)  # the database's 1 GiB, and ourselves
COUNT = "SELECT count(*), count(DISTINCT path) FROM requests"
MIDDLE = time_text(3_600_000)
PARAMETERS = {
    "path": "kv-1/data/*",
    "after": MIDDLE,
    "before": MIDDLE,
    "client": "kubernetes-app-7",
    "entity": "6f0e8a52-0000-4000-8000-000000000007",
}


def make_journal(directory: str, number: int, records: int) -> None:
    """Make a journal of segments without seals; number: which of several, each with pairs of its own."""
    layout = Layout(directory)
    os.makedirs(layout.segments)
    journal_id = f"5ca1ab1e-0000-4000-8000-{number:012d}"
    with open(layout.identity, "wb") as file:
        file.write(Identity(journal_id, f"node-{number}", str(FIRST_SECOND), None).to_bytes())
    base = end = 0
    segment = open(layout.segment(0), "xb")  # noqa: SIM115 - closed and opened again in the loop
    for block in blocks(number * records // 2, records):
        if end - base >= SEGMENT_BYTES:
            os.fchmod(segment.fileno(), FINISHED_SEGMENT_MODE)
            segment.close()
            base = end
            segment = open(layout.segment(base), "xb")  # noqa: SIM115
        segment.write(block)
        end += len(block)
    segment.close()


def run_program(*words: str) -> tuple[float, float]:
    """Run the program; return seconds and the peak RSS of its largest process in MB."""
    began = time.monotonic()
    process = subprocess.Popen([*STANDPIPE, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{words} ended with {process.returncode}")
    return time.monotonic() - began, usage.ru_maxrss * 1024 / 1e6


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's rows."""
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    try:
        return [*_over_a_journal(directory, size.query_records), *_over_an_export(directory, size.export_records)]
    finally:
        shutil.rmtree(directory)


def _over_a_journal(directory: str, records: int) -> list[Row]:
    journal = f"{directory}/journal"
    make_journal(journal, 0, records)
    seconds, peak = run_program("query", "--journal", journal, COUNT)
    tell(f"query over a journal of {records:,} records: {seconds:.1f} s")
    shutil.rmtree(journal)
    what = f"query over a journal of {records:,} records"
    return [
        Row(f"{what}: time", seconds, "s", f"{records / seconds:,.0f} records/s", LOAD_AIM, digits=1),
        Row(f"{what}: peak RSS", peak, "MB", "the largest process; the default --memory", RSS_AIM, digits=0),
    ]


def _over_an_export(directory: str, records: int) -> list[Row]:
    target = f"{directory}/export"
    seconds = 0.0
    chunk = min(records, CHUNK_RECORDS)
    for number in range(records // chunk):
        journal = f"{directory}/journal-{number}"
        make_journal(journal, number, chunk)
        seconds += run_program("export", "--journal", journal, "--parquet", target)[0]
        shutil.rmtree(journal)
        tell(f"export: {(number + 1) * chunk:,} of {records:,} records")
    taken = _named_queries(target)
    slowest = sorted(taken, key=lambda name: -taken[name])
    figures = ", ".join(f"{name} {taken[name]:.1f} s" for name in slowest[:3])
    return [
        Row("export to Parquet", records / seconds, "records/s", f"{records:,} in {seconds:.0f} s", digits=0),
        Row(
            f"named queries over {records:,} exported records: the slowest",
            taken[slowest[0]],
            "s",
            f"{figures}; all {len(taken)} in {sum(taken.values()):.0f} s",
            NAMED_AIM,
            digits=1,
        ),
    ]


def _named_queries(target: str) -> dict[str, float]:
    """Return the seconds that each takes."""
    connection = open_database([], parquet=[target])
    taken = {}
    for name, query in named_queries().items():
        given = {each.name: PARAMETERS[each.name] for each in query.parameters if each.name in PARAMETERS}
        began = time.monotonic()
        connection.execute(query.sql, query.values(given)).fetchall()
        taken[name] = time.monotonic() - began
    connection.close()
    return taken
