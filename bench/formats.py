"""What the envelope costs: one journal delivered as raw, json and gcp by `standpipe ship --once`, in turn."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from statistics import median
from typing import TYPE_CHECKING

from bench.contest import Load, tell, write
from bench.processes import RUN, STANDPIPE, reading
from bench.stdout_reader import pipe_stdout
from bench.table import Row

if TYPE_CHECKING:
    from bench.size import Size

RAW, JSON, GCP = FORMATS = ("raw", "json", "gcp")
WRITE_SECONDS_MAX = 60.0
SHIP_SECONDS_MAX = 300.0


def fill_journal(directory: str, records: int) -> str:
    """Make a journal of so many records, in one segment that stays raw, and return its path."""
    config = f"{directory}/run.yaml"
    with open(config, "w", encoding="utf-8") as file:
        json.dump({"journal": {"segment_size": "1GiB"}}, file)
    with pipe_stdout() as stdout, reading(RUN, directory, stdout.write_end, config=config) as reader:
        said = write(reader.fifo, Load(records, 0, WRITE_SECONDS_MAX))
        stdout.wait_for(int(said["bytes"]))
    return f"{directory}/journal"


def _ship(journal: str, kind: str, number: int, records: int) -> float:
    """Deliver the whole journal in one format; return records a second, from the first byte to the last."""
    name = f"{kind}-{number}"
    config = f"{journal}/../{name}.yaml"
    with open(config, "w", encoding="utf-8") as file:
        json.dump({"sinks": {name: {"type": "stdout", "format": kind, "start": "earliest"}}}, file)
    with pipe_stdout() as stdout:
        subprocess.run(
            [*STANDPIPE, "ship", "--once", "--journal", journal, "--config", config],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=stdout.write_end,
            stderr=subprocess.DEVNULL,
            timeout=SHIP_SECONDS_MAX,
        )
    return records / (stdout.last_at - stdout.first_at)


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's rows."""
    rates: dict[str, list[float]] = {kind: [] for kind in FORMATS}
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    try:
        journal = fill_journal(directory, size.format_records)
        for number in range(1, size.pairs + 1):
            for kind in FORMATS:
                rates[kind].append(_ship(journal, kind, number, size.format_records))
                tell(f"format {kind}, round {number} of {size.pairs}: {rates[kind][-1]:,.0f} records/s")
    finally:
        shutil.rmtree(directory)
    return [
        Row(
            f"ship alone, format {kind}: throughput, {kind} ÷ raw",
            median(ours / raw for ours, raw in zip(rates[kind], rates[RAW], strict=True)),
            "×",
            f"{kind} {median(rates[kind]):,.0f} records/s, raw {median(rates[RAW]):,.0f} records/s",
        )
        for kind in (JSON, GCP)
    ]
