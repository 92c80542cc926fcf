from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from standpipe import __version__
from standpipe.cli.main import COMMANDS, Entry, LazyGroup, main, run_group
from standpipe.config_problem import ConfigError, Problem
from standpipe.errors import JournalError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

FAILURES: dict[str, Exception | BaseException] = {
    "journal": JournalError("The journal /j is odd", "Look at it"),
    "usage": UsageError("That was wrong"),
    "config": ConfigError([Problem("a", "", "is wrong", "Mend it"), Problem("b", "", "too", "Mend it")], "f.yaml"),
    "disk": OSError(28, "No space left on device", "/j/x"),
    "ours": RuntimeError("two\nlines"),
    "click": click.ClickException("cannot"),
    "interrupt": KeyboardInterrupt(),
    "abort": click.Abort(),
}


@click.command()
@click.argument("name")
@click.option("--number", type=int)
def fail(name: str, number: int | None) -> None:
    """Raise the failure of this name."""
    raise FAILURES[name]


@click.command()
@click.argument("status", type=int)
@click.pass_context
def leave(context: click.Context, status: int) -> int:
    """Return a status below 10, leave through click with any other."""
    if status >= 10:
        context.exit(status)
    return status


def group(unable_status: int = 2) -> LazyGroup:
    """Return a group whose commands fail as they are told."""
    made = LazyGroup({"fail": Entry("tests_fail:command", "Fail.", unable_status)})
    made.add_command(leave)
    return made


@pytest.fixture(autouse=True)
def _fail_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("tests_fail")
    module.command = fail  # type: ignore[attr-defined] # a module made here
    monkeypatch.setitem(sys.modules, "tests_fail", module)


