from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click
import pytest

from standpipe.cli.main import main
from standpipe.cli.tail import _since
from tests.analysis.tail_records import record
from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = click.Context(click.Command("tail"))
OPTION = click.Option(["--since"])


@pytest.fixture(name="journal")
def _journal(tmp_path: Path) -> Crafted:
    journal = Crafted(tmp_path / "journal")
    lines = [record(kind, number) for number in (1, 2) for kind in ("request", "response")]
    lines.append(record("request", 3, request={"path": "x\x1b[31m"}))
    journal.add(b"\n".join(lines) + b"\nhalf", mode=0o600)
    return journal


def test_lines_for_people(journal: Crafted, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a request, without colours and control characters where stdout is no terminal."""
    assert main(["tail", "--journal", str(journal.root), "--no-follow"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["ok", "ok", "no-response"] == [line.split()[2] for line in lines]
    assert r"x\x1b[31m" in lines[2]


def test_objects_for_programs(journal: Crafted, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object a request; options that are repeated are alternatives."""
    asked = ["--path", "secret/2", "--path", "secret/7", "--op", "read", "--who", "bob"]
    assert main(["tail", "--journal", str(journal.root), "--no-follow", "--json", *asked]) == 0
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert ("id-2", "ok") == (found["request_id"], found["outcome"])
    assert main(["tail", "--journal", str(journal.root), "--no-follow", "--json", "--errors"]) == 0
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert ("id-3", "no-response") == (found["request_id"], found["outcome"])


def test_a_stream_with_a_servers_messages() -> None:
    """The records of a mixed stream are shown, and the rest is counted on stderr."""
    stream = b"==> server started\n" + record("request", 1) + b"\n" + record("response", 1) + b"\n"
    words = [sys.executable, "-m", "standpipe", "tail", "-"]
    done = subprocess.run(words, input=stream, capture_output=True, check=True, timeout=60)
    assert b"secret/1" in done.stdout
    assert 1 == done.stdout.count(b"\n")
    assert 1 == json.loads(done.stderr)["lines"]


def test_a_terminal_gets_colours_unless_it_wants_none(journal: Crafted) -> None:
    """On a terminal the outcome is coloured and the day stands above; --no-color and NO_COLOR take colours away."""
    words = [sys.executable, "-m", "standpipe", "tail", "--journal", str(journal.root), "--no-follow"]
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    assert b"\x1b[32m" in on_terminal(words, environment)
    assert on_terminal(words, environment).startswith(b"\x1b[2m\xe2\x94\x80\xe2\x94\x80 2026-03-01 (UTC)")
    assert b"\x1b" not in on_terminal([*words, "--no-color"], environment)
    assert b"\x1b" not in on_terminal(words, {**environment, "NO_COLOR": "1"})


def on_terminal(words: list[str], environment: dict[str, str]) -> bytes:
    """Run a command with a terminal as stdout; return what it wrote."""
    ours, theirs = os.openpty()
    with subprocess.Popen(words, stdout=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        try:
            while data := os.read(ours, 65536):
                written += data
        except OSError:  # EIO: the last writer has closed the terminal
            os.close(ours)
        assert process.wait(60) == 0
    return written


def test_since_is_a_time_or_how_long_ago() -> None:
    """RFC 3339, or a duration before now; anything else is a usage error."""
    assert 1772359200 * 10**9 == _since(CONTEXT, OPTION, "2026-03-01T10:00:00Z")
    before = time.time_ns()
    ago = _since(CONTEXT, OPTION, "15m")
    assert ago is not None
    assert 0 <= ago - (before - 900 * 10**9) < 60 * 10**9
    assert _since(CONTEXT, OPTION, None) is None
    with pytest.raises(click.BadParameter):
        _since(CONTEXT, OPTION, "noon")


def test_no_journal_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Status 2, and a sentence with a remedy."""
    assert main(["tail", "--journal", str(tmp_path)]) == 2
    assert "Name the journal's directory with --journal" in capfd.readouterr().err
