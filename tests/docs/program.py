"""What the program says about itself: its own tables and help texts, for comparison with the pages."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

import standpipe
from standpipe import errors
from standpipe.cli.main import COMMANDS, cli
from standpipe.journal import kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.cli.plain import Command

PACKAGE = Path(standpipe.__file__).parent
LOGS = ("log", "_log", "messages")  # what a Log is called
LEVELS = ("info", "warning", "error")


@cache
def help_text(command: str) -> str:
    """Return what ``standpipe COMMAND --help`` prints; the group's own for an empty name."""
    words = [sys.executable, "-m", "standpipe", *([command] if command else []), "--help"]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def helped_options(command: str) -> set[str]:
    """Return the options that the help text lists."""
    listed = re.findall(r"^ +(-h, )?(--[a-z-]+)", help_text(command), re.MULTILINE)
    return {name for _, name in listed}


def options_of(command: str) -> set[str]:
    """Return the options that the command really takes, without those that are hidden from people."""
    if COMMANDS[command].target:
        found = cli.get_command(click.Context(cli), command)
        assert found is not None
        shown = [p for p in found.params if isinstance(p, click.Option) and not p.hidden]
        return {"--help", *(name for parameter in shown for name in parameter.opts)}
    described: Command = import_module(f"standpipe.processes.{command}").COMMAND
    return {"--help", *(f"--{option.name}" for option in described.options)}


def defaults_of(command: str) -> dict[str, str]:
    """Return the defaults that the command's own tables name as text."""
    if COMMANDS[command].target:
        found = cli.get_command(click.Context(cli), command)
        assert found is not None
        shown = [p for p in found.params if isinstance(p, click.Option) and not p.hidden and not p.is_flag]
        return {p.opts[0]: str(p.default) for p in shown if isinstance(p.default, str | float)}
    described: Command = import_module(f"standpipe.processes.{command}").COMMAND
    return {f"--{option.name}": option.default for option in described.options if option.default is not None}


def exit_statuses() -> set[int]:
    """Return every exit status that the program names."""
    sources = [(PACKAGE / "processes" / "capture.py").read_text()]
    named = {value for name, value in vars(errors).items() if name.startswith("EXIT_") and name != "EXIT_SIGNAL_BASE"}
    return named | {int(number) for text in sources for number in re.findall(r"^EXIT_\w+ = (\d+)", text, re.MULTILINE)}


def incident_kinds() -> set[str]:
    """Return every kind of incident."""
    return {value for name, value in vars(kinds).items() if name.isupper() and isinstance(value, str)}


def _log_calls() -> Iterator[ast.Call]:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            is_method = isinstance(function, ast.Attribute) and function.attr in LEVELS
            is_log = is_method and ast.unparse(function).split(".")[-2] in LOGS
            if is_log or (isinstance(function, ast.Name) and function.id == "say"):
                yield node


def message_keys() -> set[str]:
    """Return every further key of our own messages."""
    return {keyword.arg for call in _log_calls() for keyword in call.keywords if keyword.arg}


def source_text() -> str:
    """Return the whole program."""
    return "\n".join(path.read_text() for path in sorted(PACKAGE.rglob("*.py")))
