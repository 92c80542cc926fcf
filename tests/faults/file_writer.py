"""A writer of our own for the file source: it appends records as Vault's file device does, until SIGTERM.

    python -m tests.faults.file_writer PATH ORACLE PROGRESS FIRST SIZES RATE

PATH is opened with O_APPEND and mode 0600; SIGHUP closes it and opens it again, between two records. Where a write
fails (a full volume), the file is opened again and the whole record written once more; where that fails too, the
record is given up, as Vault refuses the request then. What was written of it stays, torn. Each byte that write(2)
took is appended to ORACLE as well, which must lie on another volume: that is what the file ever held, in order. SIZES
are the records' sizes, used in turn; RATE is in bytes a second. PROGRESS holds two 64-bit integers that are kept up to
date: bytes that PATH took, and writes that failed.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.writer import record

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRESS = struct.Struct("=QQ")
END_SECONDS = 120.0  # a deadline for a busy machine
REPOSITORY = Path(__file__).parents[2]
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class FileWriter:
    """A writer at work, as the test sees it."""

    def __init__(self, path: Path, oracle: Path, *, first: int, sizes: Sequence[int], rate: int) -> None:
        """Start it, and wait until it has written something."""
        self.oracle = oracle
        progress = oracle.with_suffix(".progress")
        progress.write_bytes(bytes(PROGRESS.size))
        with open(progress, "rb") as file:
            self._map = mmap.mmap(file.fileno(), PROGRESS.size, access=mmap.ACCESS_READ)
        words = (path, oracle, progress, first, ",".join(map(str, sizes)), rate)
        command = [sys.executable, "-m", "tests.faults.file_writer", *map(str, words)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=REPOSITORY)

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    @property
    def written_bytes(self) -> int:
        """Return how many bytes the file took."""
        return int(PROGRESS.unpack(self._map[:])[0])

    @property
    def failures(self) -> int:
        """Return how many writes failed."""
        return int(PROGRESS.unpack(self._map[:])[1])

    def end(self) -> bytes:
        """Stop it after a record; return all that it ever wrote to this oracle."""
        self.process.terminate()
        assert 0 == self.process.wait(END_SECONDS)
        return self.oracle.read_bytes()

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait(END_SECONDS)


class _Appender:
    """The writer's own side."""

    def __init__(self, path: str, oracle: str, progress: str) -> None:
        self._path = path
        self._oracle = os.open(oracle, FLAGS)
        with open(progress, "r+b") as file:
            self._state = mmap.mmap(file.fileno(), PROGRESS.size)
        self._written = 0
        self._failures = 0
        self.reload = False
        self._output = os.open(path, FLAGS, 0o600)

    def append(self, data: bytes) -> None:
        """Write a record: twice, where the first write fails."""
        if self.reload:
            self.reload = False
            self._reopen()
        for _ in range(2):
            if self._write(data):
                return
            self._reopen()

    def _reopen(self) -> None:
        os.close(self._output)
        self._output = os.open(self._path, FLAGS, 0o600)

    def _write(self, data: bytes) -> bool:
        rest = memoryview(data)
        while rest:
            try:
                taken = os.write(self._output, rest)
            except OSError:
                self._failures += 1
                self._note(b"")
                return False
            self._note(bytes(rest[:taken]))
            rest = rest[taken:]
        return True

    def _note(self, taken: bytes) -> None:
        os.write(self._oracle, taken)
        self._written += len(taken)
        PROGRESS.pack_into(self._state, 0, self._written, self._failures)


def main(path: str, oracle: str, progress: str, first: int, sizes: list[int], rate: int) -> None:
    """Write until SIGTERM."""
    stopping: list[int] = []
    appender = _Appender(path, oracle, progress)
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    signal.signal(signal.SIGHUP, lambda *_: setattr(appender, "reload", True))
    begin = time.monotonic()
    done = 0
    serial = first
    while not stopping:
        data = record(serial, sizes[serial % len(sizes)])
        appender.append(data)
        done += len(data)
        serial += 1
        time.sleep(max(0.0, begin + done / rate - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), [*map(int, sys.argv[5].split(","))], int(sys.argv[6]))
