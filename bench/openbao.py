"""A real OpenBao: requests a second and latency with its file device on disk, a sidecar beside it, and with FIFOs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING

from bench.contest import tell
from bench.follower import SIDECAR, SIDECAR_PUNCH
from bench.processes import CAT, RELAY, RUN
from bench.server import DIRECT, answers_of, serving, start_client
from bench.table import AT_LEAST, Aim, Row

if TYPE_CHECKING:
    from bench.size import Size

REQUESTS_AIM = Aim(AT_LEAST, 0.97)
WARM_UP_SECONDS = 1.0
WAYS = (DIRECT, SIDECAR, SIDECAR_PUNCH, CAT, RELAY, RUN)


@dataclass(frozen=True, slots=True)
class Served:
    """What clients saw of one server."""

    requests_per_second: float
    p50_seconds: float
    p99_seconds: float
    max_seconds: float


def summary(latencies: list[float], seconds: float) -> Served:
    """Sum up the latencies of all requests that were answered within so many seconds."""
    percentiles = quantiles(latencies, n=100)
    return Served(len(latencies) / seconds, percentiles[49], percentiles[98], max(latencies))


def _serve(way: str, seconds: float) -> Served:
    """Load one fresh server; what the first second brings does not count."""
    with serving(way) as (port, _):
        answers = answers_of(start_client(port, WARM_UP_SECONDS + seconds), seconds)
    end = answers[-1][0]
    return summary([took for at, took in answers if at > end - seconds], seconds)


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's rows."""
    results: dict[str, list[Served]] = {way: [] for way in WAYS}
    for number in range(1, size.pairs + 1):
        for way in WAYS:
            one = _serve(way, size.request_seconds)
            results[way].append(one)
            tell(f"OpenBao, {way}, round {number} of {size.pairs}: {one.requests_per_second:,.0f} requests/s")
    return [
        *(_row(way, results[way], results[DIRECT]) for way in WAYS if way != DIRECT),
        *(_latency(way, results[way], results[DIRECT]) for way in (SIDECAR, SIDECAR_PUNCH)),
    ]


def _row(way: str, ours: list[Served], direct: list[Served]) -> Row:
    return Row(
        f"OpenBao with {way}: requests/s, ÷ its file device",
        median(one.requests_per_second / other.requests_per_second for one, other in zip(ours, direct, strict=True)),
        "×",
        f"{way} {_figures(ours)}; {DIRECT} {_figures(direct)}",
        None if way == CAT else REQUESTS_AIM,
    )


def _latency(way: str, ours: list[Served], direct: list[Served]) -> Row:
    return Row(
        f"OpenBao with {way}: p99 latency, ÷ its file device alone",
        median(one.p99_seconds / other.p99_seconds for one, other in zip(ours, direct, strict=True)),
        "×",
        f"{way} {_milliseconds(ours)}; {DIRECT} {_milliseconds(direct)}",
    )


def _milliseconds(results: list[Served]) -> str:
    p50, p99 = (1000 * median(getattr(one, f"{name}_seconds") for one in results) for name in ("p50", "p99"))
    longest = 1000 * max(one.max_seconds for one in results)
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, longest {longest:.1f} ms"


def _figures(results: list[Served]) -> str:
    rate = median(one.requests_per_second for one in results)
    p99 = 1000 * median(one.p99_seconds for one in results)
    return f"{rate:,.0f} requests/s, p99 {p99:.1f} ms"
