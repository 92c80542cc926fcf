"""The receiver as a real process, and what the benchmark sees of it."""

from __future__ import annotations

import contextlib
import json
import mmap
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.processes import program, wait_until
from bench.receiver import COUNTS, HOST, read_counts

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from bench.receiver import Counts

NEWLINE = "\n"  # what each record has once where bodies are lines
POLL_SECONDS = 0.002
QUIET_SECONDS = 20.0  # without a request: nothing more will come
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Receiving:
    """A receiver that listens. output: the file that it writes its delays to when it ends."""

    process: subprocess.Popen[bytes]
    mapped: mmap.mmap
    url: str
    output: Path

    @property
    def counts(self) -> Counts:
        """What it has received by now."""
        return read_counts(self.mapped)

    def wait_for(self, records: int, sender: subprocess.Popen[bytes]) -> Counts:
        """Wait until so many records have come, or nothing comes any more. Raises RuntimeError where a sender ends."""
        quiet_at = time.monotonic() + QUIET_SECONDS
        before = -1
        while (now := self.counts).records < records and time.monotonic() < quiet_at:
            if now.requests != before:
                before, quiet_at = now.requests, time.monotonic() + QUIET_SECONDS
            if sender.poll() is not None and self.counts.records < records:
                raise RuntimeError(f"{sender.args!r} ended with {sender.returncode} after {now.records} records")
            time.sleep(POLL_SECONDS)
        return self.counts

    def delays(self) -> list[tuple[float, float]]:
        """End it; return each record's `time` and its delay, in seconds."""
        self.process.terminate()
        self.process.wait(STOP_SECONDS)
        return [(at, took) for at, took in json.loads(self.output.read_bytes())]


@contextlib.contextmanager
def receiving(directory: str, marker: str = NEWLINE, *, stamps: bool = False) -> Iterator[Receiving]:
    """Start a receiver; yield when it listens."""
    counts, output = Path(directory, "counts"), Path(directory, "delays")
    counts.write_bytes(bytes(COUNTS.size))
    line = [sys.executable, "-m", "bench.receiver", str(counts), marker, *(["stamps"] if stamps else [])]
    with open(counts, "r+b") as file, output.open("wb") as stdout:
        mapped = mmap.mmap(file.fileno(), COUNTS.size, prot=mmap.PROT_READ)
        with program(line, stdout.fileno(), f"{directory}/receiver.log") as process:
            wait_until(lambda: bool(read_counts(mapped).port), process, "the receiver listens")
            yield Receiving(process, mapped, f"http://{HOST}:{read_counts(mapped).port}", output)
