"""One sender under one load: a journal that is there, or the file that its segment is, to an HTTP server."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cpu import cpu_seconds, peak_rss_bytes
from bench.delivery_result import Shipped
from bench.peers import command, environment
from bench.processes import STANDPIPE, program, wait_until
from bench.receiving import NEWLINE, receiving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.peers import Peer

HTTP_CONFIG = "syslog-ng-http.conf"
INSERT_ID = '"insertId":'  # what each of Cloud Logging's entries has once


@dataclass(frozen=True, slots=True)
class Way:
    """One way to send. sink: ours, without its address (`address` is its name); a peer has workers instead."""

    name: str
    sink: Mapping[str, object] | None = None
    address: str = "url"
    marker: str = NEWLINE
    peer: Peer | None = None
    workers: int = 1


def sink_config(way: Way, url: str) -> dict[str, object]:
    """Return a sink of the config: from the journal's first byte on, and no seals, so that each line is a record."""
    return {**(way.sink or {}), way.address: url, "deliver_seals": False}


def sender(way: Way, journal: str, directory: str, url: str) -> tuple[list[str], dict[str, str]]:
    """Return a way's command line and environment. The peer reads the journal's one segment, which is a plain file."""
    if way.peer is not None:
        source = next(str(path) for path in Path(journal, "segments").glob("*.log"))
        values = environment(way.peer, directory, source, url) | {"BENCH_WORKERS": str(way.workers)}
        return command(way.peer, directory, HTTP_CONFIG), values
    config = Path(directory, "ship.yaml")
    name = f"s{os.path.basename(directory).rpartition('-')[2].lower().replace('_', '-')}"  # a new one has no cursor yet
    sink = {**sink_config(way, url), "start": "earliest"}
    config.write_text(json.dumps({"sinks": {name: sink}}), encoding="utf-8")
    return [*STANDPIPE, "ship", "--journal", journal, "--config", str(config)], dict(os.environ)


def ship(way: Way, journal: str, records: int) -> Shipped:
    """Let a sender deliver all of a journal; time and CPU count from the first byte that the server receives."""
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    try:
        with receiving(directory, way.marker) as receiver, open(f"{directory}/stdout", "ab") as stdout:
            line, values = sender(way, journal, directory, f"{receiver.url}")
            with program(line, stdout.fileno(), f"{directory}/messages.log", values) as process:
                wait_until(lambda: receiver.counts.first_at > 0, process, "a request comes")
                pids = (process.pid, receiver.process.pid)
                start = [cpu_seconds(pid) for pid in pids]
                found = receiver.wait_for(records, process)
                spent = [cpu_seconds(pid) - before for pid, before in zip(pids, start, strict=True)]
                return Shipped(
                    records=found.records,
                    records_due=records,
                    requests=found.requests,
                    body_bytes=found.body_bytes,
                    seconds=found.last_at - found.first_at,
                    cpu_seconds=spent[0],
                    receiver_cpu_seconds=spent[1],
                    peak_rss_bytes=peak_rss_bytes(process.pid),
                )
    finally:
        shutil.rmtree(directory)
