"""Medians of several results as words for the table. Pure."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.contest import Result


def median_rate(results: list[Result]) -> str:
    """Return the median throughput."""
    return f"{median(result.records_per_second for result in results):,.0f} records/s"


def milliseconds(values: list[dict[str, float]]) -> str:
    """Return the median of each role, in milliseconds."""
    return ", ".join(f"{role} {1000 * median(value[role] for value in values):,.0f} ms" for role in values[0])


def cpu_text(results: list[Result]) -> str:
    """Return the median CPU time of each process during the load."""
    return milliseconds([result.cpu_seconds for result in results])


def megabytes(values: dict[str, int]) -> str:
    """Return bytes by role in MB."""
    return ", ".join(f"{role} {value / 1e6:.1f} MB" for role, value in values.items())


def rss_text(results: list[Result]) -> str:
    """Return the largest peak RSS of each process."""
    roles = results[0].peak_rss_bytes
    return megabytes({role: max(result.peak_rss_bytes[role] for result in results) for role in roles})
