"""A pytest plugin: no process, mount or loop device of the tests may outlive them.

A leftover is a test that did not clean up or, worse, a supervisor that lost a child. Processes are found by
a variable in their environment that only this session sets, so one that was orphaned or became a daemon is found too,
and other people's are not; pytest's own PYTEST_CURRENT_TEST beside it names the test. Mounts and loop devices count
when they lead to the session's temporary directory. Nothing is killed or unmounted here: it would hide the fault.
"""

from __future__ import annotations

import glob
import os
import time
import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.terminal import TerminalReporter

SESSION_VARIABLE = "STANDPIPE_TEST_SESSION"
PATIENCE_SECONDS = 10.0  # for processes that are on their way out
POLL_SECONDS = 0.05


def read_bytes(path: str) -> bytes:
    """Return a file of /proc or /sys; empty where the process has gone."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def session_processes(marker: bytes) -> Iterator[str]:
    """Yield a line for each process, except our own, whose environment carries the session's mark."""
    for path in glob.glob("/proc/[0-9]*/environ"):
        pid = path.split("/")[2]
        variables = read_bytes(path).split(b"\0")
        if pid == str(os.getpid()) or marker not in variables:
            continue
        command = read_bytes(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
        test = next((v for v in variables if v.startswith(b"PYTEST_CURRENT_TEST=")), b"=outside a test")
        yield f"process {pid}: {command} (from {test.partition(b'=')[2].decode(errors='replace')})"


def unescape_mount_path(text: str) -> str:
    """Undo the octal escapes of proc_pid_mountinfo(5): space, tab, newline and backslash."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def mounts_of(directory: str, mountinfo: str) -> Iterator[str]:
    """Yield a line for each mount that lies below a directory or shows a part of it (fields 4 and 5 of mountinfo)."""
    for line in mountinfo.splitlines():
        root, mount_point = (unescape_mount_path(field) for field in line.split(" ")[3:5])
        if mount_point.startswith(directory + "/") or root.startswith(directory + "/"):
            yield f"mount {mount_point} (of {root})"


def loop_devices_of(directory: str) -> Iterator[str]:
    """Yield a line for each loop device whose image lies below a directory."""
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        image = read_bytes(path).decode(errors="replace").strip()
        if image.startswith(directory + "/"):
            yield f"loop device {path.split('/')[3]} of {image}"


class Leftovers:
    """Looks once, at the end of the session, and turns the run's status to failed."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self.found: list[str] = []

    def pytest_sessionstart(self) -> None:
        """Mark the environment that every child inherits."""
        os.environ[SESSION_VARIABLE] = self.mark

    def _look(self, session: pytest.Session) -> list[str]:
        marker = f"{SESSION_VARIABLE}={self.mark}".encode()
        found = list(session_processes(marker))
        factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
        directory = str(factory.getbasetemp())
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            found += mounts_of(directory, file.read())
        return found + list(loop_devices_of(directory))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Wait a little for what is on its way out, then judge; first, while the temporary directory still stands."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        self.found = self._look(session)
        while self.found and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            self.found = self._look(session)
        del os.environ[SESSION_VARIABLE]
        if self.found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Name what was left behind."""
        if self.found:
            terminalreporter.section("left behind by the tests", red=True)
            for line in self.found:
                terminalreporter.line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Start to watch."""
    config.pluginmanager.register(Leftovers(), "standpipe-leftovers")
