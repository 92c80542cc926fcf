"""A real `standpipe relay` or `hold` for the tests, and a way to wait for what it does."""

from __future__ import annotations

import glob
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEADLINE_SECONDS = 60.0  # generous: the machine may be busy
POLL_SECONDS = 0.01


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail with a sentence if it does not come true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(POLL_SECONDS)


class FrontDoor:
    """One command in a process of its own; its messages go to a file and are read from there."""

    def __init__(
        self, directory: Path, *arguments: str, stdout: int = subprocess.DEVNULL, before: tuple[str, ...] = ()
    ) -> None:
        """Start it, behind the words of ``before`` where there are any. ``stdout`` stays the caller's to close."""
        self.messages_path = directory / f"{arguments[0]}.stderr"
        with open(self.messages_path, "wb") as stderr:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-m", "standpipe", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    def messages(self) -> list[dict[str, object]]:
        """Return all whole messages so far."""
        text = self.messages_path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def said(self, words: str) -> list[dict[str, object]]:
        """Return the messages that begin with these words."""
        return [message for message in self.messages() if str(message["message"]).startswith(words)]

    def wait_for(self, words: str, count: int = 1) -> dict[str, object]:
        """Wait for a message; return the newest of its kind."""
        wait_until(lambda: len(self.said(words)) >= count or self.process.poll() is not None, f"it says: {words}")
        assert len(self.said(words)) >= count, self.messages()
        return self.said(words)[-1]

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def status(self) -> int:
        """Wait for its end; return its exit status."""
        return self.process.wait(DEADLINE_SECONDS)

    def open_files(self) -> list[str]:
        """Return what its descriptors point to, as /proc says."""
        directory = f"/proc/{self.pid}/fd"
        return [os.readlink(f"{directory}/{name}") for name in os.listdir(directory)]

    def children(self) -> list[int]:
        """Return the process ids of its children; none where it has ended."""
        found = []
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path, "rb") as file:
                    parent = file.read().rpartition(b")")[2].split()[1]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            if int(parent) == self.pid:
                found.append(int(path.split("/")[2]))
        return found

    def kill(self) -> None:
        """End it whatever it does, and what it started: a killed strace sets its tracee free."""
        for child in self.children():
            os.kill(child, signal.SIGKILL)
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)
