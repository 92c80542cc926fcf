"""What `query` and `report` take of memory: the bound that docs/query.md and docs/report.md state."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench.audit_records import pairs
from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = 60_000  # 80 MB
DATABASE_MIB = 128
BESIDES_MIB = 150  # the program, its libraries, what the database does not count
CHARTS_MIB = 50  # the library that draws
PROGRAM = """
import atexit, runpy, sys
def tell():
    with open("/proc/self/status") as file:
        print(next(line.split()[1] for line in file if line.startswith("VmHWM")), file=sys.stderr)
atexit.register(tell)
runpy.run_module("standpipe", run_name="__main__")
"""


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a journal of four segments, sealed."""
    root = tmp_path_factory.mktemp("memory") / "journal"
    crafted = Crafted(root)
    each = RECORDS // 2 // 4
    for first in range(0, RECORDS // 2, each):
        crafted.seal(crafted.add(pairs(first, each)))
    return root


def peak_mib(*words: str) -> tuple[int, str]:
    """Run the program with a small limit; return its peak of resident memory, and what it printed."""
    command = [sys.executable, "-c", PROGRAM, *words, "--memory", f"{DATABASE_MIB}MiB"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1]) >> 10, done.stdout


def test_query(journal: Path) -> None:
    """A query that has more to sort than the database may hold stays in its bound, and is right."""
    sql = "SELECT count(DISTINCT request_id || n) AS ids, count(accessor) > 0 AS x FROM requests, range(60) AS t(n)"
    peak, printed = peak_mib("query", "--journal", str(journal), "--format", "csv", sql)
    assert f"ids,x\n{RECORDS // 2 * 60},true\n" == printed
    assert peak <= DATABASE_MIB + BESIDES_MIB


def test_report(journal: Path, tmp_path: Path) -> None:
    """A report, with its verification, questions and charts, stays in its bound."""
    output = tmp_path / "report.html"
    peak, printed = peak_mib("report", "--json", "--journal", str(journal), "--output", str(output))
    assert RECORDS == json.loads(printed)["records"]
    assert peak <= DATABASE_MIB + BESIDES_MIB + CHARTS_MIB
