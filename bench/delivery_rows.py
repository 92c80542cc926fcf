"""From the results of the contest of senders to rows of the table. Pure."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.table import AT_LEAST, AT_MOST, Aim, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.delivery_result import Shipped
    from bench.openbao import Served

ENVELOPE, FIELDS, GCP = "ship, http", "ship, http, fields parsed", "ship, gcp"
RATE_AIMS = {ENVELOPE: Aim(AT_LEAST, 250_000), FIELDS: Aim(AT_LEAST, 150_000)}
MEMORY_AIMS = {ENVELOPE: Aim(AT_MOST, 45.0), FIELDS: Aim(AT_MOST, 45.0), GCP: Aim(AT_MOST, 90.0)}
LATENCY_AIM = Aim(AT_MOST, 100)

Results = dict[str, list["Shipped"]]  # by way, one a round


def _faults(results: Iterable[Shipped]) -> str:
    faults = sorted({one.fault for one in results} - {""})
    return f" ({'; '.join(faults)})" if faults else ""


def rate_text(way: str, results: list[Shipped]) -> str:
    """Return a way's median throughput, and its fault where something is missing."""
    return f"{way} {median(one.records_per_second for one in results):,.0f} records/s{_faults(results)}"


def cpu_text(way: str, results: list[Shipped]) -> str:
    """Return a way's median CPU for a million records, and the server's, which counts apart."""
    own = median(one.cpu_per_million for one in results)
    server = median(one.receiver_cpu_per_million for one in results)
    return f"{way} {own:.2f} s (server {server:.2f} s){_faults(results)}"


def rate_rows(results: Results) -> list[Row]:
    """Return the throughput of each of our ways, with the spread of its rounds."""
    rows = []
    for way in (ENVELOPE, FIELDS, GCP):
        rates = [one.records_per_second for one in results[way]]
        requests = median(one.records / one.requests for one in results[way])
        figures = f"by round {min(rates):,.0f} to {max(rates):,.0f}; {requests:,.0f} records a request"
        rows.append(Row(f"{way}: throughput", median(rates), "records/s", figures, RATE_AIMS.get(way), digits=0))
    return rows


def cpu_rows(results: Results) -> list[Row]:
    """Return the CPU for a million records of each of our ways."""
    return [
        Row(
            f"{way}: CPU for a million records",
            median(one.cpu_per_million for one in results[way]),
            "s",
            f"the server {median(one.receiver_cpu_per_million for one in results[way]):.2f} s more",
        )
        for way in (ENVELOPE, FIELDS, GCP)
    ]


def _ratio(ours: list[Shipped], theirs: list[Shipped], value: Callable[[Shipped], float]) -> float:
    return median(value(one) / value(other) for one, other in zip(ours, theirs, strict=True))


def faster(results: Results, peers: Iterable[str]) -> str | None:
    """Return the fastest of the peers that lost nothing; None where there is none."""
    whole = [peer for peer in peers if results.get(peer) and not _faults(results[peer])]
    return max(whole, key=lambda peer: median(one.records_per_second for one in results[peer]), default=None)


def peer_rows(results: Results, peers: Iterable[str]) -> list[Row]:
    """Compare our throughput and CPU, with envelope and with fields, with the faster peer's."""
    names = list(peers)
    other = faster(results, names)
    if other is None:
        return []
    rows = []
    for way in (ENVELOPE, FIELDS):
        shown = [(name, results[name]) for name in (way, *names)]
        rows += [
            Row(
                f"{way}: throughput, ÷ {other}",
                _ratio(results[way], results[other], lambda one: one.records_per_second),
                "×",
                ", ".join(rate_text(*one) for one in shown),
            ),
            Row(
                f"{way}: CPU for a record, ÷ {other}",
                _ratio(results[way], results[other], lambda one: one.cpu_per_million),
                "×",
                "a million records: " + ", ".join(cpu_text(*one) for one in shown),
            ),
        ]
    return rows


def memory_rows(results: Results) -> list[Row]:
    """Return the most memory of each of our ways, beside the peers' most."""
    peaks = {way: max(one.peak_rss_bytes for one in found) / 1e6 for way, found in results.items()}
    figures = ", ".join(f"{way} {peak:.1f} MB" for way, peak in peaks.items() if way not in MEMORY_AIMS)
    return [Row(f"{way}: peak RSS", peaks[way], "MB", figures, aim, digits=1) for way, aim in MEMORY_AIMS.items()]


def latency_row(name: str, rate: str, results: list[Served], *, ours: bool) -> Row:
    """Return how long a record took; p99 of the median round. Nothing is aimed at for a peer."""
    p50, p99 = (1000 * median(getattr(one, f"{key}_seconds") for one in results) for key in ("p50", "p99"))
    longest = 1000 * max(one.max_seconds for one in results)
    figures = f"p50 {p50:.0f} ms, longest {longest:.0f} ms"
    what = f"{name} to http, {rate}: p99 from write to receipt"
    return Row(what, p99, "ms", figures, LATENCY_AIM if ours else None, digits=0)
