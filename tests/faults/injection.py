"""A process under strace(1), which kills it before its n-th call of a system call or lets that call fail.

strace counts the calls of each thread by itself, so ``when=n`` is the n-th call of whichever thread comes to its n-th
first. A call that is made to fail is not run at all; a process that is killed dies before its call. An injected
failure is marked ``(INJECTED)`` in strace's output; a kill can be nobody else's, because nobody else kills.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from tests.faults.rig import DEADLINE_SECONDS, STANDPIPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

POLL_SECONDS = 0.002
SYSCALLS = {  # what we call a system call → its names on the architectures, for strace
    "fchmod": "fchmod",
    "fdatasync": "fdatasync",
    "fsync": "fsync",
    "openat": "openat",
    "pwrite": "pwrite64",
    "rename": "?rename,?renameat,?renameat2",
    "splice": "splice",
    "unlink": "?unlink,?unlinkat",
    "write": "write",
}
TIMED = ("fdatasync", "splice", "write")  # how many there are depends on who is faster
FAULTS = {"kill": "signal=SIGKILL", "ENOSPC": "error=ENOSPC", "EIO": "error=EIO"}
KILLED = "+++ killed by SIGKILL +++"
PYTHON_DIED = "Fatal Python error: error evaluating path"
INJECTED = "(INJECTED)"
WRITTEN = re.compile(r"write\(\d+<.*?/\d+/(?P<path>[^>]*)>")
LINE = re.compile(r"^(?P<thread>\d+) +(?P<name>[a-z0-9_]+)\((?P<rest>.*)$", re.MULTILINE)


class Injection(NamedTuple):
    """One fault: before the number-th call; with number 0 the calls are counted only.

    With paths, relative to the run's directory, only calls on these files are seen and counted.
    """

    syscall: str
    fault: str = "kill"
    number: int = 0
    paths: tuple[str, ...] = ()

    def words(self, trace: Path) -> list[str]:
        """Return strace and its options."""
        names = SYSCALLS[self.syscall]
        words = ["strace", "-f", "-y", "-s", "16", "-o", str(trace), "-e", f"trace={names}"]
        words += [word for path in self.paths for word in ("-P", str(trace.parent / path))]
        if self.number:
            words += ["-e", f"inject={names}:{FAULTS[self.fault]}:when={self.number}"]
        return words


class Call(NamedTuple):
    """One call in a trace: the number that it has among its thread's calls, and strace's text, with paths."""

    thread: int
    number: int
    text: str


def calls(trace: str) -> list[Call]:
    """Return every call of a trace, in order."""
    counts: dict[int, int] = {}
    found = []
    for match in LINE.finditer(trace):
        thread = int(match["thread"])
        counts[thread] = counts.get(thread, 0) + 1
        found.append(Call(thread, counts[thread], f"{match['name']}({match['rest']}"))
    return found


def written_paths(trace: str, relevant: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the files that the relevant calls of write write to, relative to the run's directory (a number)."""
    found = (WRITTEN.match(call.text) for call in calls(trace) if relevant(call.text))
    return tuple(sorted({match["path"] for match in found if match}))


