"""One reader under one load, and two readers in turn under the same one (A B A B …)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from bench.cpu import cpu_of, peak_rss_bytes, pss_bytes
from bench.processes import CAT, reading
from bench.stdout_reader import file_stdout, pipe_stdout
from bench.writer import RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

PIPE, FILE = "pipe", "file"
WRITER_GRACE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the writer does. rate_per_second 0: as fast as it can."""

    records: int
    rate_per_second: float
    seconds_max: float

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        return f"{self.rate_per_second:,.0f} records/s" if self.rate_per_second else "saturated"


@dataclass(frozen=True, slots=True)
class Result:
    """What one reader did under one load; CPU is that during the load, without the start."""

    records_per_second: float
    cpu_seconds: dict[str, float]
    start_cpu_seconds: dict[str, float]
    peak_rss_bytes: dict[str, int]
    pss_bytes: dict[str, int]

    def cpu(self, *roles: str) -> float:
        """Return the CPU seconds of some roles together, of all where none is named."""
        return sum(self.cpu_seconds[role] for role in roles or self.cpu_seconds)


def write(fifo: str, load: Load, *, stamps: bool = False) -> dict[str, float]:
    """Run the writer; return what it says. Raises subprocess.CalledProcessError, TimeoutExpired."""
    arguments = [fifo, str(load.records), str(load.rate_per_second), str(load.seconds_max)]
    arguments += ["stamps"] if stamps else []
    done = subprocess.run(
        [sys.executable, "-m", "bench.writer", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        timeout=load.seconds_max + WRITER_GRACE_SECONDS,
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def measure(way: str, output: str, load: Load) -> Result:
    """Start a reader on fresh paths, load it, and end it."""
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    try:
        with (
            pipe_stdout() if output == PIPE else file_stdout(f"{directory}/stdout") as stdout,
            reading(way, directory, stdout.write_end) as reader,
        ):
            at_start = cpu_of(reader.pids)
            said = write(reader.fifo, load)
            last_at = stdout.wait_for(int(said["bytes"]))
            at_end = cpu_of(reader.pids)
            return Result(
                records_per_second=said["bytes"] / RECORD_BYTES / (last_at - said["began"]),
                cpu_seconds={role: at_end[role] - at_start[role] for role in at_end},
                start_cpu_seconds=at_start,
                peak_rss_bytes={role: peak_rss_bytes(pid) for role, pid in reader.pids.items()},
                pss_bytes={role: pss_bytes(pid) for role, pid in reader.pids.items()},
            )
    finally:
        shutil.rmtree(directory)
        os.sync()  # the next one must not wait for what this one left to the disk


@dataclass(frozen=True, slots=True)
class Pairs:
    """What `cat <>` and one of our ways did in turn."""

    cat: list[Result]
    ours: list[Result]

    def ratio(self, ours: Callable[[Result], float], cat: Callable[[Result], float]) -> float:
        """Return the median of ours / cat over the pairs."""
        return median(ours(o) / cat(c) for c, o in zip(self.cat, self.ours, strict=True))


def measure_pairs(way: str, output: str, load: Load, pairs: int) -> Pairs:
    """Measure `cat <>` and one of our ways in turn; tell the progress on stderr."""
    result = Pairs([], [])
    for number in range(1, pairs + 1):
        for name, results in ((CAT, result.cat), (way, result.ours)):
            began = time.monotonic()
            one = measure(name, output, load)
            results.append(one)
            rate, cpu = one.records_per_second, one.cpu()
            tell(
                f"{way} to a {output}, {load.name}, pair {number} of {pairs}: {name}: {rate:,.0f} records/s, "
                f"{cpu:.3f} s of CPU ({time.monotonic() - began:.0f} s)"
            )
    return result


def tell(text: str) -> None:
    """Tell a person how far it is."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
