from __future__ import annotations

from bench.file_result import Copy, Followed
from bench.file_rows import cpu_rows, faster, memory_row, reclaim_row, throughput_rows

WHOLE = Copy(10, 10, identical=True)
LOSSY = Copy(7, 10, identical=False)


def followed(rate: float, cpu: dict[str, float], copy: Copy = WHOLE, pss: int = 0, real: int = 0) -> Followed:
    """Return a result of one gigabyte at so many MB/s."""
    return Followed(1_000_000_000, 1000 / rate, cpu, pss, copy, real)


OURS = followed(600, {"capture": 0.25, "ship": 0.25, "keep": 1.5}, pss=50_000_000)
RESULTS = {
    "tail": [followed(1200, {"tail": 1.0})],
    "a": [followed(200, {"a": 5.0}, pss=9_000_000)],
    "b": [followed(100, {"b": 4.0})],
    "sidecar": [OURS],
    "sidecar, punch": [followed(594, OURS.cpu_seconds, pss=51_500_000, real=8_000_000)],
}


def test_the_faster_of_those_that_lost_nothing() -> None:
    """A program that loses lines is no measure, however fast it is."""
    assert "a" == faster(RESULTS, ("a", "b", "missing"))
    assert "b" == faster({**RESULTS, "a": [followed(200, {"a": 5.0}, LOSSY)]}, ("a", "b"))
    assert faster({**RESULTS}, ("missing",)) is None


def test_throughput_against_the_faster_syslog_and_tail() -> None:
    """The aim is against the faster syslog; the row of tail has none."""
    rows = throughput_rows("full", RESULTS, "sidecar", ("a", "b"), "tail")
    assert [
        ("file, full: throughput, sidecar ÷ a", 3.0, "met"),
        ("file, full: throughput, sidecar ÷ tail", 0.5, ""),
    ] == [(row.what, round(row.value, 6), row.verdict) for row in rows]


def test_a_loss_is_told_in_the_row() -> None:
    """The figures of a peer whose copy is not whole say so."""
    lossy = {**RESULTS, "b": [followed(100, {"b": 4.0}, LOSSY)]}
    row = throughput_rows("full", lossy, "sidecar", ("a", "b"), "tail")[0]
    assert "b 100 MB/s (lost 3 of 10 lines)" in row.figures


def test_without_a_syslog_there_is_only_tail() -> None:
    """Nothing is aimed at where nothing is there to compare with."""
    results = {name: RESULTS[name] for name in ("tail", "sidecar")}
    assert [""] == [row.verdict for row in throughput_rows("full", results, "sidecar", ("a", "b"), "tail")]


def test_the_median_of_the_rounds_ratios() -> None:
    """Each round is compared within itself."""
    ours = [followed(rate, {"capture": 1}) for rate in (100, 900, 300)]
    theirs = [followed(rate, {"a": 1}) for rate in (100, 100, 100)]
    assert 3.0 == round(throughput_rows("x", {"a": theirs, "s": ours}, "s", ("a",), "tail")[0].value, 6)


def test_cpu_for_a_gigabyte() -> None:
    """Against the faster syslog it is judged, for all our processes and for the byte path; the others are told."""
    rows = cpu_rows("full", RESULTS, "sidecar", ("capture", "ship"), "a")
    assert [
        ("file, full: CPU for a GB, all of sidecar ÷ tail", 2.0, ""),
        ("file, full: CPU for a GB, all of sidecar ÷ a", 0.4, "met"),
        ("file, full: CPU for a GB, capture + ship ÷ a", 0.1, "met"),
        ("file, full: CPU for a GB, all of sidecar ÷ b", 0.5, ""),
    ] == [(row.what, round(row.value, 6), row.verdict) for row in rows]
    assert "sidecar 2.00 s/GB (capture 0.25, ship 0.25, keep 1.50)" in rows[0].figures


def test_the_most_memory_under_any_load() -> None:
    """The largest of ours is judged; the figures have everybody's."""
    row = memory_row([RESULTS, {"sidecar": [followed(1, {}, pss=60_100_000)]}], ("sidecar", "sidecar, punch"))
    assert (60.1, "MISSED") == (row.value, row.verdict)
    assert "a 9.0 MB" in row.figures


def test_what_reclaim_costs() -> None:
    """Throughput with reclaim, divided by that without; the figures say what the file took at the end."""
    row = reclaim_row("full", RESULTS, "sidecar", "sidecar, punch")
    assert (0.99, "met") == (round(row.value, 6), row.verdict)
    assert row.figures.endswith("the file took 8.0 MB at the end")


def test_how_far_the_rounds_lie_apart() -> None:
    """The figures of a ratio of rates begin with its range, so that a median of noise is seen for what it is."""
    pair = {
        "none": [followed(rate, {"capture": 1}) for rate in (400, 1000, 500)],
        "punch": [followed(rate, {"capture": 1}) for rate in (800, 900, 500)],
    }
    assert reclaim_row("full", pair, "none", "punch").figures.startswith("by round 0.90 to 2.00; ")
    rows = throughput_rows("full", pair, "punch", ("none",), "none")
    assert ["by round 0.90 to 2.00", "by round 0.90 to 2.00"] == [row.figures.partition(";")[0] for row in rows]
