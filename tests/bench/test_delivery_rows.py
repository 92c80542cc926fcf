from __future__ import annotations

from bench.delivery_result import Shipped
from bench.delivery_rows import (
    ENVELOPE,
    FIELDS,
    GCP,
    cpu_rows,
    faster,
    latency_row,
    memory_rows,
    peer_rows,
    rate_rows,
)
from bench.openbao import Served


def shipped(rate: float, cpu: float, *, records: int = 1_000_000, rss: int = 0) -> Shipped:
    """Return a result of so many records a second, with so many CPU seconds."""
    return Shipped(records, 1_000_000, 2000, records * 1900, records / rate, cpu, 0.5, rss)


RESULTS = {
    ENVELOPE: [shipped(300_000, 4.0, rss=44_000_000)],
    FIELDS: [shipped(149_000, 6.0, rss=45_100_000)],
    GCP: [shipped(40_000, 20.0, rss=60_000_000)],
    "a": [shipped(100_000, 2.0, rss=9_000_000)],
    "b": [shipped(150_000, 5.0)],
}


def test_rates_are_judged_each_by_its_own_aim() -> None:
    """The envelope alone must be faster than parsed fields; nothing is aimed at for gcp."""
    assert [
        (f"{ENVELOPE}: throughput", 300_000, "met"),
        (f"{FIELDS}: throughput", 149_000, "MISSED"),
        (f"{GCP}: throughput", 40_000, ""),
    ] == [(row.what, round(row.value), row.verdict) for row in rate_rows(RESULTS)]


def test_a_rate_is_told_with_its_rounds_and_the_size_of_requests() -> None:
    """A median of noise is seen for what it is."""
    rounds = {**RESULTS, ENVELOPE: [shipped(rate, 4.0) for rate in (100_000, 300_000, 200_000)]}
    row = rate_rows(rounds)[0]
    assert (200_000, "by round 100,000 to 300,000; 500 records a request") == (round(row.value), row.figures)


def test_cpu_for_a_million_records() -> None:
    """It is the sender's alone; the server's is told beside it."""
    half = {**RESULTS, ENVELOPE: [shipped(300_000, 2.0, records=500_000)]}
    row = cpu_rows(half)[0]
    assert (4.0, "the server 1.00 s more") == (row.value, row.figures)


def test_the_faster_peer_that_lost_nothing() -> None:
    """Whoever loses records is no measure, however fast."""
    assert "b" == faster(RESULTS, ("a", "b", "missing"))
    assert "a" == faster({**RESULTS, "b": [shipped(150_000, 1.0, records=999_999)]}, ("a", "b"))
    assert faster(RESULTS, ("missing",)) is None


def test_ratios_are_against_the_faster_peer() -> None:
    """Throughput and CPU, for each of our two ways; the figures have every peer."""
    rows = peer_rows(RESULTS, ("a", "b"))
    assert [
        (f"{ENVELOPE}: throughput, ÷ b", 2.0),
        (f"{ENVELOPE}: CPU for a record, ÷ b", 0.8),
        (f"{FIELDS}: throughput, ÷ b", 0.99),
        (f"{FIELDS}: CPU for a record, ÷ b", 1.2),
    ] == [(row.what, round(row.value, 2)) for row in rows]
    assert "a 100,000 records/s, b 150,000 records/s" in rows[0].figures
    assert "b 5.00 s (server 0.50 s)" in rows[1].figures


def test_the_median_of_the_rounds_ratios() -> None:
    """Each round is compared within itself."""
    rounds = {
        ENVELOPE: [shipped(rate, 1.0) for rate in (100_000, 900_000, 300_000)],
        FIELDS: [shipped(100_000, 1.0)] * 3,
        "a": [shipped(100_000, 1.0)] * 3,
    }
    assert 3.0 == round(peer_rows(rounds, ("a",))[0].value, 6)


def test_a_loss_is_told() -> None:
    """The figures of a peer that lost records say so."""
    lossy = {**RESULTS, "a": [shipped(100_000, 2.0, records=999_000)]}
    assert "a 100,000 records/s (lost 1,000 of 1,000,000 records)" in peer_rows(lossy, ("a", "b"))[0].figures


def test_records_too_many_are_a_fault() -> None:
    """What is sent twice is told as well."""
    assert "sent 1 records more than 1,000,000" == shipped(1.0, 1.0, records=1_000_001).fault
    assert not shipped(1.0, 1.0).fault


def test_without_a_peer_nothing_is_compared() -> None:
    """Only our own rows remain."""
    assert [] == peer_rows(RESULTS, ())


def test_memory_is_judged_for_each_of_ours() -> None:
    """The peak of all rounds; the figures have the peers'."""
    rows = memory_rows({**RESULTS, GCP: [shipped(1, 1, rss=90_100_000), shipped(1, 1, rss=60_000_000)]})
    assert [(44.0, "met"), (45.1, "MISSED"), (90.1, "MISSED")] == [(row.value, row.verdict) for row in rows]
    assert "a 9.0 MB" in rows[0].figures


def test_latency() -> None:
    """The median round's p99 is judged, in milliseconds, and a peer's is told without a verdict."""
    rounds = [Served(5000, 0.04, p99, longest) for p99, longest in ((0.2, 0.3), (0.09, 0.1), (0.08, 0.1))]
    row = latency_row("run", "5,000 records/s", rounds, ours=True)
    assert (90.0, "met", "p50 40 ms, longest 300 ms") == (row.value, row.verdict, row.figures)
    assert not latency_row("a", "5,000 records/s", rounds, ours=False).verdict
