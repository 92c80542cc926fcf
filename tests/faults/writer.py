"""A writer of our own: records with serial numbers, written as Vault writes them, in a process of its own.

    python writer.py FIFO PROGRESS FIRST COUNT SIZES RATE

SIZES are the records' sizes in bytes, separated by commas and used in turn; RATE is in records a second, 0 for as fast
as the pipe takes them. PROGRESS is a file of three 64-bit integers that the writer keeps up to date: records written,
bytes written, and the longest write(2) in nanoseconds.
"""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PROGRESS = struct.Struct("=QQQ")
END_SECONDS = 120.0  # a deadline for a busy machine


class Progress(NamedTuple):
    """What a writer has done so far."""

    records: int
    bytes: int
    longest_nanoseconds: int


def record(serial: int, size: int) -> bytes:
    """Return one record: an object with its serial number where there is room for it, then padding, then a newline."""
    head = b'{"type":"request","serial":%d,"pad":"' % serial
    if size >= len(head) + 3:
        return head + b"x" * (size - len(head) - 3) + b'"}\n'
    return (b"%d" % serial).rjust(size - 1, b"0")[-(size - 1) :] + b"\n" if size > 1 else b"\n"


def records(first: int, count: int, sizes: Sequence[int]) -> Iterator[bytes]:
    """Return what a writer writes."""
    for serial in range(first, first + count):
        yield record(serial, sizes[serial % len(sizes)])


class Writer:
    """A writer at work, as the test sees it. ``expected`` is all that it writes."""

    def __init__(
        self, fifo: Path, count: int, sizes: Sequence[int], *, first: int = 0, rate: int = 0, progress: Path
    ) -> None:
        """Start it."""
        self.expected = b"".join(records(first, count, sizes))
        progress.write_bytes(bytes(PROGRESS.size))
        with open(progress, "rb") as file:
            self._map = mmap.mmap(file.fileno(), PROGRESS.size, access=mmap.ACCESS_READ)
        words = (fifo, progress, first, count, ",".join(map(str, sizes)), rate)
        self.process = subprocess.Popen([sys.executable, __file__, *map(str, words)], stdin=subprocess.DEVNULL)

    @property
    def progress(self) -> Progress:
        """Return how far it is."""
        return Progress(*PROGRESS.unpack(self._map[:]))

    def finished(self) -> bool:
        """Tell whether it has written everything."""
        status = self.process.poll()
        assert status in (None, 0), f"the writer died: {status}"
        return status == 0

    def end(self) -> None:
        """Wait until everything is written."""
        assert self.process.wait(END_SECONDS) == 0

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait(END_SECONDS)
        self._map.close()


def main(fifo: str, progress: str, first: int, count: int, sizes: list[int], rate: int) -> None:
    """Write."""
    output = os.open(fifo, os.O_WRONLY | os.O_APPEND)
    with open(progress, "r+b") as file:
        state = mmap.mmap(file.fileno(), PROGRESS.size)
    done = longest = 0
    begin = time.monotonic()
    for number, data in enumerate(records(first, count, sizes)):
        if rate:
            time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        started = time.monotonic_ns()
        written = os.write(output, data)
        longest = max(longest, time.monotonic_ns() - started)
        if written != len(data):
            sys.exit(f"a blocking write took {written} of {len(data)} bytes")
        done += written
        PROGRESS.pack_into(state, 0, number + 1, done, longest)


if __name__ == "__main__":
    main(
        sys.argv[1],
        sys.argv[2],
        int(sys.argv[3]),
        int(sys.argv[4]),
        [*map(int, sys.argv[5].split(","))],
        int(sys.argv[6]),
    )
