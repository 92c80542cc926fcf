"""`standpipe report`: what it says of journals whose every count is known."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from standpipe.analysis import report_questions as questions
from standpipe.analysis.database import open_database
from standpipe.analysis.report import make_page, write_report
from standpipe.analysis.report_sources import Sources
from standpipe.cli.main import main
from tests.analysis.report_journal import HOSTILE, HOSTILE_PATH, Client, busy_journal
from tests.archive.archived import CLUSTER, SEGMENT_BYTES, make_archive, objects_of

if TYPE_CHECKING:
    from pathlib import Path

    from standpipe.analysis.report_page import Page

SIZE_MAX = 2_000_000  # bytes
NOW = datetime(2024, 5, 7, 1, 2, 3)  # noqa: DTZ001 - UTC, as the tables hold times


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Client]:
    """Return a journal, and what its client counted."""
    journal, client = busy_journal(tmp_path_factory.mktemp("counted") / "journal")
    return journal.root, client


@pytest.fixture(scope="module")
def page(counted: tuple[Path, Client]) -> Page:
    """Return what the report shows of it."""
    sources = Sources(journals=(str(counted[0]),))
    with open_database(sources.journals) as connection:
        return make_page(connection, (), sources, title="t", now=NOW)


@pytest.fixture(scope="module")
def text(counted: tuple[Path, Client]) -> str:
    """Return the page."""
    return written(counted[0])


def written(*journals: Path, **options: str) -> str:
    """Write a report and return it."""
    output = journals[0].parent / "report.html"
    named = [word for journal in journals for word in ("--journal", str(journal))]
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    assert main(["report", *named, "--output", str(output), *given]) == 0
    return output.read_text()


def column(page: Page, question: questions.Question, *names: str) -> list[tuple[object, ...]]:
    """Return some columns of an answer."""
    answer = page.answers[question.name]
    places = [answer.columns.index(name) for name in names]
    return [tuple(row[place] for place in places) for row in answer.rows]


# The figures.


def test_the_numbers_at_the_top(page: Page, counted: tuple[Path, Client]) -> None:
    """Requests by outcome, root use, clients and addresses are those that the client counted."""
    client = counted[1]
    expected = (
        client.requests.total(),
        client.requests["denied"],
        client.requests["error"],
        client.requests["no-response"],
        0,
        client.root,
        len(client.clients),
        len(client.addresses),
    )
    names = ("requests", "denied", "errors", "no_response", "response_only", "root", "clients", "addresses")
    assert [expected] == column(page, questions.OVERVIEW, *names)
    assert [(client.records,)] == column(page, questions.RECORDS, "records")


def test_rankings(page: Page, counted: tuple[Path, Client]) -> None:
    """Paths, clients and addresses have the client's own counts, the busiest first."""
    client = counted[1]
    for question, name, counts in (
        (questions.TOP_PATHS, "path", client.paths),
        (questions.TOP_CLIENTS, "client", client.clients),
        (questions.TOP_ADDRESSES, "address", client.addresses),
    ):
        expected = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: questions.TOP_ROWS]
        assert expected == column(page, question, name, "requests")


def test_root_and_changes(page: Page, counted: tuple[Path, Client]) -> None:
    """Each use of a root token is counted, each change of an audit device listed."""
    assert [("update", "sys/audit/file")] == list(dict.fromkeys(column(page, questions.ROOT, "operation", "path")))
    assert counted[1].root == sum(int(str(n)) for (n,) in column(page, questions.ROOT, "requests"))
    changes = column(page, questions.AUDIT_CHANGES, "path", "outcome", "client")
    assert [("sys/audit/file", "ok", "root")] * counted[1].audit_changes == changes
    assert [] == column(page, questions.ACCESS_CHANGES, "path")


def test_denied_and_errors(page: Page, counted: tuple[Path, Client]) -> None:
    """Denials and errors are told apart, and an error's text is on one line."""
    assert [("1 error occurred: * unsupported path", counted[1].requests["error"])] == column(
        page, questions.ERRORS, "error", "requests"
    )
    answer = questions.DENIED.sql.replace(f"LIMIT {questions.TOP_ROWS}", "")
    with open_database([str(counted[0])]) as connection:
        rows = connection.execute(f"SELECT sum(requests) FROM ({answer})").fetchone()
    assert (counted[1].requests["denied"],) == rows


def test_traffic_and_latency_have_every_request(page: Page, counted: tuple[Path, Client]) -> None:
    """The bars add up to the requests by outcome, the histogram to those with a response."""
    by_outcome: dict[object, int] = {}
    answer = page.answers["traffic"]
    for _, outcome, count in answer.rows:
        by_outcome[outcome] = by_outcome.get(outcome, 0) + int(str(count))
    assert dict(counted[1].requests) == by_outcome
    answered = counted[1].requests.total() - counted[1].requests["no-response"]
    assert answered == sum(int(str(n)) for (n,) in column(page, questions.LATENCY, "requests"))
    assert [("all mounts", answered)] == column(page, questions.LATENCY_BY_MOUNT, "mount", "requests")[:1]


