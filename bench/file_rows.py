"""From the results of the contest of file followers to rows of the table. Pure."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.file_result import GIGABYTE
from bench.table import AT_LEAST, AT_MOST, Aim, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.file_result import Followed

THROUGHPUT_AIM = Aim(AT_LEAST, 3.0)
CPU_AIM = Aim(AT_MOST, 0.4)
MEMORY_AIM = Aim(AT_MOST, 60.0)
RECLAIM_AIM = Aim(AT_LEAST, 0.97)

SIDECAR = "sidecar"  # what the names of all our ways begin with

Results = dict[str, list["Followed"]]  # by way, one a round


def _rate(one: Followed) -> float:
    return one.bytes_per_second


def throughput_text(way: str, results: list[Followed]) -> str:
    """Return a way's median throughput, and its fault where a copy was not whole."""
    rate = median(one.bytes_per_second for one in results) / 1e6
    return f"{way} {rate:,.0f} MB/s{fault_text(results)}"


def cpu_text(way: str, results: list[Followed]) -> str:
    """Return a way's median CPU seconds for a gigabyte; of several processes each is named."""
    total = median(one.cpu_per_gigabyte() for one in results)
    roles = list(results[0].cpu_seconds)
    each = ", ".join(f"{role} {median(one.cpu_per_gigabyte(role) for one in results):.2f}" for role in roles)
    return f"{way} {total:.2f} s/GB{f' ({each})' if len(roles) > 1 else ''}{fault_text(results)}"


def fault_text(results: Iterable[Followed]) -> str:
    """Return what was wrong with copies, in brackets, "" where all were whole."""
    faults = sorted({one.copy.fault for one in results} - {""})
    return f" ({'; '.join(faults)})" if faults else ""


def faster(results: Results, ways: Iterable[str]) -> str | None:
    """Return which of some ways copied fastest, of those whose copies were all whole; None where there is none."""
    whole = [way for way in ways if results.get(way) and not fault_text(results[way])]
    return max(whole, key=lambda way: median(one.bytes_per_second for one in results[way]), default=None)


def ratio(ours: list[Followed], theirs: list[Followed], value: Callable[[Followed], float]) -> float:
    """Return the median of ours / theirs over the rounds."""
    return median(value(one) / value(other) for one, other in zip(ours, theirs, strict=True))


def rounds_text(ours: list[Followed], theirs: list[Followed], value: Callable[[Followed], float]) -> str:
    """Return the smallest and the largest ratio of the rounds: where they lie far apart, the median decides nothing."""
    each = [value(one) / value(other) for one, other in zip(ours, theirs, strict=True)]
    return f"by round {min(each):.2f} to {max(each):.2f}"


def throughput_rows(load: str, results: Results, ours: str, syslogs: Iterable[str], plain: str) -> list[Row]:
    """Compare our throughput with the faster syslog's and with tail's."""
    figures = ", ".join(throughput_text(way, found) for way, found in results.items())
    result = []
    for other, aim in ((faster(results, syslogs), THROUGHPUT_AIM), (plain, None)):
        if other in results:
            value = ratio(results[ours], results[other], _rate)
            spread = rounds_text(results[ours], results[other], _rate)
            result.append(Row(f"file, {load}: throughput, sidecar ÷ {other}", value, "×", f"{spread}; {figures}", aim))
            figures = "else as above"
    return result


def cpu_rows(load: str, results: Results, ours: str, byte_path: tuple[str, ...], fastest: str | None) -> list[Row]:
    """Compare our CPU for a gigabyte with each whole other one's; what is aimed at is against the fastest syslog.

    Twice against that one: all our processes, and those of the byte path alone.
    """
    figures = "; ".join(cpu_text(way, found) for way, found in results.items())
    result: list[Row] = []
    for other in results:
        if other.startswith(SIDECAR) or fault_text(results[other]):
            continue
        for roles in ((), byte_path) if other == fastest else ((),):
            value = median(
                one.cpu_per_gigabyte(*roles) / his.cpu_per_gigabyte()
                for one, his in zip(results[ours], results[other], strict=True)
            )
            who = " + ".join(roles) or "all of sidecar"
            aim = CPU_AIM if other == fastest else None
            result.append(Row(f"file, {load}: CPU for a GB, {who} ÷ {other}", value, "×", figures, aim))
            figures = "as above"
    return result


def memory_row(all_results: list[Results], ways: Iterable[str]) -> Row:
    """Return the most memory that our processes had together under any load, beside the others' most."""
    peaks: dict[str, float] = {}
    for results in all_results:
        for way, found in results.items():
            peaks[way] = max(peaks.get(way, 0), max(one.pss_bytes for one in found) / 1e6)
    largest = max(one.source_bytes for results in all_results for found in results.values() for one in found)
    figures = ", ".join(f"{way} {peak:.1f} MB" for way, peak in peaks.items())
    return Row(
        "file: sidecar's largest PSS, all processes",
        max(peaks[way] for way in ways),
        "MB",
        f"{figures}; files of up to {largest / GIGABYTE:.2f} GB",
        MEMORY_AIM,
        digits=1,
    )


def reclaim_row(load: str, results: Results, without: str, reclaiming: str) -> Row:
    """Compare our throughput with reclaim and without."""
    left = max(one.source_real_bytes for one in results[reclaiming]) / 1e6
    return Row(
        f"file, {load}: throughput, with reclaim ÷ without",
        ratio(results[reclaiming], results[without], _rate),
        "×",
        f"{rounds_text(results[reclaiming], results[without], _rate)}; "
        f"{throughput_text(reclaiming, results[reclaiming])}, {throughput_text(without, results[without])}; "
        f"the file took {left:.1f} MB at the end",
        RECLAIM_AIM,
    )