def chosen(numbers: Iterable[int], most: int, seed: str, *, timed: bool) -> list[int]:
    """Return at most so many of the numbers, evenly spread; the seed moves them, so that two tests take others.

    timed: how many calls there are differs from run to run. A choice then leaves the last quarter out.
    """
    found = sorted(set(numbers))
    stride = max(1, -(-len(found) // most))
    if timed and stride > 1:
        found = found[: -(-3 * len(found) // 4)]
        stride = -(-len(found) // most)
    return found[zlib.crc32(seed.encode()) % stride :: stride]


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition, more eagerly than the rig does: these runs are short and many."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(POLL_SECONDS)


class Process:
    """One of our commands, under strace if an injection is given. Ended when the context is left, whatever happened."""

    def __init__(
        self,
        directory: Path,
        words: Sequence[str],
        injection: Injection | None = None,
        *,
        stdout: int = subprocess.DEVNULL,
        ready: bool = False,
    ) -> None:
        """Start it; trace and messages are files in the directory. ready: it is told to say when it is ready."""
        number = sum(path.name.startswith("messages") for path in directory.iterdir())
        self._trace_path = directory / f"trace-{number}"
        self._messages_path = directory / f"messages-{number}"
        self._trace_path.write_bytes(b"")
        self._injection = injection
        self._ready_end, write_end = os.pipe() if ready else (-1, -1)
        before = injection.words(self._trace_path) if injection else []
        after = ("--ready-fd", str(write_end)) if ready else ()
        with open(self._messages_path, "wb") as messages:
            self.process = subprocess.Popen(
                [*before, *STANDPIPE, *words, *after],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=messages,
                pass_fds=(write_end,) if ready else (),
            )
        if ready:
            os.close(write_end)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what is still there: strace's child first, which would go on without strace."""
        if self.alive():
            for pid in (*self._traced(), self.process.pid):
                _kill(pid)
        self.process.wait(DEADLINE_SECONDS)
        if self._ready_end >= 0:
            os.close(self._ready_end)

    def _traced(self) -> list[int]:
        if self._injection is None:
            return []
        pid = self.process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        except FileNotFoundError:
            return []  # strace has ended, and its child before it
        return [int(child) for child in children.split()]

    @property
    def pid(self) -> int:
        """Return our command's process id."""
        return (self._traced() or [self.process.pid])[0]

    def alive(self) -> bool:
        """Tell whether it is running."""
        return self.process.poll() is None

    def wait_ready(self) -> bool:
        """Wait until it is ready, or dead; return whether it is ready."""
        poll = select.poll()
        poll.register(self._ready_end, select.POLLIN)
        assert poll.poll(DEADLINE_SECONDS * 1000), "neither ready nor dead"
        return os.read(self._ready_end, 1) == b"\n"

    def signal(self, number: int) -> None:
        """Send our command a signal, if it is still there."""
        if self._injection is not None and not self._traced():
            return
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def status(self) -> int:
        """Wait for its end; return its exit status, -9 for a kill."""
        return self.process.wait(DEADLINE_SECONDS)

    def trace(self) -> str:
        """Return what strace wrote."""
        return self._trace_path.read_text(encoding="utf-8")

    def messages(self) -> str:
        """Return what it said."""
        return self._messages_path.read_text(encoding="utf-8")

    def complaints(self) -> list[str]:
        """Return its warnings and errors.

        strace counts calls by thread, so a fault meant for the second thread may come in the first one while Python
        itself starts; some Pythons die of that, with a message of their own, before a line of ours has run.
        """
        if PYTHON_DIED in self.messages():
            return [PYTHON_DIED]
        found = []
        for line in self.messages().splitlines():
            assert line.startswith("{"), f"not one of our messages: {self.messages()}"
            entry = json.loads(line)
            if entry["severity"] in ("WARNING", "ERROR"):
                found.append(entry["message"])
        return found

    def injected(self) -> list[str]:
        """Return the lines of the trace that have an injected failure."""
        return [line for line in self.trace().splitlines() if INJECTED in line]

    def fired(self) -> bool:
        """Tell whether the fault came. If not, the process must have made fewer calls than that in every thread."""
        assert self._injection is not None
        trace = self.trace()
        if (KILLED if self._injection.fault == "kill" else INJECTED) in trace:
            return True
        most = max((call.number for call in calls(trace)), default=0)
        assert most < self._injection.number, f"{self._injection} did not come:\n{trace}"
        return False


class Attached(Process):
    """A process that strace joins only now: its calls are counted from here."""

    def __init__(self, directory: Path, runs: Process, injection: Injection) -> None:
        """Attach to every thread, and wait until that has happened."""
        self._trace_path = runs._trace_path
        self._messages_path = runs._messages_path
        self._runs = runs
        self._injection = injection
        self._ready_end = -1
        self._trace_path.write_bytes(b"")
        said = directory / "strace"
        with open(said, "wb") as stderr:
            words = [*injection.words(self._trace_path), "-p", str(runs.pid)]
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=stderr)
        try:
            wait_until(lambda: "attached" in said.read_text(encoding="utf-8") or not self.alive(), "strace is attached")
            assert self.alive(), said.read_text(encoding="utf-8")
        except BaseException:
            self.__exit__()
            raise

    def _traced(self) -> list[int]:
        return [self._runs.pid] if self._runs.alive() else []

    def status(self) -> int:
        """Wait for the end of both; return our command's exit status."""
        status = self._runs.status()
        self.process.wait(DEADLINE_SECONDS)
        return status


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return


class Plan:
    """Which calls of a kind of run get a fault. The run is counted once, and the trace is used for all faults."""

    def __init__(self, most_kills: int, most_errors: int) -> None:
        """Take the most calls that one test may try; a large number for every one."""
        self._most = {"kill": most_kills, "ENOSPC": most_errors, "EIO": most_errors}
        self._traces: dict[tuple[str, Injection], str] = {}

    def each(
        self, scene: str, injection: Injection, run: Callable[[Injection], Process], relevant: Callable[[str], bool]
    ) -> Iterator[Process]:
        """Run once for each relevant call, and yield the process if its fault came; it must have, at least once."""
        count = Injection(injection.syscall)
        if injection.syscall == "write" and injection.fault != "kill":
            # How often capture's threads wake each other up by a write is a matter of time.
            count = injection = injection._replace(paths=written_paths(self._trace(scene, count, run), relevant))
        found = {call.number for call in calls(self._trace(scene, count, run)) if relevant(call.text)}
        numbers = chosen(found, self._most[injection.fault], f"{scene} {injection}", timed=injection.syscall in TIMED)
        print(f"{scene}: {injection.syscall}: {len(found)} calls of interest, {injection.fault} at {numbers}")  # noqa: T201
        came = 0
        for number in numbers:
            process = run(injection._replace(number=number))
            if process.fired():
                came += 1
                yield process
        assert came, "no fault came"

    def _trace(self, scene: str, count: Injection, run: Callable[[Injection], Process]) -> str:
        """Return the trace of a counting run."""
        key = (scene, count._replace(fault="kill"))
        if key not in self._traces:
            self._traces[key] = run(count).trace()
        return self._traces[key]
