from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.file_checks import reclaim_result, shared_volume_result, writers_result
from standpipe.cli.check_text import as_json, as_lines
from standpipe.cli.main import main
from standpipe.config_file import load_config, load_settings
from standpipe.journal.checks import Limits, lock_result, space_result
from standpipe.journal.identity import open_or_create
from standpipe.journal.layout import Layout
from standpipe.preflight import Result, failed, ok, warning

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).parents[2] / "docs" / "check.md"
GIB = 1 << 30


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of an audit file with some bytes in it."""
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"type":"request"}\n')
    return str(path)


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """Return the path of a journal that is not there."""
    return str(tmp_path / "journal")


def states(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return the state of each check of an answer in JSON."""
    return {check["name"]: check["state"] for check in json.loads(capsys.readouterr().out)["checks"]}


# From settings to exit status.


def test_a_file_that_can_be_followed(file: str, journal: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings leave the status at 0; nothing is made, neither a journal nor a scratch file."""
    assert 0 == main(["check", "--file", file, "--journal", journal, "--json"])
    assert {
        "config": "ok",
        "source": "ok",
        "source-size": "ok",
        "reclaim": "ok",
        "writers": "ok",
        "shared-volume": "warning",
        "journal": "ok",
        "journal-lock": "ok",
        "journal-space": "ok",
    } == states(capsys)
    assert ["audit.log"] == os.listdir(os.path.dirname(file))


def test_a_failure_is_status_1(file: str, journal: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where a FIFO should be, on a terminal's words and in JSON; the other checks are done all the same."""
    arguments = ["check", "--fifo", file, "--journal", journal]
    assert 1 == main(arguments)
    out = capsys.readouterr().out
    assert f"FAILED   source         {file} is a regular file, not a FIFO\n" in out
    assert out.endswith("\n1 failed, 4 ok\n")
    assert 1 == main([*arguments, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert "failed" == told["verdict"]
    assert 5 == len(told["checks"])


def test_a_volume_that_cannot_be_looked_at(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The journal's check fails, and those of the source are done without the figures of the volume."""
    assert 1 == main(["check", "--file", file, "--journal", f"{file}/journal", "--json"])
    found = states(capsys)
    assert ("failed", "ok", "ok") == (found["journal"], found["source"], found["reclaim"])


def test_what_cannot_be_told_is_status_2(file: str, journal: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A lock that is a link is not followed; nobody can tell who holds it."""
    os.mkdir(journal)
    os.symlink(file, f"{journal}/lock.ship")
    assert 2 == main(["check", "--file", file, "--journal", journal, "--json"])
    assert "unknown" == states(capsys)["journal-lock"]


def test_a_config_with_many_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them at once, each with its remedy; 64, as `run` would end."""
    path = tmp_path / "vault.yaml"
    path.write_text("source: {file: 7}\njournal: {fsync: 0s, max_sise: 1GiB}\n")
    assert 64 == main(["check", "--config", str(path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert {
        f"{path}: source.file: 7 is not a path",
        f'{path}: journal.fsync: "0s" is less than 10ms',
        f"{path}: journal.max_sise: is not a key of the config",
    } == {check["found"] for check in told["checks"]}
    assert [] == [check for check in told["checks"] if check["name"] != "config" or not check["remedy"]]


def test_no_source_is_status_64(journal: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As with `run`; the journal is checked all the same."""
    assert 64 == main(["check", "--journal", journal, "--json"])
    found = states(capsys)
    assert ("failed", "ok") == (found["config"], found["journal"])


def test_a_config_and_flags(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file of settings counts, and the flags beat it."""
    path = tmp_path / "vault.yaml"
    path.write_text(f"source: {{file: {file}, reclaim: {{way: none}}}}\njournal: {{path: {tmp_path}/journal}}\n")
    assert 0 == main(["check", "--config", str(path)])
    out = capsys.readouterr().out
    assert f"{path}, every key is right" in out
    assert "none, as asked for" in out
    assert 1 == main(["check", "--config", str(path), "--file", str(tmp_path), "--json"])
    assert "failed" == states(capsys)["source"]


def test_the_sinks_are_asked(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each but stdout is one more check, before there is a journal; a library that is missing says what to install."""
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    monkeypatch.delitem(sys.modules, "standpipe.sinks.kafka", raising=False)
    path = tmp_path / "vault.yaml"
    sinks = "{console: {type: stdout}, queue: {type: kafka, brokers: [127.0.0.1:9], topic: audit}}"
    path.write_text(f"source: {{file: {file}}}\njournal: {{path: {tmp_path}/journal}}\nsinks: {sinks}\n")
    assert 1 == main(["check", "--config", str(path), "--json"])
    *_, last = json.loads(capsys.readouterr().out)["checks"]
    assert ("sinks.queue", "failed", "Run: pip install 'standpipe[kafka]'") == (
        last["name"],
        last["state"],
        last["remedy"],
    )


def test_the_sinks_know_their_journal(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is a journal, they are asked in its name; one that cannot be read hinders nothing."""
    path = tmp_path / "vault.yaml"
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    journal = tmp_path / "journal"
    path.write_text(
        f"source: {{file: {file}}}\njournal: {{path: {journal}}}\nsinks: {{web: {{type: http, url: '{url}'}}}}\n"
    )
    journal.mkdir()
    (journal / "journal.json").write_text("{}")
    assert 1 == main(["check", "--config", str(path), "--json"])
    assert "failed" == states(capsys)["sinks.web"]
    (journal / "journal.json").unlink()
    open_or_create(Layout(str(journal)), "node-1", 0.0)
    assert 1 == main(["check", "--config", str(path), "--json"])
    assert "failed" == states(capsys)["sinks.web"]


# --print-config.


def test_the_printed_config_loads_back(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is complete: nothing in it depends on the volume any more."""
    journal = str(tmp_path / "journal")
    assert 0 == main(["check", "--file", file, "--journal", journal, "--print-config"])
    printed = tmp_path / "printed.yaml"
    printed.write_text(capsys.readouterr().out)
    expected = load_settings(None, file=file, journal=journal)
    assert expected.source == load_config(str(printed)).source
    assert load_config(str(printed)) == load_settings(str(printed))


def test_print_config_is_no_check(file: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Not together with --json; a wrong config is told as by every command."""
    assert 64 == main(["check", "--file", file, "--print-config", "--json"])
    assert 64 == main(["check", "--file", file, "--fifo", file, "--print-config"])
    assert "" == capfd.readouterr().out


# The text.

RESULTS = [
    ok("config", "fine"),
    warning("source", "one two three four five six seven eight nine ten eleven twelve", "Do what can be done about it"),
    failed("reclaim", "no", "Mend it"),
    Result("journal", "unknown", "what?"),
]


def text(results: Sequence[Result], width: int | None = None) -> str:
    """Return the lines."""
    return "\n".join(line for _, line in as_lines(results, width))


def test_one_line_each_where_nobody_fills_them() -> None:
    """State, name, finding; the remedy below; the count at the end, the worst first."""
    assert (
        text(RESULTS)
        == """\
ok       config   fine
warning  source   one two three four five six seven eight nine ten eleven twelve
                  → Do what can be done about it
FAILED   reclaim  no
                  → Mend it
unknown  journal  what?

1 failed, 1 unknown, 1 warning, 1 ok"""
    )


def test_lines_are_filled_to_a_terminal() -> None:
    """Text stays in its column."""
    assert (
        text(RESULTS[1:2], 56)
        == """\
warning  source  one two three four five six seven eight
                 nine ten eleven twelve
                 → Do what can be done about it

1 warning"""
    )


def test_a_narrow_terminal_breaks_the_lines_itself() -> None:
    """Below a useful width nothing is filled."""
    assert text(RESULTS) == text(RESULTS, 40)


def test_each_line_has_its_state_for_the_colour() -> None:
    """The count at the end has the worst one."""
    assert ["ok", "warning", "warning", "failed", "failed", "unknown", "ok", "failed"] == [
        state for state, _ in as_lines(RESULTS)
    ]


def test_several_warnings_are_counted_in_the_plural() -> None:
    """The other words stay as they are."""
    assert "2 failed, 2 warnings, 2 ok" == text([*RESULTS[:3], *RESULTS[:3]]).splitlines()[-1]


def test_no_results_are_all_right() -> None:
    """An empty list has a verdict too."""
    assert {"verdict": "ok", "checks": []} == as_json([])


def test_the_page_shows_what_is_printed() -> None:
    """The example of docs/check.md is made of the rooms' own words."""
    results = [
        ok("config", "no file; the defaults"),
        ok("source", "/vault/audit/audit.log, a file with mode 0600, uid 100, gid 1000"),
        ok("source-size", "43.0 MiB long, 5.0 MiB on the disk; 900.0 MiB free on its volume (ext4)"),
        reclaim_result("auto", "", "no process of Vault or OpenBao is to be seen", 1),
        writers_result([7], complete=True),
        shared_volume_result("ext4"),
        ok("journal", "/var/lib/standpipe is not there yet; it will be made"),
        lock_result({}),
        space_result(Limits(10 * GIB, GIB, int(75.9 * GIB), 0)),
    ]
    assert f"```text\n{text(results)}\n```\n" in PAGE.read_text()


def test_on_a_terminal(file: str, journal: str) -> None:
    """Filled to its width, with a coloured first word; control characters of a path stay visible text."""
    bell = f"{file}\x07"
    os.rename(file, bell)
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 72))
    words = [sys.executable, "-m", "standpipe", "check", "--file", bell, "--journal", journal]
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(words, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    shown = b""
    try:
        while block := os.read(master, 4096):
            shown += block
    except OSError:
        pass  # EIO: the other side was closed (pty(7))
    os.close(master)
    assert 0 == process.wait(60)
    told = shown.decode()
    assert "\x1b[32m\x1b[1mok" in told
    assert "\x1b[33m\x1b[1m1 warning, 8 ok\x1b[0m" in told
    assert "\x07" not in told
    assert "audit.log\\x07" in told
    lines = re.sub(r"\x1b\[[0-9;]*m", "", told).split("\r\n")
    assert [] == [line for line in lines if len(line) > 72 and "/" not in line]


def test_help_gives_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """The text names every option and the exit status."""
    assert 0 == main(["check", "--help"])
    told = capsys.readouterr().out
    for word in ("--config FILE", "--fifo", "--file", "--journal", "--print-config", "--json", "Exit status: 0"):
        assert word in told
