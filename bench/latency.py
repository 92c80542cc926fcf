"""How long a record takes from Vault's write to the receipt of the HTTP request that holds it, at a steady rate."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contest import write
from bench.delivery_contest import HTTP_CONFIG, sink_config
from bench.follower import SIDECAR, sidecar
from bench.openbao import summary
from bench.peers import command, environment
from bench.processes import RUN, program, reading
from bench.receiving import receiving
from bench.writer import make_pool

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from bench.contest import Load
    from bench.delivery_contest import Way
    from bench.openbao import Served

FIFO, FILE = "run, FIFO", "sidecar, file"


@dataclass(frozen=True)
class Reader:
    """A program that reads `source` and sends what it reads. process: the one that must not end."""

    source: str
    process: subprocess.Popen[bytes]


def late(delays: list[tuple[float, float]], since: float, records: int) -> list[float]:
    """Return the delays of the records that were written since a time. Raises RuntimeError where some are missing."""
    result = [took for at, took in delays if at >= since]
    if len(result) != records:
        raise RuntimeError(f"{len(result):,} records were received of {records:,} that were written")
    return result


@contextlib.contextmanager
def _reading(name: str, way: Way, directory: str, url: str) -> Iterator[Reader]:
    """Start a program that sends what it reads: ours from a FIFO or a file, a peer from a file."""
    more = {"sinks": {"latency": sink_config(way, url)}}
    source = f"{directory}/source"
    Path(source).touch()
    with open(f"{directory}/stdout", "ab") as stdout:
        if way.peer is not None:
            values = environment(way.peer, directory, source, url) | {"BENCH_WORKERS": str(way.workers)}
            line = command(way.peer, directory, HTTP_CONFIG)
            with program(line, stdout.fileno(), f"{directory}/messages.log", values) as process:
                yield Reader(source, process)
        elif name == FIFO:
            config = Path(directory, "run.yaml")
            config.write_text(json.dumps(more), encoding="utf-8")
            with reading(RUN, directory, stdout.fileno(), config=str(config)) as running:
                yield Reader(running.fifo, running.process)
        else:
            with sidecar(SIDECAR, source, directory, stdout.fileno(), more) as follower:
                yield Reader(source, follower.process)


def latency(name: str, way: Way, load: Load) -> Served:
    """Measure one way under a steady load, after one record has arrived."""
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    try:
        with receiving(directory, stamps=True) as receiver, _reading(name, way, directory, receiver.url) as reader:
            with open(reader.source, "ab", buffering=0) as source:
                source.write(make_pool()[0])
            receiver.wait_for(1, reader.process)
            began = time.time()
            said = write(reader.source, load, stamps=True)
            records = int(said["records"])
            receiver.wait_for(1 + records, reader.process)
            return summary(late(receiver.delays(), began, records), said["ended"] - said["began"])
    finally:
        shutil.rmtree(directory)
