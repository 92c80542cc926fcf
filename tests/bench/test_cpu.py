from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.cpu import cpu_seconds, peak_rss_bytes, pss_bytes


def test_the_cpu_time_of_another_process() -> None:
    """It is what the process itself counts, threads that have ended included."""
    work = (
        "import threading, time\n"
        "t = threading.Thread(target=lambda: [sum(range(100000)) for _ in range(30)]); t.start(); t.join()\n"
        "print(time.process_time(), flush=True); input()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", work], stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = float(process.stdout.readline())
        assert pytest.approx(said, abs=0.05) == cpu_seconds(process.pid)
        process.stdin.close()


def test_memory_of_this_process() -> None:
    """The shared pages are divided, so the proportional share is no more than what was ever resident."""
    assert 0 < pss_bytes(os.getpid()) <= peak_rss_bytes(os.getpid())
