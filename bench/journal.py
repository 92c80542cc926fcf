"""`standpipe run`, journal and all, beside `cat <>`: to a pipe and to a file, saturated and paced; and its memory."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.contest import FILE, PIPE, measure_pairs
from bench.processes import CAPTURE, RUN, SHIP
from bench.report import cpu_text, median_rate, megabytes, milliseconds
from bench.table import AT_LEAST, AT_MOST, Aim, Row

if TYPE_CHECKING:
    from bench.contest import Pairs
    from bench.size import Size

THROUGHPUT_AIM = Aim(AT_LEAST, 0.5)
CPU_AIM = Aim(AT_MOST, 1.0)
CAPTURE_RSS_AIM = Aim(AT_MOST, 12.0)
RUN_PSS_AIM = Aim(AT_MOST, 70.0)


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's rows."""
    result: list[Row] = []
    loaded: list[Pairs] = []
    for output in (PIPE, FILE):
        full = measure_pairs(RUN, output, size.saturated, size.pairs)
        paced = measure_pairs(RUN, output, size.paced, size.pairs)
        loaded += [full, paced]
        result += [_throughput(full, output), *_cpu(paced, output, size.paced.name)]
    return [*result, *_memory(loaded)]


def _throughput(full: Pairs, output: str) -> Row:
    return Row(
        f"run to a {output}, saturated: throughput, run ÷ cat",
        full.ratio(lambda ours: ours.records_per_second, lambda cat: cat.records_per_second),
        "×",
        f"run {median_rate(full.ours)} ({cpu_text(full.ours)}), cat {median_rate(full.cat)} ({cpu_text(full.cat)})",
        THROUGHPUT_AIM,
    )


def _cpu(paced: Pairs, output: str, load: str) -> list[Row]:
    return [
        Row(
            f"run to a {output}, {load}: CPU, capture + ship ÷ cat",
            paced.ratio(lambda ours: ours.cpu(CAPTURE, SHIP), lambda cat: cat.cpu()),
            "×",
            f"{cpu_text(paced.ours)}; {cpu_text(paced.cat)}",
            CPU_AIM,
        ),
        Row(
            f"run to a {output}, {load}: CPU, all four processes ÷ cat",
            paced.ratio(lambda ours: ours.cpu(), lambda cat: cat.cpu()),
            "×",
            "as above; keep digests and compresses",
        ),
    ]


def _memory(loaded: list[Pairs]) -> list[Row]:
    results = [result for pairs in loaded for result in pairs.ours]
    capture = max(result.peak_rss_bytes[CAPTURE] for result in results)
    largest = max(results, key=lambda result: sum(result.pss_bytes.values()))
    peaks = {role: max(result.peak_rss_bytes[role] for result in results) for role in largest.pss_bytes}
    starts = [result.start_cpu_seconds for result in results]
    return [
        Row("capture: peak RSS", capture / 1e6, "MB", megabytes(peaks), CAPTURE_RSS_AIM, digits=1),
        Row(
            "run: PSS of all processes after the load",
            sum(largest.pss_bytes.values()) / 1e6,
            "MB",
            megabytes(largest.pss_bytes),
            RUN_PSS_AIM,
            digits=1,
        ),
        Row(
            "run: CPU until it is ready, once",
            1000 * median(sum(start.values()) for start in starts),
            "ms",
            milliseconds(starts),
            digits=0,
        ),
    ]
