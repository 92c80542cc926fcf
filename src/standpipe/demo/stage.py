"""The stage: a temporary directory with `standpipe run`, a real OpenBao below it, and the reader of its stdout."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from standpipe.demo.consumer import Consumer
from standpipe.demo.requests import ROOT_TOKEN
from standpipe.errors import StandpipeError
from standpipe.vault.server import (
    audit_config,
    clean_environment,
    dev_command,
    find_bao,
    free_port,
    wait_until_ready,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from standpipe.demo.interrupts import Interrupts

READY_SECONDS = 60.0  # a loaded machine; 0.5 s is usual
STOP_SECONDS = 45.0  # run's own deadline for draining is 20 s, OpenBao's stop takes up to 1 s
KILL_SECONDS = 5.0  # for the kernel to finish with a process after SIGKILL
RESTART_SECONDS = 20.0  # a child is back after about 0.2 s; later restarts back off
POLL_SECONDS = 0.02
PIPE_BYTES = 65536  # stdout's pipe as a shell makes it; small, so that a stalled reader is felt at once
SEGMENT_SIZE = "256KiB"  # small, so that the short run closes and seals several
CONFIG = f"journal: {{segment_size: {SEGMENT_SIZE}}}\nsinks:\n  console: {{type: stdout, format: raw}}\n"
LOG_TAIL_LINES = 15


def start_ticks(pid: int) -> int | None:
    """Return when a process started (proc_pid_stat(5), field 22); None where it is gone or a zombie.

    Process ids are used again; an id together with its start is not.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rpartition(")")[2].split()  # from field 3; the name before may hold anything
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def descendants(pid: int) -> list[int]:
    """Return all processes below one, from /proc (Linux); each thread has its own children there."""
    direct: list[int] = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path, encoding="utf-8") as children:
                direct += map(int, children.read().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return direct + [below for child in direct for below in descendants(child)]


def plain_message(line: str) -> str:
    """Return one of standpipe's own messages (JSON) in words; any other line as it is."""
    try:
        entry = json.loads(line)
        return f"  {entry.pop('role')}: {entry.pop('message')}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"  {line}"


class Stage:
    """Starts everything, gives the handles for faults, and takes everything down again."""

    def __init__(self, directory: Path, show: Callable[[bytes], None], interrupts: Interrupts) -> None:
        """Prepare a stage in an existing, empty directory; nothing runs before ``start()``."""
        self.directory = directory
        self.fifo = directory / "audit.fifo"
        self.journal = directory / "journal"
        self.stdout_copy = directory / "stdout.raw"
        self.log = directory / "messages.log"
        self.server_version = ""
        self.port = 0
        self._show = show
        self._interrupts = interrupts
        self._run: subprocess.Popen[bytes] | None = None
        self._consumer: Consumer | None = None
        self._known: dict[int, int] = {}  # process id → start

    @property
    def consumer(self) -> Consumer:
        """The reader of stdout. Raises StandpipeError before ``start()``."""
        if self._consumer is None:
            raise StandpipeError("the demo's stage was not started", "This is a bug in the demo; please report it")
        return self._consumer

    def start(self) -> None:
        """Start `standpipe run` with OpenBao below it, and wait until OpenBao serves. Raises StandpipeError."""
        bao = find_bao()
        self.port = free_port()
        home = self.directory / "home"
        home.mkdir()
        server_config = self.directory / "openbao.hcl"
        server_config.write_text(audit_config(str(self.fifo)), encoding="utf-8")
        config = self.directory / "standpipe.yaml"
        config.write_text(CONFIG, encoding="utf-8")
        server = dev_command(bao, self.port, ROOT_TOKEN, str(server_config))
        with self._interrupts.held():
            self._launch(self._run_command(config, server), home)
        self.server_version = wait_until_ready(self.port, READY_SECONDS, self.running)

    def _run_command(self, config: Path, server: list[str]) -> list[str]:
        paths = ["--fifo", str(self.fifo), "--journal", str(self.journal), "--config", str(config)]
        return [sys.executable, "-P", "-m", "standpipe", "run", *paths, "--", *server]

    def _launch(self, command: list[str], home: Path) -> None:
        read_fd, write_fd = os.pipe()
        fcntl.fcntl(write_fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        try:
            with self.log.open("wb") as log:
                self._run = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=write_fd,
                    stderr=log,
                    env=clean_environment(home),
                    start_new_session=True,  # Ctrl-C is ours alone: we then stop them in order
                )
        finally:
            os.close(write_fd)
        self._consumer = Consumer(read_fd, self.stdout_copy, self._show)
        self._consumer.start()

    def running(self) -> bool:
        """Whether `standpipe run` is alive; remembers the processes below it, to be sure of them at the end."""
        if self._run is None or self._run.poll() is not None:
            return False
        for pid in descendants(self._run.pid):
            began = start_ticks(pid)
            if began is not None:
                self._known[pid] = began
        return True

    def role_pid(self, role: str) -> int | None:
        """Return the process that a role's lock file names, if it is alive."""
        try:
            text = (self.journal / f"lock.{role}").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        return int(text) if text.isdigit() and start_ticks(int(text)) is not None else None

    def kill_role(self, role: str) -> int:
        """Send SIGKILL to capture, keep or ship, and return its process id. Raises StandpipeError."""
        pid = self.wait_for_role(role, after=None)
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_for_role(self, role: str, after: int | None, idle: Callable[[], None] | None = None) -> int:
        """Wait for a role's live process other than ``after``, and return its id. Raises StandpipeError."""
        deadline = time.monotonic() + RESTART_SECONDS
        while time.monotonic() < deadline and self.running():
            pid = self.role_pid(role)
            if pid is not None and pid != after:
                return pid
            if idle:
                idle()
            time.sleep(POLL_SECONDS)
        raise StandpipeError(
            f"{role} is not running {RESTART_SECONDS:g} s after it was killed or started",
            f"The messages of `standpipe run` say why:\n{self.log_tail()}",
        )

    def stop(self) -> int:
        """Ask `standpipe run` to end, wait until all is delivered; return its exit status. Raises StandpipeError."""
        if self._run is None:
            return 0
        self.running()
        self.consumer.resume()
        self._run.send_signal(signal.SIGTERM)
        try:
            status = self._run.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise StandpipeError(
                f"`standpipe run` did not end within {STOP_SECONDS:g} s after SIGTERM", self.log_tail()
            ) from error
        if not self.consumer.wait_for_end(KILL_SECONDS):
            raise StandpipeError("somebody still holds stdout's pipe after `standpipe run` has ended", self.log_tail())
        return status

    def clean_up(self) -> None:
        """Leave nothing running, whatever happened before."""
        if self._run is None:
            return
        if self.running():
            self._run.send_signal(signal.SIGSTOP)  # so that it starts nothing that we do not see
            self.running()
            self._run.kill()
            self._run.wait()
        for pid in self.left_running():
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + KILL_SECONDS
        while self.left_running() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if self._consumer:
            self._consumer.wait_for_end(KILL_SECONDS)

    def left_running(self) -> list[int]:
        """Return the processes below `standpipe run` that still run."""
        return sorted(pid for pid, began in self._known.items() if start_ticks(pid) == began)

    def log_tail(self) -> str:
        """Return the last messages of `standpipe run` and OpenBao."""
        if not self.log.exists():
            return "(no messages)"
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(map(plain_message, lines))