def front_door(*arguments: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
    """Run the front door in a process of its own, with stdout buffered as it is for a user."""
    code = (
        "import sys; from standpipe.cli.main import main; status = main(sys.argv[1:]); "
        "names = [name for name in sys.modules if name in ('yaml', 'msgspec') or name.startswith('standpipe.')]; "
        "[] if status else print(*names, file=sys.stderr); sys.exit(status)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False)


def messages(text: str) -> list[dict[str, str]]:
    """Return the JSON lines of stderr."""
    return [json.loads(line) for line in text.splitlines()]


def test_help_lists_every_command_without_importing_it() -> None:
    """--help shows each command's line and imports neither a command nor PyYAML."""
    result = front_door("--help")
    shown = result.stdout.decode()
    assert [] == [name for name, entry in COMMANDS.items() if f"  {name}" not in shown or entry.summary not in shown]
    expected = {"cli", "cli.main", "errors", "observe", "observe.log"}
    assert {f"standpipe.{name}" for name in expected} == set(result.stderr.decode().split())


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_both_help_options_work(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """-h and --help print the usage on stdout and end with 0."""
    assert 0 == main([option])
    assert capsys.readouterr().out.startswith("Usage: standpipe ")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints name and version."""
    assert 0 == main(["--version"])
    assert f"standpipe {__version__}\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], 'Missing command. See "standpipe --help".'),
        (["staus"], "'staus' is not a command. Did you mean status? See \"standpipe --help\"."),
        (["zzzzzz"], "'zzzzzz' is not a command. See \"standpipe --help\"."),
        (["--", "relay"], 'relay must be the first argument. See "standpipe --help".'),
    ],
)
def test_wrong_command_lines_end_with_64(argv: list[str], expected: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A missing, misspelt or misplaced command is one line on stderr, nothing on stdout, and status 64."""
    assert 64 == main(argv)
    captured = capfd.readouterr()
    assert ("", [expected]) == (captured.out, [line["message"] for line in messages(captured.err)])


@pytest.mark.parametrize(
    ("argv", "start", "end"),
    [
        (["fail"], "Missing argument", 'See "standpipe fail --help".'),
        (["fail", "--nmber", "1"], "No such option", 'See "standpipe fail --help".'),
        (["fail", "x", "--number", "y"], "Invalid value for '--number'", 'See "standpipe fail --help".'),
    ],
)
def test_a_commands_usage_errors_end_with_64(
    argv: list[str], start: str, end: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Status 2, which is click's own, would mean `could not tell`: a wrong option or argument is 64."""
    assert 64 == run_group(group(), argv)
    (line,) = messages(capfd.readouterr().err)
    assert ("fail", True, True) == (line["role"], line["message"].startswith(start), line["message"].endswith(end))


@pytest.mark.parametrize(
    ("name", "status", "lines"),
    [
        ("journal", 2, ["The journal /j is odd. Look at it"]),
        ("usage", 64, ["That was wrong"]),
        ("config", 64, ["f.yaml: a: is wrong. Mend it.", "f.yaml: b: too. Mend it."]),
        ("disk", 2, ["No space left on device: /j/x"]),
        ("click", 2, ["cannot"]),
        ("ours", 2, ["a fault of standpipe itself: RuntimeError('two\\nlines'). Please report it."]),
        ("interrupt", 130, []),
        ("abort", 130, []),
    ],
)
def test_failures_become_a_line_and_a_status(
    name: str, status: int, lines: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Each failure is one line on stderr (a config: one a problem) with its status; never 1, which is a verdict."""
    assert status == run_group(group(), ["fail", name])
    captured = capfd.readouterr()
    assert ("", lines) == (captured.out, [line["message"] for line in messages(captured.err)])


@pytest.mark.parametrize(("name", "status"), [("journal", 125), ("ours", 125), ("disk", 125), ("usage", 64)])
def test_run_says_unable_with_125(name: str, status: int) -> None:
    """A command with a status of its own for `could not do` gets it; usage stays 64."""
    assert status == run_group(group(unable_status=125), ["fail", name])
    assert 125 == COMMANDS["run"].unable_status


def test_only_our_own_faults_carry_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """A fault of ours has its traceback in the line; an expected failure has none."""
    run_group(group(), ["fail", "ours"])
    run_group(group(), ["fail", "journal"])
    ours, journal = messages(capfd.readouterr().err)
    assert ours["traceback"].startswith("Traceback ")
    assert "traceback" not in journal


@pytest.mark.parametrize("status", [0, 1, 2, 11])
def test_a_commands_status_is_the_status(status: int) -> None:
    """What a command returns, or leaves with through click, is the exit status."""
    assert status == run_group(group(), ["leave", str(status)])


def test_a_command_is_imported_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module of the command that was asked for is imported, and no other."""
    for name in ("lazy_one", "lazy_two"):
        (tmp_path / f"{name}.py").write_text("import click\n@click.command()\ndef command():\n    return 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    lazy = LazyGroup({"one": Entry("lazy_one:command", "One."), "two": Entry("lazy_two:command", "Two.")})
    assert 7 == run_group(lazy, ["one"])
    imported = sorted(name for name in sys.modules if name.startswith("lazy_"))
    monkeypatch.delitem(sys.modules, "lazy_one")
    assert ["lazy_one"] == imported


def test_a_full_disk_behind_stdout_ends_with_2() -> None:
    """Help that cannot be written is a failure: one line, status 2, and no second complaint at the very end."""
    with open("/dev/full", "wb") as full:
        result = front_door("--help", stdout=full.fileno())
    assert 2 == result.returncode
    assert ["No space left on device"] == [line["message"] for line in messages(result.stderr.decode())]


def test_a_reader_that_left_ends_with_141_in_silence() -> None:
    """`standpipe … | head` ends as other tools end, and does not say 1, which is a verdict."""
    read, write = os.pipe()
    os.close(read)
    try:
        result = front_door("--help", stdout=write)
    finally:
        os.close(write)
    assert (128 + signal.SIGPIPE, b"") == (result.returncode, result.stderr)


def test_every_command_of_the_table_is_in_the_document() -> None:
    """docs/exit-status.md has a row for each command, in the table's order."""
    path = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "exit-status.md")
    with open(path, encoding="utf-8") as file:
        rows = [line.split("`")[1] for line in file if line.startswith("| `")]
    assert list(COMMANDS) == rows
