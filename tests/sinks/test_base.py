from __future__ import annotations

import pytest

from standpipe.config_sinks import BatchConfig
from standpipe.sinks.base import Limits, wished

OWN = Limits(batch_bytes=1000, batch_records=100, linger_seconds=0.5, in_flight=4, record_overhead_bytes=7)


def test_no_wish_changes_nothing() -> None:
    """What the config leaves out is the type's own."""
    assert OWN == wished(OWN, BatchConfig())


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (BatchConfig(10, 9, 0.1, 2), Limits(10, 9, 0.1, 2, 7)),
        (BatchConfig(1500, 5000, 90.0, 50), Limits(1500, 5000, 90.0, 50, 7)),
        (BatchConfig(age_seconds=0.0), Limits(1000, 100, 0.0, 4, 7)),
    ],
)
def test_a_wish_replaces_what_the_type_does(wish: BatchConfig, expected: Limits) -> None:
    """Upwards as well as downwards, and each of them alone."""
    assert expected == wished(OWN, wish)


@pytest.mark.parametrize(("size_bytes", "expected"), [(None, 1000), (1999, 1999), (1 << 30, 2000)])
def test_the_destination_has_the_last_word(size_bytes: int | None, expected: int) -> None:
    """A batch is never larger than what the destination takes."""
    assert expected == wished(OWN, BatchConfig(size_bytes=size_bytes), bytes_max=2000).batch_bytes


@pytest.mark.parametrize(("size_bytes", "expected"), [(None, 990), (50, 40), (5, 1)])
def test_what_stands_around_the_payloads_counts(size_bytes: int | None, expected: int) -> None:
    """The wish is for all that is sent at once; a sink that has no room for it sends record by record."""
    assert expected == wished(OWN, BatchConfig(size_bytes=size_bytes), frame_bytes=10).batch_bytes


def test_order_is_kept_whatever_is_asked() -> None:
    """Two batches under way could arrive in another order."""
    assert 1 == wished(OWN, BatchConfig(in_flight=8), in_order=True).in_flight
