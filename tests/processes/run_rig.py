"""A real `standpipe run` or `sidecar` for the tests.

Its stdout is on a pipe that is read when a test asks, its messages are in a file.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.processes.front_door import DEADLINE_SECONDS, wait_until

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

ROLES = ("capture", "keep", "ship")
PAGE = 4096
ZOMBIE = "Z"
STANDPIPE = (sys.executable, "-m", "standpipe")


def stat_of(pid: int) -> tuple[str, int]:
    """Return a process's state and its parent, as proc_pid_stat(5) says; ("", 0) where it has gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent, *_ = file.read().decode(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return state, int(parent)


def alive(pid: int) -> bool:
    """Tell whether a process is there, and no zombie."""
    return stat_of(pid)[0] not in ("", ZOMBIE)


def children_of(pid: int) -> dict[int, str]:
    """Return process id → state of a process's children."""
    found = {}
    for path in glob.glob("/proc/[0-9]*"):
        child = int(path.rpartition("/")[2])
        state, parent = stat_of(child)
        if parent == pid:
            found[child] = state
    return found


def words_of(pid: int) -> list[str]:
    """Return a process's command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


class Place:
    """The FIFO, the journal and the config of one test, and the runs that it starts."""

    def __init__(self, directory: Path, ends: ExitStack, deadline: str = "30s") -> None:
        self.directory = directory
        self.fifo = directory / "fifo"
        self.journal = directory / "journal"
        self.config = directory / "standpipe.yaml"
        self.config.write_text(f"shutdown: {{deadline: {deadline}}}\njournal: {{max_size: 64MiB}}\n")
        self.ends = ends
        self.runs = 0

    def run(self, *command: str, before: tuple[str, ...] = (), stdin: int = subprocess.DEVNULL) -> Run:
        """Start COMMAND under `run`, itself behind the words of ``before``."""
        return self._start(Run(self, [*self._words("run"), "--", *command], before, stdin))

    def sidecar(self, *options: str, before: tuple[str, ...] = ()) -> Run:
        """Start `sidecar` with more options, itself behind the words of ``before``."""
        return self._start(Run(self, [*self._words("sidecar"), *options], before, subprocess.DEVNULL))

    def _words(self, name: str) -> list[str]:
        self.runs += 1
        return [name, "--fifo", str(self.fifo), "--journal", str(self.journal), "--config", str(self.config)]

    def _start(self, run: Run) -> Run:
        self.ends.callback(run.end)
        return run


class Run:
    """One `standpipe run` or `sidecar`."""

    def __init__(self, place: Place, words: list[str], before: tuple[str, ...], stdin: int) -> None:
        self.place = place
        self._messages = place.directory / f"run-{place.runs}.stderr"
        self.read_end, self._write_end = os.pipe()
        fcntl.fcntl(self._write_end, fcntl.F_SETPIPE_SZ, PAGE)
        with open(self._messages, "wb") as stderr:
            self.process = subprocess.Popen(
                [*before, *STANDPIPE, *words], stdin=stdin, stdout=self._write_end, stderr=stderr
            )

    @property
    def pid(self) -> int:
        """Return the process id of what was started: the supervisor, or what stands before it."""
        return self.process.pid

    def said(self) -> str:
        """Return what came on stderr: our messages and what COMMAND says."""
        return self._messages.read_text(encoding="utf-8")

    def messages(self) -> list[dict[str, object]]:
        """Return our own messages so far."""
        return [json.loads(line) for line in self.said().split("\n")[:-1] if line.startswith('{"time"')]

    def wait_for(self, words: str, count: int = 1) -> None:
        """Wait until something has been said so often."""
        wait_until(lambda: self.said().count(words) >= count or self.process.poll() is not None, f"it says {words!r}")
        assert self.said().count(words) >= count, self.said()

    def command_pid(self) -> int:
        """Wait for COMMAND, and return its process id as the supervisor sees it."""
        self.wait_for('"message": "started"')
        return int(str(next(m["pid"] for m in self.messages() if m["message"] == "started")))

    def command_is(self, name: str) -> int:
        """Wait until COMMAND has become a program; return its process id."""
        pid = self.command_pid()
        wait_until(lambda: words_of(pid)[:1] == [name], f"COMMAND is {name}")
        return pid

    def role_pid(self, role: str) -> int:
        """Return the process id in a role's lock, 0 where nobody has had it."""
        try:
            return int((self.place.journal / f"lock.{role}").read_text().strip() or "0")
        except FileNotFoundError:
            return 0

    def wait_for_roles(self) -> dict[str, int]:
        """Wait until all our children have their locks; return their process ids."""
        wait_until(lambda: all(alive(self.role_pid(role)) for role in ROLES), "all children work")
        return {role: self.role_pid(role) for role in ROLES}

    def signal(self, number: int) -> None:
        """Send a signal to what was started."""
        self.process.send_signal(number)

    def read(self, length: int) -> bytes:
        """Wait for so many bytes of stdout."""
        data = b""
        poll = select.poll()
        poll.register(self.read_end, select.POLLIN)
        while len(data) < length and poll.poll(DEADLINE_SECONDS * 1000):
            data += os.read(self.read_end, length - len(data))
        return data

    def status(self) -> int:
        """Wait for the end without reading stdout; return the exit status."""
        return self.process.wait(DEADLINE_SECONDS)

    def status_and_rest(self) -> tuple[int, bytes]:
        """Read stdout to its end; return the exit status and what came."""
        self._close_write_end()
        data = b""
        poll = select.poll()
        poll.register(self.read_end, select.POLLIN)
        while poll.poll(DEADLINE_SECONDS * 1000) and (piece := os.read(self.read_end, 1 << 20)):
            data += piece
        return self.status(), data

    def is_full(self) -> bool:
        """Tell whether stdout's pipe is full."""
        poll = select.poll()
        poll.register(self._write_end, select.POLLOUT)
        return not poll.poll(0)

    def _close_write_end(self) -> None:
        if self._write_end >= 0:
            os.close(self._write_end)
            self._write_end = -1

    def end(self) -> None:
        """End everything: the supervisor, which takes its children with it, and COMMAND, which would stay."""
        started = [int(str(m["pid"])) for m in self.messages() if m["message"] == "started" and "pid" in m]
        left = [pid for pid in started if alive(pid) and self._is_ours(pid)]
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE_SECONDS)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: not alive(pid), "COMMAND has ended")  # type: ignore[misc]
        self._close_write_end()
        os.close(self.read_end)

    def _is_ours(self, pid: int) -> bool:
        """Tell by its stderr whether it is COMMAND still, and not another process that got its number."""
        try:
            return os.readlink(f"/proc/{pid}/fd/2") == str(self._messages)
        except OSError:
            return False