def test_since_and_until_limit_the_figures(counted: tuple[Path, Client]) -> None:
    """Of a part of the time the page tells that part's requests, and says which it is."""
    text = written(counted[0], since="2024-05-06T07:00:17Z", until="2024-05-06T07:00:34Z", title="Ten <b>requests</b>")
    assert "<dt>Period</dt><dd>2024-05-06 07:00:17 to 2024-05-06 07:00:34 UTC</dd>" in text
    assert "<h1>Ten &lt;b&gt;requests&lt;/b&gt;</h1>" in text
    assert ">requests" in text
    assert "<dd>10</dd>" in text
    assert "--since 2024-05-06T07:00:17+00:00 --until 2024-05-06T07:00:34+00:00" in text


# The page.


class Parts(HTMLParser):
    """Collects what a page would load, run or name twice."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a tag."""
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data", "xlink:href", "poster"):
                self.references.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)


def test_the_page_stands_alone(text: str) -> None:
    """It is small, refers to itself only, runs nothing, and no id is there twice."""
    parts = Parts()
    parts.feed(text)
    assert len(text.encode()) < SIZE_MAX
    assert {"#", "d"} == {reference[:1] for reference in parts.references}
    assert ["data:,"] == [reference for reference in parts.references if not reference.startswith("#")]
    assert set() == parts.tags & {"script", "img", "iframe", "object", "embed", "form", "base"}
    assert [] == parts.handlers
    assert len(parts.ids) == len(set(parts.ids))
    assert [] == [found for found in re.findall(r"url\(([^)]*)\)", text) if not found.startswith("#")]
    assert "@import" not in text


def test_what_a_client_calls_itself_stays_text(text: str) -> None:
    """Markup in a name or a path has no effect, and characters that cannot be seen are spelt out."""
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert HOSTILE.encode("unicode_escape").decode().replace("\\\\", "\\") in unescape(text)
    assert HOSTILE_PATH.encode("unicode_escape").decode() in unescape(text)


def test_a_complete_journal(text: str) -> None:
    """The verdict is the first thing on the page, in the words of verify."""
    assert text.index('<section class="verdict verdict-complete"') < text.index("<h2>")
    assert "complete: every byte from 0 to " in text
    assert "No gap is known." in text


def test_gaps_are_on_the_time_line(tmp_path: Path) -> None:
    """A hole and a recorded gap are named with the times around them, and drawn in all three parts of the chart."""
    journal, _ = busy_journal(tmp_path / "journal")
    hole, after = journal.bases[3], journal.bases[4]
    before = json.loads(journal.file(journal.bases[2], ".log").read_bytes().splitlines()[-1])["time"]
    behind = json.loads(journal.file(after, ".log").read_bytes().splitlines()[0])["time"]
    journal.remove(hole, ".log")
    journal.incident("truncated", None, None, {"lost": 3})
    text = written(journal.root)
    assert '<section class="verdict verdict-incomplete"' in text
    (row,) = re.findall(r"<tr>(?:(?!</tr>).)*<code>hole</code>.*?</tr>", text)
    assert f"<span>{hole:,}</span>" in row
    assert f"<span>{after:,}</span>" in row
    assert [time[:19].replace("T", " ") for time in (before, behind)] == re.findall(r"2024-05-06 [\d:]+", row)
    assert "<code>truncated</code>" in text
    drawing = text[text.index('id="time"') : text.index('id="speed"')]
    assert 2 == drawing.count('fill="var(--gap)" fill-opacity="0.3"') + drawing.count(
        'fill-opacity="0.3" fill="var(--gap)"'
    )
    assert 1 <= drawing.count('stroke="var(--gap)"')


def test_each_query_on_the_page_gives_its_figure_again(counted: tuple[Path, Client], page: Page, text: str) -> None:
    """The commands are run as they are printed, and return the rows that the figures were made of."""
    commands = [
        unescape(found) for found in re.findall(r"<pre><code>(standpipe query.*?)</code></pre>", text, re.DOTALL)
    ]
    assert len(page.answers) == len(commands)
    shown = ("overview", "denied", "traffic")
    for name, command in zip(page.answers, commands, strict=True):
        if name in shown:
            answer = page.answers[name]
            rows = [json.loads(line) for line in in_shell(command + " --format json").splitlines()]
            assert [[plain(v) for v in row] for row in answer.rows] == [
                [plain(v) for v in row.values()] for row in rows
            ]


