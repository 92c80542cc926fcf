"""Whoever reads stdout: a pipe of the usual size that is emptied as a container runtime does, or a regular file."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ_BYTES = 64 << 10  # a read(2), the capacity of the pipe
POLL_SECONDS = 0.002
ARRIVAL_SECONDS = 120.0  # a generous deadline for what was written


class Stdout(Protocol):
    """The other end of somebody's stdout."""

    write_end: int

    def wait_for(self, total: int) -> float:
        """Wait until so many bytes have come in all; return when the last one did (CLOCK_MONOTONIC)."""


class PipeStdout:
    """A pipe that a thread empties; it can be stalled for a while."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        self.total = 0
        self.first_at = 0.0
        self.last_at = 0.0
        self._flowing = threading.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        buffers = [bytearray(READ_BYTES)]
        while count := os.readv(self._read_end, buffers):
            self.last_at = time.monotonic()
            self.first_at = self.first_at or self.last_at
            self.total += count
            self._flowing.wait()

    def stall(self) -> None:
        """Read no more."""
        self._flowing.clear()

    def flow(self) -> None:
        """Read again."""
        self._flowing.set()

    def wait_for(self, total: int) -> float:
        """See Stdout. Raises TimeoutError."""
        _wait(lambda: self.total >= total, f"{total} bytes on stdout")
        return self.last_at

    def close(self) -> None:
        """Read to the end; every other writing end must be closed by now."""
        self.flow()
        os.close(self.write_end)
        self._thread.join(ARRIVAL_SECONDS)
        os.close(self._read_end)


class FileStdout:
    """A regular file."""

    def __init__(self, path: str) -> None:
        self.write_end = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def wait_for(self, total: int) -> float:
        """See Stdout. Raises TimeoutError."""
        _wait(lambda: os.fstat(self.write_end).st_size >= total, f"{total} bytes in the file")
        return time.monotonic()

    def close(self) -> None:
        """Close it."""
        os.close(self.write_end)


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {ARRIVAL_SECONDS:g} s in vain for {what}")
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def pipe_stdout() -> Iterator[PipeStdout]:
    """Make a pipe; leave after everybody who writes to it has ended."""
    stdout = PipeStdout()
    try:
        yield stdout
    finally:
        stdout.close()


@contextlib.contextmanager
def file_stdout(path: str) -> Iterator[FileStdout]:
    """Make a file."""
    stdout = FileStdout(path)
    try:
        yield stdout
    finally:
        stdout.close()
