"""`standpipe replay`: sends a stretch of the journal to one sink again, with the same ids; its cursor stays.

It works beside a running ship: what it sends are copies, and a destination that removes duplicates by id keeps one.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.config_sinks import OBJECTS, STDOUT
from standpipe.delivery.backoff import Backoff
from standpipe.delivery.batching import BATCH_BYTES_MAX
from standpipe.delivery.bounded import BoundedReader
from standpipe.delivery.edges import (
    end_of_selected_before,
    offset_at,
    parse_time,
    record_end,
    record_start,
    records_between,
)
from standpipe.delivery.feed import Feed
from standpipe.delivery.ledger import Ledger
from standpipe.delivery.progress import Progress
from standpipe.delivery.refusing import selection_of
from standpipe.delivery.stdout_lines import stdout_encoder
from standpipe.delivery.waiting import Waiting
from standpipe.errors import UsageError
from standpipe.journal import identity
from standpipe.journal.cursor import Cursor
from standpipe.journal.digest import record_time
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.sink_entries_store import read_entries
from standpipe.processes.delivery import STDOUT_LIMITS, Shared, make_pump, wanted
from standpipe.sinks.base import Context
from standpipe.sinks.registry import open_sink
from standpipe.sinks.stdout import STDOUT as STDOUT_DESCRIPTOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from standpipe.config import Config
    from standpipe.config_sinks import SinkConfig
    from standpipe.observe.log import Log


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was sent: records that begin in [start, end). lost_bytes: of these addresses, those that hold nothing.

    The other members as in a cursor.
    """

    start: int
    end: int
    delivered: int
    filtered: int
    dead_letters: int
    lost_bytes: int


class MemoryCursor:
    """A cursor that is forgotten; tells how far it is."""

    def __init__(self, state: Cursor, told: Callable[[Cursor], None]) -> None:
        self.state = state
        self._told = told

    def update(self, **changes: object) -> Cursor:
        """Note a new state."""
        members = {name: getattr(self.state, name) for name in Cursor.__slots__} | changes
        self.state = Cursor(**members)
        self._told(self.state)
        return self.state

    def close(self) -> None:
        """Do nothing: nobody goes on from here."""


class NoStates:
    """Nothing is told of a sink's state but what is logged: sinks.json is ship's."""

    def tell(self, name: str, state: str, why: str) -> None:
        """Do nothing."""

    def begin(self, name: str) -> None:
        """Do nothing."""


def run_replay(
    config: Config, sink: SinkConfig, start: str, end: str | None, log: Log, told: Callable[[int, int], None]
) -> Replayed:
    """Send again what begins in [start, end), each an offset or an RFC 3339 time; end None: the journal's end now.

    told: is given how many bytes are done, and how many there are. Raises StandpipeError or OSError.
    """
    layout = Layout(os.path.abspath(config.journal.path))
    journal = identity.read(layout)
    reader = JournalReader(layout)
    try:
        prefix = config.source.prefix.encode()
        first = record_start(reader, _offset(layout, reader, prefix, "--from", start), reader.base)
        last = reader.end if end is None else _offset(layout, reader, prefix, "--to", end)
        if last < first:
            raise UsageError(f"--to {end} is before --from {start}", "Give the earlier one as --from")
        last = record_end(reader, last, reader.end) if last > first else last
        if last == first:
            return Replayed(first, last, 0, 0, 0, 0)
        lost_bytes = _lost_bytes(reader, first, last)
        selection = selection_of(sink)
        after = end_of_selected_before(reader, first, reader.base, selection, prefix)
        began = _began(layout, sink.name)
        if began <= first:
            after = max(after, began)  # what was before is not what the sink got
        state = Cursor(first, after, sealed=first if sink.deliver_seals else None)
        cursor = MemoryCursor(state, lambda now: told(now.offset - first, last - first))
        shared = Shared(
            layout,
            Context(journal.journal_id, journal.node),
            prefix,
            config.journal.max_size_bytes,
            NoStates(),
            Ledger(layout.incidents),
            log,
            once=True,
            goes_on=lambda: True,  # half a record stays with the ship that will see its end
            on_end=lambda: None,
        )
        bounded = BoundedReader(reader, last)
        (_to_stdout if sink.type == STDOUT else _to_sink)(sink, shared, bounded, cursor)
        done = cursor.state
        lost_bytes = max(lost_bytes, bounded.lost_bytes)  # retention may have been faster
        return Replayed(first, last, done.delivered, done.filtered, done.dead_letters, lost_bytes)
    finally:
        reader.close()


