"""`standpipe relay` beside `cat <>`, FIFO to pipe: how much goes through, and what the same load costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contest import PIPE, measure_pairs
from bench.processes import RELAY
from bench.report import cpu_text, median_rate, rss_text
from bench.table import AT_LEAST, AT_MOST, Aim, Row

if TYPE_CHECKING:
    from bench.size import Size

THROUGHPUT_AIM = Aim(AT_LEAST, 1.0)
CPU_AIM = Aim(AT_MOST, 0.5)


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's rows."""
    full = measure_pairs(RELAY, PIPE, size.saturated, size.pairs)
    paced = measure_pairs(RELAY, PIPE, size.paced, size.pairs)
    return [
        Row(
            "relay to a pipe, saturated: throughput, relay ÷ cat",
            full.ratio(lambda ours: ours.records_per_second, lambda cat: cat.records_per_second),
            "×",
            f"relay {median_rate(full.ours)}, cat {median_rate(full.cat)}",
            THROUGHPUT_AIM,
        ),
        Row(
            "relay to a pipe, saturated: CPU, relay ÷ cat",
            full.ratio(lambda ours: ours.cpu(), lambda cat: cat.cpu()),
            "×",
            f"{cpu_text(full.ours)}; {cpu_text(full.cat)}",
        ),
        Row(
            f"relay to a pipe, {size.paced.name}: CPU, relay ÷ cat",
            paced.ratio(lambda ours: ours.cpu(), lambda cat: cat.cpu()),
            "×",
            f"{cpu_text(paced.ours)}; {cpu_text(paced.cat)}",
            CPU_AIM,
        ),
        Row(
            "relay: peak RSS",
            max(result.peak_rss_bytes["relay"] for result in full.ours) / 1e6,
            "MB",
            rss_text(full.cat),
            digits=1,
        ),
    ]