def plain(value: object) -> object:
    """Return a value as far as JSON and the database agree on it."""
    return re.sub(r"[T ]|Z$|\.0+$", " ", str(value)).strip()


def in_shell(command: str) -> str:
    """Run a command line of ours in a shell and return what it prints."""
    script = f'standpipe() {{ "$PYTHON" -m standpipe "$@"; }}\n{command}'
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


# Odd sources.


def test_an_empty_journal(tmp_path: Path) -> None:
    """Without a record there is a page all the same, and it says that there is nothing."""
    journal, _ = busy_journal(tmp_path / "journal", count=0, segments=1)
    text = written(journal.root)
    assert "No record has a time, so there is no time line." in text
    assert "No request was denied." in text


def test_an_export_is_not_proven(counted: tuple[Path, Client], tmp_path: Path) -> None:
    """Of Parquet files the figures are told, and that nothing proves them."""
    export, output = tmp_path / "export", tmp_path / "report.html"
    assert main(["export", "--journal", str(counted[0]), "--parquet", str(export)]) == 0
    assert main(["report", "--parquet", str(export), "--output", str(output)]) == 0
    text = output.read_text()
    assert '<section class="verdict verdict-unproven"' in text
    assert f"<dd>{counted[1].records:,}</dd>" in text


def test_an_archive_is_verified(tmp_path: Path) -> None:
    """Each journal of an archive has its own line of evidence, and damage there is damage of the whole."""
    archive, output = tmp_path / "archive", tmp_path / "report.html"
    make_archive(archive, tmp_path / "journals", "one", "two")
    words = ["report", "--archive", str(archive), "--output", str(output)]
    assert main(words) == 0
    text = output.read_text()
    assert '<section class="verdict verdict-complete"' in text
    places = [f"<code>{archive}: {CLUSTER}/{node}</code>: complete: every byte" for node in ("one", "two")]
    assert [True, True] == [place in text for place in places]
    assert 1 == text.count(f"standpipe verify {archive}<")
    objects_of(archive, SEGMENT_BYTES, "two")["data"].unlink()
    assert main(words) == 0
    assert '<section class="verdict verdict-incomplete"' in output.read_text()


def test_what_is_said_on_stdout(counted: tuple[Path, Client], capsys: pytest.CaptureFixture[str]) -> None:
    """The file, its size, the records and the verdict, for a person and for a script; only the owner may read it."""
    root, client = counted
    output = root.parent / "said.html"
    words = ["report", "--journal", str(root), "--output", str(output)]
    assert main([*words, "--json"]) == 0
    size = output.stat().st_size
    expected = {"output": str(output), "bytes": size, "verdict": "complete", "records": client.records}
    assert expected == json.loads(capsys.readouterr().out)
    assert main(words) == 0
    assert re.fullmatch(
        rf"{re.escape(str(output))}: [\d,]+ bytes, on {client.records:,} records: complete\n", capsys.readouterr().out
    )
    assert 0o600 == output.stat().st_mode & 0o777


def test_no_journal_no_page(tmp_path: Path) -> None:
    """A place that is no journal ends with 64, as for query, and nothing is written."""
    output = tmp_path / "report.html"
    assert main(["report", "--journal", str(tmp_path / "none"), "--output", str(output)]) == 64
    assert not output.exists()


def test_a_journal_of_another_format(tmp_path: Path) -> None:
    """A journal that cannot be read ends with 2, and nothing is written."""
    journal, _ = busy_journal(tmp_path / "journal", count=1, segments=1)
    (journal.root / "journal.json").write_text('{"format": 99}')
    output = tmp_path / "report.html"
    assert main(["report", "--journal", str(journal.root), "--output", str(output)]) == 2
    assert not output.exists()


def test_a_missing_library_is_named(counted: tuple[Path, Client], tmp_path: Path) -> None:
    """Without the extra the command says how to install it, and ends with 2."""
    code = "import sys; sys.modules['altair'] = None; from standpipe.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = ["report", "--journal", str(counted[0]), "--output", str(tmp_path / "report.html")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, timeout=60)
    assert 2 == done.returncode
    assert "pip install 'standpipe[report]'" in done.stderr


def test_progress_is_told(counted: tuple[Path, Client], tmp_path: Path) -> None:
    """Both long parts tell how far they are, up to the end."""
    told: dict[str, list[tuple[int, int]]] = {"verifying": [], "reading": []}
    write_report(
        Sources(journals=(str(counted[0]),)),
        str(tmp_path / "report.html"),
        title="t",
        now=NOW,
        verifying=lambda done, total: told["verifying"].append((done, total)),
        reading=lambda done, total: told["reading"].append((done, total)),
    )
    assert [True, True] == [calls[-1][0] == calls[-1][1] > 0 for calls in told.values()]
