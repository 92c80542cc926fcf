"""`standpipe ship` to an HTTP server beside syslog-ng: throughput, CPU, memory; and how late a record arrives."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING

from bench.contest import tell
from bench.delivery_contest import INSERT_ID, Way, ship
from bench.delivery_rows import (
    ENVELOPE,
    FIELDS,
    GCP,
    cpu_rows,
    latency_row,
    memory_rows,
    peer_rows,
    rate_rows,
)
from bench.formats import fill_journal
from bench.latency import FIFO, FILE, latency
from bench.peers import SYSLOG_NG, can_send_http, find_peer, how_to_get

if TYPE_CHECKING:
    from bench.delivery_rows import Results
    from bench.openbao import Served
    from bench.size import Size
    from bench.table import Row

PEER_WORKERS = (1, 2)  # its default, and one for each of two cores
OURS = (
    Way(ENVELOPE, {"type": "http"}),
    Way(FIELDS, {"type": "http", "select": {"operations": ["read"]}}),  # what every record of the writer has
    Way(
        GCP,
        {"type": "gcp", "auth": "none", "project": "bench", "retention": "3650d"},
        address="endpoint",
        marker=INSERT_ID,
    ),
)
LATENCY_ROUNDS_MAX = 3


def _peers() -> list[Way]:
    """Return the peers that can be measured here; say why one is missing."""
    peer = find_peer(SYSLOG_NG)
    if peer is None or not can_send_http(peer):
        tell(f"{SYSLOG_NG} is left out: it, or its HTTP module, is not here. To have it: {how_to_get(SYSLOG_NG)}")
        return []
    return [Way(f"{SYSLOG_NG}, {count} worker{'s' * (count > 1)}", peer=peer, workers=count) for count in PEER_WORKERS]


def _contest(ways: list[Way], records: int, rounds: int) -> Results:
    """Let each way deliver one journal, in turn. Raises RuntimeError where something of ours is missing."""
    results: Results = {way.name: [] for way in ways}
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    try:
        journal = fill_journal(directory, records)
        for number in range(1, rounds + 1):
            for way in ways:
                one = ship(way, journal, records)
                if one.fault and way.peer is None:
                    raise RuntimeError(f"{way.name}: {one.fault}")
                results[way.name].append(one)
                tell(
                    f"delivery, {way.name}, round {number} of {rounds}: {one.records_per_second:,.0f} records/s, "
                    f"{one.cpu_per_million:.2f} s of CPU a million, {one.peak_rss_bytes / 1e6:.1f} MB {one.fault}"
                )
    finally:
        shutil.rmtree(directory)
    return results


def _latencies(ways: dict[str, Way], size: Size) -> list[Row]:
    results: dict[str, list[Served]] = {name: [] for name in ways}
    rounds = min(size.pairs, LATENCY_ROUNDS_MAX)
    for number in range(1, rounds + 1):
        for name, way in ways.items():
            one = latency(name, way, size.paced)
            results[name].append(one)
            tell(f"latency, {name}, round {number} of {rounds}: p99 {1000 * one.p99_seconds:.1f} ms")
    return [latency_row(name, size.paced.name, found, ours=ways[name].peer is None) for name, found in results.items()]


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's rows."""
    peers = _peers()
    results = _contest([*OURS, *peers], size.delivery_records, size.pairs)
    late = {FIFO: OURS[0], FILE: OURS[0]} | ({SYSLOG_NG: peers[0]} if peers else {})
    return [
        *rate_rows(results),
        *cpu_rows(results),
        *peer_rows(results, [way.name for way in peers]),
        *memory_rows(results),
        *_latencies(late, size),
    ]
