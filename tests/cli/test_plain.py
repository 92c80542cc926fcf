from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe import __version__
from standpipe.cli.plain import HELP_WIDTH, Command, Option, Parsed, edit_distance, help_text, nearest, parse
from standpipe.errors import UsageError
from standpipe.processes import capture, hold, relay

if TYPE_CHECKING:
    from pathlib import Path

COPY = Command(
    "copy",
    "Copies.",
    operand="FILE",
    operand_meaning="What to copy.",
    many=True,
    options=(
        Option("to", "DIR", "Where to.", required=True),
        Option("size", "SIZE", "How much.", kind="size", default="1KiB"),
        Option("every", "TIME", "How often.", kind="duration"),
        Option("count", "N", "How many.", kind="integer"),
        Option("mode", "MODE", "Permissions.", kind="mode"),
        Option("way", "WAY", "How.", choices=("fast", "safe"), default="safe"),
        Option("label", "TEXT", "A label."),
        Option("dry", "", "Only say it."),
    ),
    exit_codes=(("0", "Copied."),),
    examples=(("standpipe copy --to d f", "One file."),),
)
NOTHING = Command("nothing", "Does nothing.")


def understood(*arguments: str, command: Command = COPY) -> Parsed:
    """Parse and expect that no help was asked for."""
    parsed = parse(command, list(arguments))
    assert parsed is not None
    return parsed


def test_values_and_operands() -> None:
    """Both spellings of a value count, and options and operands may be mixed."""
    parsed = understood("a", "--to", "d", "b", "--size=2KiB", "--every", "500ms", "--count=3", "--mode", "0640", "-")
    assert ["a", "b", "-"] == parsed.operands
    assert ("d", 2048, 0.5, 3, 0o640) == (
        parsed.text("to"),
        parsed.integer("size"),
        parsed.seconds("every"),
        parsed.integer("count"),
        parsed.integer("mode"),
    )


def test_defaults() -> None:
    """An option that was not given has its default, or no value at all."""
    parsed = understood("--to=d", "a")
    assert (1024, "safe", "", False, False) == (
        parsed.integer("size"),
        parsed.text("way"),
        parsed.text("label"),
        parsed.given("every"),
        parsed.given("dry"),
    )


def test_repeated() -> None:
    """The last value counts, even an empty one."""
    parsed = understood("--to=c", "--label=x", "--to", "d", "--label", "", "--dry", "a")
    assert ("d", "", True) == (parsed.text("to"), parsed.text("label"), parsed.given("dry"))


def test_double_dash() -> None:
    """What stands behind -- is an operand, whatever it looks like."""
    assert ["--to", "--help", "--"] == understood("--to=d", "--", "--to", "--help", "--").operands


def test_a_value_may_look_like_an_option() -> None:
    """The argument behind an option is its value; a value may contain an equals sign."""
    parsed = understood("--to", "--label", "--label=a=b", "f")
    assert ("--label", "a=b") == (parsed.text("to"), parsed.text("label"))


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_wins(word: str) -> None:
    """A call for help is answered although other things are missing."""
    assert parse(COPY, ["--count", "1", word]) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--too", "d", "a"], "unknown option --too. The nearest are --to,"),
        (["--labels=x"], "unknown option --labels. The nearest are --label,"),
        (["-to", "d"], "unknown option -to. The nearest are --to,"),
        (["--="], "unknown option --. The nearest are"),
        (["a"], "--to DIR is missing"),
        (["--to"], "--to needs a value, DIR"),
        (["--to=d"], "FILE is missing"),
        (["--to=d", ""], "FILE is an empty text"),
        (["--to=d", "a", "--dry=yes"], "--dry takes no value"),
        (["--to=d", "a", "--size=2MB"], "--size: '2MB' has the unknown unit 'MB'"),
        (["--to=d", "a", "--every=soon"], "--every: 'soon' is not a duration"),
        (["--to=d", "a", "--count=-1"], "--count: '-1' is not a whole number"),
        (["--to=d", "a", "--mode=0900"], "--mode: '0900' is not a file mode"),
        (["--to=d", "a", "--mode="], "--mode: '' is not a file mode"),
        (["--to=d", "a", "--way=slow"], "--way: 'slow' is none of fast, safe"),
    ],
)
def test_refused(arguments: list[str], message: str) -> None:
    """What is not understood is said, with the way to the help text."""
    with pytest.raises(UsageError) as caught:
        parse(COPY, arguments)
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("See: standpipe copy --help")


def test_too_many_operands() -> None:
    """A command without operands refuses the first, one with a single operand the second."""
    with pytest.raises(UsageError, match="unexpected argument 'a'"):
        parse(NOTHING, ["a"])
    with pytest.raises(UsageError, match="unexpected argument 'b'"):
        parse(Command("one", "One.", operand="FILE"), ["a", "b"])