def _lost_bytes(reader: JournalReader, first: int, last: int) -> int:
    """Return how many addresses of [first, last) hold nothing: gaps, dropped segments."""
    held = [segment for segment in reader.segments if segment.has_data]
    there = sum(max(0, min(segment.end, last) - max(segment.base, first)) for segment in held)
    return last - first - there


def _began(layout: Layout, name: str) -> int:
    """Return where ship began to deliver to a sink; 0 where it never did."""
    entry = (read_entries(layout.sinks) or {}).get(name)
    return 0 if entry is None else entry.start


def _offset(layout: Layout, reader: JournalReader, prefix: bytes, option: str, text: str) -> int:
    """Return the offset that a person named. Raises UsageError."""
    if text.isascii() and text.isdigit():
        offset = int(text)
        base, end = reader.base, reader.end
        if not base <= offset <= end:
            raise UsageError(
                f"{option} {text} is not in the journal, which holds [{base}, {end})",
                "Records that retention has removed are only in the archive, if there is one",
            )
        return offset
    moment = parse_time(text)
    if moment is None:
        raise UsageError(f"{option} {text!r} is neither an offset nor a time", "Write 12345 or 2026-01-31T12:00:00Z")
    offset = offset_at(layout, reader, moment, prefix)
    if offset == reader.base > 0 and not _is_first_of_its_time(reader, offset, moment, prefix):
        raise UsageError(
            f"{option} {text} is before the first record that the journal still holds, at offset {offset}",
            f"Records that retention has removed are only in the archive; {option} {offset} takes what is left",
        )
    return offset


def _is_first_of_its_time(reader: JournalReader, offset: int, moment: datetime, prefix: bytes) -> bool:
    """Tell whether the first record with a time at or after an offset has just this time: none before it is missed."""
    for record in records_between(reader, offset, reader.end, prefix):
        time_of_it = None if record.torn else parse_time(record_time(record.body))
        if time_of_it is not None:
            return time_of_it == moment
    return True


def _to_sink(sink: SinkConfig, shared: Shared, reader: BoundedReader, cursor: MemoryCursor) -> None:
    if sink.type == OBJECTS:
        raise UsageError(
            f"the sink {sink.name} stores whole segments, so there are no records to send again",
            "To have it store all that the journal holds once more, remove cursors/<sink> while ship is stopped",
        )
    waiting = Waiting(shared.layout.segments, once=True)
    progress = Progress(sink.name, cursor, shared.states, waiting, shared.log)
    target = open_sink(sink, shared.context)
    make_pump(sink, shared, target, reader, cursor.state, progress, Backoff(random.random)).run()
    waiting.close()


def _to_stdout(sink: SinkConfig, shared: Shared, reader: BoundedReader, cursor: MemoryCursor) -> None:
    encode = stdout_encoder(sink.text("format") or "", shared.context.journal_id, sink.labels)
    feed = Feed(reader, wanted(sink, shared, encode, STDOUT_LIMITS, reader, cursor.state), cursor.state, lambda _: None)
    while True:
        parcel = feed.next(time.monotonic(), at_once=True)
        if parcel is None and feed.has_more:
            continue
        if parcel is None:
            return
        data = memoryview(b"".join(parcel.batch.payloads))
        while data:
            data = data[os.write(STDOUT_DESCRIPTOR, data[:BATCH_BYTES_MAX]) :]
        now = cursor.state
        cursor.update(
            offset=parcel.offset, delivered=now.delivered + parcel.records, filtered=now.filtered + parcel.filtered
        )
