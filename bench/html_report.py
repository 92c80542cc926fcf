"""`standpipe report` over a sealed journal: seconds from the command to the page, and the peak RSS."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING

from bench.audit_records import pairs
from bench.contest import tell
from bench.query import RSS_AIM, run_program
from bench.table import AT_MOST, Aim, Row
from bench.verify import RAW, make_journal

if TYPE_CHECKING:
    from bench.size import Size

SECONDS_AIM = Aim(AT_MOST, 15.0)


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's rows."""
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    try:
        records = size.query_records
        total = make_journal(f"{directory}/journal", records // 2, RAW, pairs)
        page = f"{directory}/report.html"
        seconds, peak = run_program("report", "--journal", f"{directory}/journal", "--output", page)
    finally:
        shutil.rmtree(directory)
    tell(f"report of {records:,} records: {seconds:.1f} s")
    what = f"report of {records:,} records"
    return [
        Row(f"{what}: time", seconds, "s", f"{total / records:,.0f} bytes a record", SECONDS_AIM, digits=1),
        Row(f"{what}: peak RSS", peak, "MB", "the largest process; the default --memory", RSS_AIM, digits=0),
    ]