@given(st.lists(st.text("-=abto ", max_size=8), max_size=6))
def test_any_arguments(arguments: list[str]) -> None:
    """Whatever the arguments are, they are understood or refused, and the list is left alone."""
    before = list(arguments)
    with contextlib.suppress(UsageError):
        parse(COPY, arguments)
    assert before == arguments


@given(st.text(max_size=8), st.text(max_size=8))
def test_edit_distance(one: str, other: str) -> None:
    """The distance is symmetric, zero for equals alone, and within the bounds that the lengths give."""
    distance = edit_distance(one, other)
    assert edit_distance(other, one) == distance
    assert (one == other) == (distance == 0)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))


def test_nearest() -> None:
    """The few names that are most alike come first."""
    assert ["--fifo", "--file", "--mode"] == nearest("--fif", ["--journal", "--mode", "--file", "--fifo"])


def test_help_is_complete() -> None:
    """The help text has the meaning, each option with its notes, the exit codes and the examples."""
    expected = """\
Usage: standpipe copy --to DIR [OPTIONS] FILE…

Copies.

Arguments:
  FILE
      What to copy.

Options:
  --to DIR
      Where to. Needed.
  --size SIZE
      How much. Default: 1KiB.
  --every TIME
      How often.
  --count N
      How many.
  --mode MODE
      Permissions.
  --way WAY
      How. Default: safe. One of: fast, safe.
  --label TEXT
      A label.
  --dry
      Only say it.
  --help
      Print this text.

Exit status:
  0
      Copied.

Examples:
  standpipe copy --to d f
      One file.
"""
    assert expected == help_text(COPY)


@pytest.mark.parametrize("command", [relay.COMMAND, hold.COMMAND, capture.COMMAND])
def test_real_commands_describe_themselves(command: Command) -> None:
    """The help text of each small command fits its width and has exit codes and an example; its defaults are valid."""
    text = help_text(command)
    assert [] == [line for line in text.splitlines() if len(line) > HELP_WIDTH]
    assert command.exit_codes
    assert command.examples
    for option in command.options:
        assert option.default is None or option.convert(option.default) is not None


def standpipe(*arguments: str, **settings: int) -> subprocess.CompletedProcess[str]:
    """Run the front door in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "standpipe", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=settings.get("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", [relay.COMMAND, hold.COMMAND, capture.COMMAND])
def test_help_from_the_front_door(command: Command) -> None:
    """--help prints the help text on stdout and ends with 0."""
    done = standpipe(command.name, "--help")
    assert (0, help_text(command), "") == (done.returncode, done.stdout, done.stderr)


def test_version() -> None:
    """--version prints name and version."""
    done = standpipe("--version")
    assert (0, f"standpipe {__version__}\n", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", ["relay", "hold", "capture"])
def test_usage_error_from_the_front_door(name: str) -> None:
    """A wrong command line is one line on stderr that names the command, nothing on stdout, and status 64."""
    done = standpipe(name, "--nonsense")
    assert (64, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert f'"role": "{name}"' in done.stderr
    assert "unknown option --nonsense" in done.stderr


FAULT = """
import sys
from importlib import import_module
from standpipe.__main__ import main
def run(options, log):
    raise RecursionError("too deep")
import_module("standpipe.processes." + sys.argv[1]).run = run
sys.exit(main(["standpipe", *sys.argv[1:]]))
"""


@pytest.mark.parametrize(
    "words", [("relay", "p"), ("hold", "p"), ("capture", "--fifo", "p")], ids=lambda words: words[0]
)
def test_a_fault_of_ours(words: tuple[str, ...]) -> None:
    """An error that nobody expects is one line with its traceback as a field, and status 70: never 1, a verdict."""
    done = subprocess.run(
        [sys.executable, "-c", FAULT, *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert (70, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    message = json.loads(done.stderr)
    assert ("ERROR", words[0]) == (message["severity"], message["role"])
    assert "a fault of standpipe itself: RecursionError('too deep'). Please report it." == message["message"]
    assert "in _run_plain" in message["traceback"]


def test_help_without_a_reader() -> None:
    """Help into a pipe that nobody reads any more ends as SIGPIPE would, without a traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    done = standpipe("relay", "--help", stdout=writer)
    os.close(writer)
    assert (141, "") == (done.returncode, done.stderr)


def test_other_commands_go_to_click() -> None:
    """A name that is none of the small commands is the other front door's business, and so is no name."""
    done = standpipe("nonsense")
    assert done.returncode == 64
    assert "nonsense" in done.stderr
    assert "Usage" in standpipe("--help").stdout


def test_relay_starts_with_the_standard_library_alone(tmp_path: Path) -> None:
    """On its whole way from the front door relay imports nothing but the standard library and standpipe."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "standpipe", "relay", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "standpipe.processes.relay" in names
    assert not names & {"click", "msgspec", "yaml", "argparse", "logging", "threading", "subprocess"}
