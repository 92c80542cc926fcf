"""How much is measured: every load is bounded in count and in time."""

from __future__ import annotations

from dataclasses import dataclass

from bench.contest import Load

PACED_RATE_PER_SECOND = 5000.0
SATURATED_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """Counts and durations of one run of the benchmark."""

    pairs: int
    saturated_records: int
    paced_seconds: float
    request_seconds: float
    stall_seconds: float
    starts: int
    format_records: int
    delivery_records: int
    backlog_records: int
    file_rounds: int
    verify_pairs: int
    query_records: int
    export_records: int

    @property
    def saturated(self) -> Load:
        """As many records as are taken."""
        return Load(self.saturated_records, 0, SATURATED_SECONDS_MAX)

    @property
    def paced(self) -> Load:
        """A busy Vault: 2,500 requests a second."""
        records = round(PACED_RATE_PER_SECOND * self.paced_seconds)
        return Load(records, PACED_RATE_PER_SECOND, 2 * self.paced_seconds)


FULL = Size(
    pairs=5,
    saturated_records=300_000,
    paced_seconds=8,
    request_seconds=5,
    stall_seconds=5,
    starts=11,
    format_records=200_000,
    delivery_records=400_000,
    backlog_records=500_000,
    file_rounds=3,
    verify_pairs=250_000,
    query_records=1_000_000,
    export_records=10_000_000,
)
QUICK = Size(
    pairs=2,
    saturated_records=100_000,
    paced_seconds=2,
    request_seconds=1.5,
    stall_seconds=1.5,
    starts=3,
    format_records=20_000,
    delivery_records=100_000,
    backlog_records=150_000,
    file_rounds=1,
    verify_pairs=100_000,
    query_records=100_000,
    export_records=200_000,
)
