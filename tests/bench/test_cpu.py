from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pytest

from bench.cpu import cpu_seconds, peak_rss_bytes, pss_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

WORK = """
import os, threading, time
thread = threading.Thread(target=lambda: os.urandom(20_000_000))
thread.start()
thread.join()
print(time.process_time(), flush=True)
input()
"""


@contextmanager
def worker() -> Iterator[tuple[int, IO[bytes]]]:
    """Run a process that works a little and then waits; yield its id and its stdout."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", WORK], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.pid, process.stdout
        process.stdin.close()


def test_the_cpu_time_of_another_process() -> None:
    """It is what the process itself counts: user and system, threads that have ended included."""
    with worker() as (pid, stdout):
        assert pytest.approx(float(stdout.readline()), abs=0.02) == cpu_seconds(pid)


def test_the_memory_of_another_process() -> None:
    """The proportional share is the sum over its mappings, each rounded to 1 KiB; the peak is what was resident."""
    with worker() as (pid, stdout):
        stdout.readline()
        with open(f"/proc/{pid}/smaps", encoding="ascii") as file:
            lines = [line.split() for line in file]
        shares = [int(line[1]) * 1024 for line in lines if line[0] == "Pss:"]
        resident = sum(int(line[1]) * 1024 for line in lines if line[0] == "Rss:")
        assert pytest.approx(sum(shares), abs=1024 * len(shares)) == pss_bytes(pid)
        assert peak_rss_bytes(pid) >= resident - 1024 * len(shares)
        assert peak_rss_bytes(pid) >= 20_000_000
