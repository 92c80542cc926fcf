"""Processes around a live audit file: found, looked at, stopped, and put where they see nobody else.

Imports nothing from standpipe.
"""

from __future__ import annotations

import glob
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.e2e.openbao import children_of, wait_for_end
from tests.e2e.run_harness import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

# It catches SIGHUP and does nothing, as a server whose reload is broken (hashicorp/vault#23596); it tells of each.
DEAF = "import os, signal\nsignal.signal(signal.SIGHUP, lambda *_: os.write(1, b'H'))\nos.write(1, b'R')\n"
DEAF += "while True:\n    signal.pause()\n"


def command_of(pid: int) -> bytes:
    """Return a process's command line, its words separated by NUL; nothing where it has gone."""
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
    return b""


def catches(pid: int, number: int) -> bool:
    """Tell whether a process has a handler for a signal."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        caught = next(line.split()[1] for line in file if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def states_of(pid: int) -> list[str]:
    """Return the state of each thread of a process, such as T: stopped."""
    states = []
    for path in glob.glob(f"/proc/{pid}/task/*/stat"):
        with open(path, encoding="utf-8") as file:
            states.append(file.read().rpartition(")")[2].split()[0])
    return states


def capture_pid(outermost: int) -> int:
    """Return the process id of capture, which is this process or below it; 0 where it does not run."""
    for pid in (outermost, *children_of(outermost)):
        if b"capture" in command_of(pid).split(b"\0"):
            return pid
    return 0


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, and see what is below it end with it."""
    below = children_of(process.pid)
    process.kill()
    process.wait()
    for pid in below:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert wait_for_end(below)


@contextmanager
def own_pid_namespace() -> Iterator[tuple[str, ...]]:
    """Yield the prefix of a command that is to see nothing but what has the same prefix."""
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sleep", "infinity"]
    outer = subprocess.Popen(command)
    try:
        # "sleep": by then /proc is the namespace's own
        wait_until(lambda: b"sleep" in b"".join(map(command_of, children_of(outer.pid))), "the namespace")
        inner = children_of(outer.pid)
        yield ("nsenter", f"--target={inner[0]}", "--pid", "--mount", "--")
    finally:
        outer.kill()
        outer.wait()
    assert wait_for_end(inner)


@contextmanager
def deaf_process() -> Iterator[tuple[int, list[bytes]]]:
    """Yield the id of a process that catches SIGHUP and does nothing, and a list that gets what it told in the end."""
    told: list[bytes] = []
    process = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert b"R" == process.stdout.read(1)
        yield process.pid, told
    finally:
        process.kill()
        told.append(process.communicate()[0])
