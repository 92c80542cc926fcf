"""A real OpenBao while nobody reads stdout, and whether its clients notice."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from bench.contest import tell
from bench.openbao import WARM_UP_SECONDS, Served, summary
from bench.processes import CAT, RUN
from bench.server import answers_of, serving, start_client
from bench.table import Row

if TYPE_CHECKING:
    from bench.server import Answers
    from bench.size import Size

ROUNDS_MAX = 3
EDGE_SECONDS = 0.5  # after stdout has stalled: what was already in the pipes is not the point
TOO_FEW = 10  # answers, of which no percentile can be told


def _between(answers: Answers, began: float, ended: float) -> Served | None:
    """Sum up the answers of a phase, None where there are hardly any."""
    latencies = [took for at, took in answers if began <= at < ended]
    return summary(latencies, ended - began) if len(latencies) > TOO_FEW else None


def _stall(way: str, seconds: float) -> tuple[Served, Served | None]:
    """Return what clients saw in a calm phase, and then while stdout was stalled."""
    with serving(way) as (port, stdout):
        total_seconds = WARM_UP_SECONDS + 2 * seconds + EDGE_SECONDS
        client = start_client(port, total_seconds)
        try:
            time.sleep(WARM_UP_SECONDS + seconds)
            stalled_at = time.monotonic()
            stdout.stall()
            time.sleep(EDGE_SECONDS + seconds)
            flowing_at = time.monotonic()
        finally:
            stdout.flow()
            answers = answers_of(client, total_seconds)
    calm = _between(answers, stalled_at - seconds, stalled_at)
    if calm is None:
        raise RuntimeError(f"OpenBao with {way} answered hardly anything before stdout stalled")
    return calm, _between(answers, stalled_at + EDGE_SECONDS, flowing_at)


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's rows."""
    rounds = min(size.pairs, ROUNDS_MAX)
    results: dict[str, list[tuple[Served, Served | None]]] = {CAT: [], RUN: []}
    for number in range(1, rounds + 1):
        for way, phases in results.items():
            phases.append(_stall(way, size.stall_seconds))
            stalled = phases[-1][1]
            rate = stalled.requests_per_second if stalled else 0
            tell(f"stalled stdout, {way}, round {number} of {rounds}: {rate:,.0f} requests/s meanwhile")
    return [_rate(way, phases) for way, phases in results.items()] + _latency(results[RUN])


def _rate(way: str, phases: list[tuple[Served, Served | None]]) -> Row:
    calm = median(one.requests_per_second for one, _ in phases)
    stalled = median(one.requests_per_second if one else 0.0 for _, one in phases)
    return Row(
        f"OpenBao with {way}, stdout stalled: requests/s, ÷ calm",
        median((after.requests_per_second if after else 0.0) / before.requests_per_second for before, after in phases),
        "×",
        f"calm {calm:,.0f} requests/s, stalled {stalled:,.0f} requests/s",
    )


def _latency(phases: list[tuple[Served, Served | None]]) -> list[Row]:
    both = [(before, after) for before, after in phases if after]
    if not both:
        return []
    longest = 1000 * max(after.max_seconds for _, after in both)
    calm, stalled = (
        ", ".join(
            f"{name} {1000 * median(getattr(one[index], f'{name}_seconds') for one in both):.2f} ms"
            for name in ("p50", "p99")
        )
        for index in (0, 1)
    )
    return [
        Row(
            f"OpenBao with {RUN}, stdout stalled: p99 latency, ÷ calm",
            median(after.p99_seconds / before.p99_seconds for before, after in both),
            "×",
            f"calm {calm}; stalled {stalled}, longest {longest:.1f} ms",
        )
    ]
