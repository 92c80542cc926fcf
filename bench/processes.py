"""The readers that are compared, as real processes: `cat <>`, `standpipe relay`, `standpipe run`."""

from __future__ import annotations

import contextlib
import glob
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

CAT, RELAY, RUN = "cat <>", "relay", "run"
SUPERVISOR, CAPTURE, KEEP, SHIP = "supervisor", "capture", "keep", "ship"
CHILDREN = (CAPTURE, KEEP, SHIP)
STANDPIPE = [sys.executable, "-m", "standpipe"]
IDLE_COMMAND = ["sleep", "900"]  # COMMAND where the writer is ours; bounded, should we die
START_SECONDS = 60.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.002


@dataclass(frozen=True)
class Running:
    """A reader that is ready. pids: every process of it by role; `process` is the outermost one."""

    process: subprocess.Popen[bytes]
    pids: dict[str, int]
    fifo: str


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    """Wait for a process to do something. Raises RuntimeError where it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode} before {what}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {START_SECONDS:g} s in vain: {what}")
        time.sleep(POLL_SECONDS)


def _children(pid: int) -> list[int]:
    direct: list[int] = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            direct += map(int, file.read().split())
    return direct + [below for child in direct for below in _children(child)]


@contextlib.contextmanager
def program(
    command: Sequence[str], stdout: int, messages: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, and end it and what it started by process id; its stderr goes to the file `messages`."""
    with open(messages, "ab") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment)
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started: by SIGTERM, or by force where it takes too long or we are to stop, too."""
    below = _children(process.pid)
    process.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
            for pid in below:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _says(messages: str, *texts: str) -> Callable[[], bool]:
    def said() -> bool:
        with open(messages, encoding="utf-8", errors="replace") as file:
            content = file.read()
        return all(f'"message": "{text}"' in content for text in texts)

    return said


def _comm(pid: int) -> str:
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()


def run_command(fifo: str, journal: str, config: str | None, command: Sequence[str]) -> list[str]:
    """Return the command line of `standpipe run`."""
    more = ["--config", config] if config else []
    return [*STANDPIPE, "run", "--fifo", fifo, "--journal", journal, *more, "--", *command]


def role_pid(journal: str, role: str) -> int:
    """Return the process id in a role's lock file, 0 where nobody has it yet."""
    try:
        with open(f"{journal}/lock.{role}", encoding="ascii") as file:
            return int(file.read() or "0")
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def reading(
    way: str,
    directory: str,
    stdout: int,
    command: Sequence[str] = IDLE_COMMAND,
    environment: Mapping[str, str] | None = None,
    config: str | None = None,
) -> Iterator[Running]:
    """Read directory/fifo in one of the three ways; yield when a writer may open it.

    command, environment and config are for `run` only.
    """
    fifo, messages = f"{directory}/fifo", f"{directory}/messages.log"
    if way == CAT:
        os.mkfifo(fifo, 0o600)
        with program(["sh", "-c", 'exec cat <> "$0"', fifo], stdout, messages) as process:
            wait_until(lambda: _comm(process.pid) == "cat", process, "cat runs")
            yield Running(process, {"cat": process.pid}, fifo)
    elif way == RELAY:
        with program([*STANDPIPE, "relay", fifo], stdout, messages) as process:
            wait_until(_says(messages, "relaying"), process, "the relay reads")
            yield Running(process, {"relay": process.pid}, fifo)
    else:
        journal = f"{directory}/journal"
        line = run_command(fifo, journal, config, command)
        with program(line, stdout, messages, environment) as process:
            wait_until(_says(messages, "delivering", "started"), process, "ship delivers")
            wait_until(lambda: all(role_pid(journal, role) for role in CHILDREN), process, "all children run")
            children = {role: role_pid(journal, role) for role in CHILDREN}
            yield Running(process, {SUPERVISOR: process.pid, **children}, fifo)
