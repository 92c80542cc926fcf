"""What `query`, `export`, `report` and `verify` of copies take of memory: the bounds that their pages state."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench.audit_records import pairs
from tests.evidence.craft import JOURNAL_ID, Crafted

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = 60_000  # 80 MB
DATABASE_MIB = 128
BESIDES_MIB = 150  # the program, its libraries, what the database does not count
CHARTS_MIB = 50  # the library that draws
SMALL = ("--memory", f"{DATABASE_MIB}MiB")
COPIES = 300_000  # 430 MB: more than is held before it is sorted on the disk
COPIES_MIB = 256 + BESIDES_MIB  # evidence.copy_store
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
    """Run the program; return its peak of resident memory, and what it printed."""
    command = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1]) >> 10, done.stdout


def test_query(journal: Path) -> None:
    """A query that has more to sort than the database may hold stays in its bound, and is right."""
    sql = "SELECT count(DISTINCT request_id || n) AS ids, count(accessor) > 0 AS x FROM requests, range(60) AS t(n)"
    peak, printed = peak_mib("query", "--journal", str(journal), "--format", "csv", sql, *SMALL)
    assert f"ids,x\n{RECORDS // 2 * 60},true\n" == printed
    assert peak <= DATABASE_MIB + BESIDES_MIB


def test_report(journal: Path, tmp_path: Path) -> None:
    """A report, with its verification, questions and charts, stays in its bound."""
    output = tmp_path / "report.html"
    peak, printed = peak_mib("report", "--json", "--journal", str(journal), "--output", str(output), *SMALL)
    assert RECORDS == json.loads(printed)["records"]
    assert peak <= DATABASE_MIB + BESIDES_MIB + CHARTS_MIB


def test_export(journal: Path, tmp_path: Path) -> None:
    """An export stays in the bound of a query."""
    target = tmp_path / "parquet"
    peak, printed = peak_mib("export", "--json", "--journal", str(journal), "--parquet", str(target), *SMALL)
    assert RECORDS == json.loads(printed)["records"]
    assert peak <= DATABASE_MIB + BESIDES_MIB


def test_copies(tmp_path: Path) -> None:
    """Copies that are too many to hold are sorted on the disk, and are complete."""
    path, offset = tmp_path / "copies", 0
    with path.open("wb") as file:
        for first in range(0, COPIES // 2, 10_000):
            for line in pairs(first, 10_000).splitlines(keepends=True):
                place = f'"journal":"{JOURNAL_ID}","offset":{offset},"length":{len(line)},"after":{offset}'
                file.write(f'{{"standpipe":{{"id":"{JOURNAL_ID}-{offset:020d}",{place}}},'.encode() + line[1:])
                offset += len(line)
    peak, printed = peak_mib("verify", "--json", "--spill-dir", str(tmp_path), str(path))
    found = json.loads(printed)
    assert ("complete", COPIES, {"base": 0, "end": offset}) == (found["verdict"], found["records"], found["ranges"])
    assert peak <= COPIES_MIB
