"""One journal under test: its processes, each started, killed and asked from outside, and what its files say.

Bytes are compared with what the writer was told to write; journals are read here by listing and reading files.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import termios
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from backports import zstd

from tests.faults.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Segments = list[tuple[int, bytes]]
DEADLINE_SECONDS = 60.0  # generous: the machine may be busy
POLL_SECONDS = 0.01
STANDPIPE = (sys.executable, "-m", "standpipe")
OPEN_BOTH_WAYS = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; fail with a sentence if it does not come true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(POLL_SECONDS)


def pipe_bytes(descriptor: int) -> int:
    """Return how many bytes are in a pipe (FIONREAD)."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


def is_full(descriptor: int) -> bool:
    """Tell whether a pipe has no free slot."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return not poll.poll(0)


class Role:
    """One of our processes."""

    def __init__(self, directory: Path, number: int, words: Sequence[str], before: Sequence[str], stdout: int) -> None:
        """Start it; its messages go to a file."""
        self._messages = directory / f"{number}-{words[0]}.stderr"
        with open(self._messages, "wb") as stderr:
            self.process = subprocess.Popen(
                [*before, *STANDPIPE, *words],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    def messages(self) -> str:
        """Return what it has said."""
        return self._messages.read_text(encoding="utf-8")

    def says(self, words: str) -> None:
        """Wait until it says something."""
        wait_until(lambda: words in self.messages() or self.process.poll() is not None, f"it says {words!r}")
        assert words in self.messages()

    def alive(self) -> bool:
        """Tell whether it is running."""
        return self.process.poll() is None

    def stuck(self) -> bool:
        """Tell whether a thread waits for a disk, deaf to signals (state D of proc_pid_stat(5))."""
        tasks = Path(f"/proc/{self.pid}/task")
        stats = [(tasks / thread / "stat").read_text(encoding="utf-8") for thread in os.listdir(tasks)]
        return any(stat.rpartition(")")[2].split()[0] == "D" for stat in stats)

    def status(self) -> int:
        """Wait for its end and return its exit status."""
        return self.process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    def stop(self, number: int = signal.SIGUSR1) -> int:
        """Ask it to stop when all is done, as the supervisor does, and return its exit status."""
        self.process.send_signal(number)
        return self.status()


class Rig:
    """A FIFO, a journal, a stand-in for the supervisor that holds both pipes, and everything that was started."""

    def __init__(self, directory: Path, journal: Path | None = None) -> None:
        """Name the places; directory is for the FIFO and the logs, journal may be on another volume."""
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.fifo = directory / "fifo"
        self.journal = journal or directory / "journal"
        self._command = directory / "command"
        self._started = 0
        self._held: set[int] = set()
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        """Make and hold the FIFO."""
        if not self.fifo.exists():
            os.mkfifo(self.fifo, 0o600)
        self.held_fifo = self.hold(self.fifo)
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self.close()

    def close(self) -> None:
        """End every process and close every pipe, the newest first."""
        self._ends.close()
        while self._held:
            os.close(self._held.pop())

    def hold(self, path: Path) -> int:
        """Open a pipe both ways until the end."""
        descriptor = os.open(path, OPEN_BOTH_WAYS)
        self._held.add(descriptor)
        return descriptor

    def start(self, *words: str, before: Sequence[str] = (), stdout: int = subprocess.DEVNULL) -> Role:
        """Start one of our commands."""
        self._started += 1
        role = Role(self.directory, self._started, words, before, stdout)
        self._ends.callback(role.kill)
        return role

    def run(self, *words: str, stdout: int) -> Role:
        """Start `run` with a COMMAND that ends when `end_run` says so, or when we end."""
        self._command.touch()
        loop = f"while [ -e {self._command} ]; do sleep 0.1; done"
        self._ends.callback(self._command.unlink, missing_ok=True)
        run = self.start("run", *words, "--", "sh", "-c", loop, stdout=stdout)
        run.says('"started"')
        return run

    def end_run(self, run: Role) -> None:
        """Let COMMAND end, and wait until all is delivered."""
        self._command.unlink()
        assert run.status() == 0

    def commands(self) -> list[int]:
        """Return the process ids of the COMMANDs of `run`."""
        found = []
        for name in os.listdir("/proc"):
            try:
                words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0") if name.isdigit() else []
            except (FileNotFoundError, ProcessLookupError):
                continue
            if words[:2] == [b"sh", b"-c"] and os.fsencode(self._command) in words[2]:
                found.append(int(name))
        return found

    def release(self) -> None:
        """Close the FIFO, which something else must hold."""
        self._held.remove(self.held_fifo)
        os.close(self.held_fifo)

    def role_pid(self, role: str) -> int:
        """Return the process id of a role's holder, when there is one."""
        path = self.journal / f"lock.{role}"
        wait_until(lambda: path.exists() and path.read_text(), f"a {role} has its lock")
        return int(path.read_text())

    def kill_role(self, role: str) -> None:
        """Kill a role, and wait until its successor has the lock."""
        pid = self.role_pid(role)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.role_pid(role) != pid, f"{role} is started again")

    def capture_words(self, **options: str) -> list[str]:
        """Return capture's command line: defaults for tests, and options by name with _ for -."""
        chosen = {"fifo": str(self.fifo), "journal": str(self.journal), "segment_size": "64KiB", "fsync": "20ms"}
        chosen |= options
        return ["capture", *(word for key, value in chosen.items() for word in (f"--{key.replace('_', '-')}", value))]

    def capture(self, before: Sequence[str] = (), **options: str) -> Role:
        """Start capture, and wait until it is ready; then hold the reserve as well."""
        held = (self.journal / "reserve").exists()
        role = self.start(*self.capture_words(**options), before=before)
        self.wait_ready(role)
        if not held:
            self.held_reserve = self.hold(self.journal / "reserve")
        return role

    def wait_ready(self, role: Role) -> None:
        """Wait until a capture has recovered the journal: it says in boot.json that it is at work."""
        wait_until(lambda: self.works(role) or not role.alive(), "capture is ready")
        assert role.alive(), role.messages()

    def works(self, role: Role) -> bool:
        """Has it both pipes open? That is its last step before it works."""
        wanted = {str(self.fifo), str(self.journal / "reserve")}
        return wanted <= open_files(role.pid)

    def write(self, count: int, sizes: Sequence[int] = (300,), *, first: int = 0, rate: int = 0) -> Writer:
        """Start a writer."""
        self._started += 1
        progress = self.directory / f"{self._started}-progress"
        writer = Writer(self.fifo, count, sizes, first=first, rate=rate, progress=progress)
        self._ends.callback(writer.kill)
        return writer

    def put(self, data: bytes) -> None:
        """Write some bytes at once; they must fit."""
        assert os.write(self.held_fifo, data) == len(data)

    def ship(self, *, output: Path) -> int:
        """Deliver everything there is now, appended to a file."""
        with open(output, "ab") as file:
            return self.start("ship", "--journal", str(self.journal), "--once", stdout=file.fileno()).status()

    def keep(self, *words: str) -> int:
        """Let keep do what is due."""
        return self.start("keep", "--journal", str(self.journal), "--once", *words).status()

    def verify(self, *words: str) -> tuple[int, dict[str, object]]:
        """Return verify's exit status and what it says."""
        command = [*STANDPIPE, "verify", "--journal", str(self.journal), "--json", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def segments(self) -> Segments:
        """Return (base, bytes that count) of every segment."""
        return read_segments(self.journal)

    def content(self) -> bytes:
        """Return the journal's bytes, which must have no hole."""
        data = b""
        for base, piece in self.segments():
            assert base == len(data), f"a segment at {base} follows on {len(data)}"
            data += piece
        return data

    def captured(self) -> int:
        """Return the journal's end: the last segment is always raw."""
        segments = self.journal / "segments"
        name = max(name for name in os.listdir(segments) if name[:20].isdigit() and name.endswith(".log"))
        return int(name[:20]) + (segments / name).stat().st_size

    def wait_captured(self, data: bytes) -> None:
        """Wait until the journal is as long as some bytes, and compare."""
        wait_until(lambda: self.captured() >= len(data), f"the journal has {len(data)} bytes")
        assert data == self.content()

    def incidents(self, kind: str | None = None) -> list[dict[str, object]]:
        """Return the incidents, of one kind if it is named."""
        path = self.journal / "incidents.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # a full disk cut it; the whole line follows
        return [incident for incident in found if kind in (None, incident["kind"])]


def open_files(pid: int) -> set[str]:
    """Return what a process has open; nothing where it has gone."""
    directory = f"/proc/{pid}/fd"
    found = set()
    try:
        for name in os.listdir(directory):
            found.add(os.readlink(f"{directory}/{name}"))
    except FileNotFoundError:
        return found
    return found


def read_segments(journal: Path) -> Segments:
    """Return (base, bytes that count) of every segment: the next base bounds the one before."""
    found: dict[int, bytes] = {}
    names = sorted(name for name in os.listdir(journal / "segments") if name[:20].isdigit())
    for name in names:
        path = journal / "segments" / name
        try:
            if name.endswith(".log"):
                found[int(name[:20])] = path.read_bytes()
            elif name.endswith(".log.zst"):
                found.setdefault(int(name[:20]), zstd.decompress(path.read_bytes()))
        except FileNotFoundError:
            continue  # keep has compressed or deleted it
    bounds = [*sorted(found)[1:], 1 << 62]
    return [(base, found[base][: bound - base]) for base, bound in zip(sorted(found), bounds, strict=True)]
