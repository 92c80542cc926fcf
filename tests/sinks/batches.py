"""Batches as the pump makes them, for the tests of the sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.sinks.base import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from standpipe.records.framing import Record
    from standpipe.sinks.base import Sink


def batch_of(sink: Sink, records: Iterable[Record]) -> Batch:
    """Return a batch of records, encoded, all of whose predecessors were sent."""
    batch = Batch([], [], [])
    for record in records:
        encoded = sink.encode(record, record.offset)
        for payload in (encoded,) if isinstance(encoded, bytes) else encoded:
            batch.records.append(record)
            batch.payloads.append(payload)
            batch.afters.append(record.offset)
    return batch
