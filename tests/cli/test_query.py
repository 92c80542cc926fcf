from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

from standpipe.analysis.output import as_table, csv_line, json_line
from tests.analysis.audit_world import world, write

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = world(40)


def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return subprocess.run(
        [sys.executable, "-m", "standpipe", *words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """Return a journal's directory."""
    write(tmp_path / "j", REQUESTS)
    return str(tmp_path / "j")


def test_each_format_has_the_same_rows(journal: str, tmp_path: Path) -> None:
    """CSV, JSON and Parquet of one statement agree with the list of requests."""
    sql = "SELECT request_id, error, duration_ms FROM requests ORDER BY request_id"
    expected = [(f"id-{a.number:08d}", a.duration) for a in REQUESTS]
    as_json = [
        json.loads(line) for line in run("query", "--journal", journal, "--format", "json", sql).stdout.splitlines()
    ]
    assert expected == [(row["request_id"], row["duration_ms"]) for row in as_json]
    text = run("query", "--journal", journal, "--format", "csv", "-", stdin=sql).stdout
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert expected == [(row["request_id"], float(row["duration_ms"]) if row["duration_ms"] else None) for row in found]
    assert [row["error"] or "" for row in as_json] == [row["error"] for row in found]
    path = tmp_path / "out.parquet"
    done = run("query", "--journal", journal, "--format", "parquet", "--output", str(path), sql + ";")
    assert (0, "") == (done.returncode, done.stderr)
    rows = duckdb.connect().execute(f"SELECT request_id, duration_ms FROM '{path}'").fetchall()
    assert expected == rows


def test_a_named_query_to_a_private_file(journal: str, tmp_path: Path) -> None:
    """--output makes a file that only its owner reads."""
    path = tmp_path / "denied.csv"
    words = ["--named", "denied", "--param", "limit=1", "--format", "csv", "--output", str(path)]
    done = run("query", "--journal", journal, *words)
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    assert 2 == len(path.read_text().splitlines())
    assert 0o600 == stat.S_IMODE(os.stat(path).st_mode)


def test_list_and_show() -> None:
    """--list as JSON has each query; --show prints SQL that --named runs."""
    listed = [json.loads(line) for line in run("query", "--list", "--format", "json").stdout.splitlines()]
    assert {"limit"} == {each["name"] for row in listed if row["name"] == "denied" for each in row["parameters"]}
    assert run("query", "--list").stdout.startswith("addresses: Clients by address.")
    assert "FROM requests\nWHERE outcome = 'denied'" in run("query", "--show", "--named", "denied").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either SQL or --named"),
        (["SELECT 1", "--named", "denied"], "give either SQL or --named"),
        (["selec"], "the query cannot be run: Parser Error"),
        (["FROM nothing"], "the query cannot be run: Catalog Error"),
        (["--named", "x"], "there is no query 'x'"),
        (["--named", "who-read"], "needs path"),
        (["--named", "denied", "--param", "limit"], "has no value"),
        (["SELECT 1", "--param", "a=b"], "--param is for named queries"),
        (["SELECT 1", "--format", "parquet"], "Parquet is no text"),
        (["--show"], "--show needs a named query"),
        (["SELECT 1", "--since", "noon"], "neither a time"),
        (["SELECT 1", "--memory", "much"], "is not a size"),
    ],
)
def test_a_wrong_command_line(journal: str, words: list[str], message: str) -> None:
    """What is wrong is said in one line, with status 64."""
    done = run("query", "--journal", journal, *words)
    assert (64, "") == (done.returncode, done.stdout)
    (line,) = done.stderr.splitlines()
    assert message in json.loads(line)["message"]


def test_no_journal(tmp_path: Path) -> None:
    """A journal that is not there is a wrong command line."""
    assert 64 == run("query", "--journal", str(tmp_path / "no"), "SELECT 1").returncode


def test_export(journal: str, tmp_path: Path) -> None:
    """Export tells what it wrote, and query reads it."""
    target = str(tmp_path / "p")
    done = json.loads(run("export", "--journal", journal, "--parquet", target, "--json").stdout)
    assert sum(len(a.lines()) for a in REQUESTS) + 1 == done["records"]
    text = run("query", "--parquet", target, "--format", "csv", "SELECT count(*) AS n FROM requests").stdout
    assert f"n\n{len(REQUESTS)}\n" == text


def test_the_program_starts_without_the_library() -> None:
    """Neither --help nor the command's own help loads duckdb, and without it a query says what to install."""
    code = "import sys; sys.modules['duckdb'] = None; from standpipe.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code]
    helped = subprocess.run([*words, "query", "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert 0 == helped.returncode
    done = subprocess.run([*words, "query", "SELECT 1"], capture_output=True, text=True, check=False, timeout=60)
    assert 2 == done.returncode
    assert "pip install 'standpipe[query]'" in done.stderr


# What cells look like.


def test_a_table_for_people() -> None:
    """Numbers stand right, control characters cannot drive a terminal, long cells are cut, and there may be more."""
    lines = as_table(["n", "text"], [(1, "\x1b[31mred"), (22, None), (None, "x" * 99)], more=True)
    assert [
        " n  text",
        f"--  {'-' * 80}",
        " 1  \\x1b[31mred",
        "22",
        f"    {'x' * 79}…",
        "(3 rows, and there are more)",
    ] == lines


def test_values_as_text() -> None:
    """Lists, truth and NULL in CSV and JSON; control characters are escaped in JSON."""
    row = [["a", "b,c"], True, None, 'say "x"', "\x9b"]
    assert '"[""a"", ""b,c""]",true,,"say ""x""",\x9b\n' == csv_line([], row)
    assert '{"l":["a","b,c"],"t":true,"n":null,"s":"say \\"x\\"","c":"\\u009b"}\n' == json_line([*"ltnsc"], row)
