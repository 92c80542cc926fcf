"""report over a real OpenBao: tiles, top paths and denied requests are the clients' own counts.

Each figure's command gives what the page says. The other figures are compared with counts of their own in
tests/analysis/test_report.py.
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.e2e.planted_counts import Asked
from tests.e2e.planted_journal import Segments, copy_tree, segment_dropped
from tests.e2e.planted_requests import DENIED, ERROR, NO_RESPONSE
from tests.e2e.run_harness import STANDPIPE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.planted_run import Life

BYTES_MAX = 2_000_000
TILE = re.compile(r'<div class="tile[^"]*"><dt>([^<]+?) *<a.*?<dd>([\d,]+)</dd>', re.DOTALL)
ROW = re.compile(r"<tr>(.*?)</tr>", re.DOTALL)
CELL = re.compile(r"<td[^>]*>(.*?)</td>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")
COMMAND = re.compile(r"<pre><code>(standpipe (?:query|verify) .*?)</code></pre>", re.DOTALL)


def report(journal: Path, output: Path) -> str:
    """Return the page."""
    command = [*STANDPIPE, "report", "--journal", str(journal), "--output", str(output)]
    subprocess.run(command, check=True, capture_output=True)
    return output.read_text()


def tiles(page: str) -> dict[str, int]:
    """Return the numbers at the top."""
    return {name: int(number.replace(",", "")) for name, number in TILE.findall(page)}


def table(page: str, figure: str) -> list[list[str]]:
    """Return the cells of a figure's table."""
    text = page.partition(f'id="{figure}"')[2].partition("</table>")[0]
    rows = [[html.unescape(TAG.sub("", cell)) for cell in CELL.findall(row)] for row in ROW.findall(text)]
    return [row for row in rows if row]


@pytest.fixture(scope="module")
def page(clean: Life, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the clean set's page."""
    return report(clean.journal, tmp_path_factory.mktemp("report") / "page.html")


def test_the_numbers_at_the_top(clean: Life, page: str) -> None:
    """Records, requests, outcomes and root use of 200,000 records are what the clients counted."""
    asked = Asked(clean.asked)
    outcomes = asked.by(lambda ask: ask.outcome)
    found = tiles(page)
    assert found.pop("clients") > 0
    assert found == {
        "records": clean.records,
        "requests": len(clean.asked),
        "denied": outcomes[DENIED],
        "errors": outcomes[ERROR],
        "without response": outcomes[NO_RESPONSE],
        "without request": 0,
        "by root tokens": asked.number(lambda ask: ask.root),
        "addresses": 1,
        "incidents": 0,
    }
    assert '<p class="word">Complete</p>' in page
    assert BYTES_MAX > len(page.encode())


def test_the_busiest(clean: Life, page: str) -> None:
    """The busiest paths and the denied ones have the client's numbers."""
    asked = Asked(clean.asked)
    by_path = Counter(asked.by(lambda ask: ask.path))
    rows = table(page, "f-top-paths")
    numbers = [number for _, number in by_path.most_common(len(rows))]
    assert numbers == [number_in(row) for row in rows]
    denied = Counter(asked.by(lambda ask: f"{ask.who} {ask.path}", lambda ask: ask.outcome == DENIED))
    rows = table(page, "f-denied")
    assert [number for _, number in denied.most_common(len(rows))] == [number_in(row) for row in rows]


def number_in(row: list[str]) -> int:
    """Return the first number of a row: how many requests."""
    return next(int(cell.replace(",", "")) for cell in row if re.fullmatch(r"[\d,]+", cell))


def test_every_command_on_the_page_repeats_its_figure(small: Life, tmp_path: Path) -> None:
    """The commands in the page run as they stand, and the first one's numbers are those at the top."""
    page = report(small.journal, tmp_path / "page.html")
    program = tmp_path / "bin" / "standpipe"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m standpipe "$@"\n')
    program.chmod(0o700)
    variables = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    answers = []
    for command in map(html.unescape, COMMAND.findall(page)):
        done = subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True, env=variables)
        assert (0, "") == (done.returncode, done.stderr), command
        answers.append(done.stdout)
    queries = re.findall(r'id="q-[^"]+"', page)
    assert len(queries) + 1 == len(answers)
    assert answers[0].startswith("complete")
    numbers = tiles(page)
    top = [numbers[name] for name in ("requests", "denied", "errors", "without response", "without request")]
    assert top == [int(cell) for cell in answers[1].splitlines()[2].split()[: len(top)]]


def test_a_dropped_segment_is_on_the_page(small: Life, tmp_path: Path) -> None:
    """A journal that lacks a segment gives a page that says so at the top, with the range."""
    segments = Segments(copy_tree(small.journal, tmp_path / "journal") / "segments")
    begin, end = segments.ranges()[7]
    segment_dropped(segments, begin)
    page = report(tmp_path / "journal", tmp_path / "page.html")
    assert '<p class="word">Incomplete</p>' in page
    verdict = page.partition('id="verdict"')[2].partition("</section>")[0]
    assert f"{begin:,}" in verdict
    assert f"{end:,}" in verdict
