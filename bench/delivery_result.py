"""What one sender did with a journal. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Shipped:
    """What one sender did: seconds from the server's first byte to its last, the sender's CPU meanwhile, its memory."""

    records: int
    records_due: int
    requests: int
    body_bytes: int
    seconds: float
    cpu_seconds: float
    receiver_cpu_seconds: float
    peak_rss_bytes: int

    @property
    def records_per_second(self) -> float:
        """Return the throughput."""
        return self.records / self.seconds

    @property
    def cpu_per_million(self) -> float:
        """Return the sender's CPU seconds for a million records."""
        return self.cpu_seconds / (self.records / MILLION)

    @property
    def receiver_cpu_per_million(self) -> float:
        """Return the server's CPU seconds for a million records."""
        return self.receiver_cpu_seconds / (self.records / MILLION)

    @property
    def fault(self) -> str:
        """Return what is wrong with what came, "" where nothing is."""
        if self.records < self.records_due:
            return f"lost {self.records_due - self.records:,} of {self.records_due:,} records"
        if self.records > self.records_due:
            return f"sent {self.records - self.records_due:,} records more than {self.records_due:,}"
        return ""
