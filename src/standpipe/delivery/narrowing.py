"""What a person wants a batch to be, within what the destination takes. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from standpipe.config_sinks import BatchConfig
    from standpipe.sinks.base import Limits


def narrowed(limits: Limits, wish: BatchConfig) -> Limits:
    """Return a sink's limits with those of the config where they are narrower; how long to linger is free."""
    return replace(
        limits,
        batch_bytes=_least(limits.batch_bytes, wish.size_bytes),
        batch_records=_least(limits.batch_records, wish.records),
        in_flight=_least(limits.in_flight, wish.in_flight),
        linger_seconds=limits.linger_seconds if wish.age_seconds is None else wish.age_seconds,
    )


def _least(limit: int, wish: int | None) -> int:
    return limit if wish is None else max(1, min(limit, wish))
