"""From the start of `standpipe run` to the first record on stdout."""

from __future__ import annotations

import shutil
import tempfile
import time
from statistics import median
from typing import TYPE_CHECKING

from bench.contest import tell
from bench.processes import program, run_command
from bench.stdout_reader import pipe_stdout
from bench.table import AT_MOST, Aim, Row

if TYPE_CHECKING:
    from bench.size import Size

START_AIM = Aim(AT_MOST, 400)
RECORD = '{"time":"2026-01-02T03:04:05Z","type":"request"}'
FIRST_WRITER = 'echo "$1" > "$0"; exec sleep 60'


def _start_seconds() -> float:
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    fifo = f"{directory}/fifo"
    command = run_command(fifo, f"{directory}/journal", None, ["sh", "-c", FIRST_WRITER, fifo, RECORD])
    try:
        with pipe_stdout() as stdout:
            began = time.monotonic()
            with program(command, stdout.write_end, f"{directory}/messages.log"):
                return stdout.wait_for(len(RECORD) + 1) - began
    finally:
        shutil.rmtree(directory)


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's row."""
    times = []
    for number in range(1, size.starts + 1):
        times.append(1000 * _start_seconds())
        tell(f"start {number} of {size.starts}: first record after {times[-1]:.0f} ms")
    figures = f"{size.starts} starts, {min(times):.0f} to {max(times):.0f} ms"
    return [Row("run: start to first record on stdout", median(times), "ms", figures, START_AIM, digits=0)]
