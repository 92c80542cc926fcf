"""`standpipe ship`: reads the journal with a cursor and delivers it. May crash: nothing depends on it but its sinks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from standpipe.delivery.batching import Batcher, LineBatcher, RawBatcher
from standpipe.delivery.pump import Pump
from standpipe.delivery.waiting import Waiting
from standpipe.errors import EXIT_OK
from standpipe.journal import boot, identity, incidents, lock
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.processes.child import die_with_parent, tell_ready
from standpipe.records.envelope import gcp_line, json_line
from standpipe.sinks.stdout import Output, check_open

if TYPE_CHECKING:
    from standpipe.config import Config, StdoutSinkConfig
    from standpipe.journal.cursor import Cursor
    from standpipe.observe.log import Log
    from standpipe.records.framing import Record


def run_ship(
    config: Config,
    log: Log,
    *,
    once: bool = False,
    lock_wait_seconds: float = 0.0,
    parent_pid: int | None = None,
    ready_fd: int | None = None,
) -> int:
    """Deliver until SIGTERM or SIGUSR1; with `once` until everything has been. Raises StandpipeError or OSError."""
    if config.sinks:
        check_open()
    if parent_pid is not None:
        die_with_parent(parent_pid)
    layout = Layout(config.journal.path)
    journal = identity.read(layout)
    held = lock.acquire(layout.lock("ship"), "ship", lock_wait_seconds)
    waiting = Waiting(layout.segments, once=once)
    waiting.end_proven = once and lock.holder(layout.lock("capture")) is None  # else a last line may be half written
    waiting.goes_on = lambda: _is_from_file(layout)
    if ready_fd is not None:
        tell_ready(ready_fd)
    for sink in config.sinks:
        _deliver(config, sink, layout, journal.journal_id, waiting, log)
    while not (config.sinks or waiting.draining or waiting.stop_now):
        waiting.for_data()
    os.close(held)
    return EXIT_OK


def _is_from_file(layout: Layout) -> bool:
    """Tell whether a file is the source: a line that is half there may be completed in it, whoever has stopped."""
    state = boot.read(layout.boot)
    return state is not None and "file" in state.settings


def _deliver(
    config: Config, sink: StdoutSinkConfig, layout: Layout, journal_id: str, waiting: Waiting, log: Log
) -> None:
    output = Output(boot.current_boot_id(), waiting.writable)
    reader = JournalReader(layout)
    queue = incidents.IncidentQueue(layout.incidents)
    pump = Pump(sink.name, reader, CursorFile(layout.cursor(sink.name)), output, waiting, queue, log)
    state = pump.begin(sink.start)
    log.info("delivering", sink=sink.name, format=sink.format, offset=state.offset)
    pump.run(_batcher(config, sink, reader, journal_id, state), state.offset)
    pump.end()
    reader.close()
    output.close()


def _batcher(config: Config, sink: StdoutSinkConfig, reader: JournalReader, journal_id: str, state: Cursor) -> Batcher:
    if sink.format == "raw":
        return RawBatcher(reader)

    def encode_json(record: Record, after: int) -> bytes:
        return json_line(record, journal_id, after)

    def encode_gcp(record: Record, after: int) -> bytes:
        return gcp_line(record, journal_id, after, sink.labels)

    encode = encode_json if sink.format == "json" else encode_gcp
    return LineBatcher(reader, encode, state.offset, state.after, config.source.prefix.encode())
