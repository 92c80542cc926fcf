"""One sink's delivery as a thread of ship: everything that it needs, put together, and how it ended."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from standpipe.config_sinks import OBJECTS, STDOUT
from standpipe.delivery.archive_pump import ArchivePump
from standpipe.delivery.backoff import Backoff
from standpipe.delivery.batching import BATCH_BYTES_MAX, ParcelBatcher, RawBatcher
from standpipe.delivery.begin import begin
from standpipe.delivery.bounded import BoundedReader
from standpipe.delivery.deadletter import DeadLetters, bytes_max
from standpipe.delivery.edges import end_of_selected_before
from standpipe.delivery.feed import Feed, Wanted
from standpipe.delivery.progress import Progress
from standpipe.delivery.pump import Pump
from standpipe.delivery.refusing import selection_of, teller
from standpipe.delivery.seal_feed import SealFeed
from standpipe.delivery.stdout_lines import RAW, stdout_encoder
from standpipe.delivery.stdout_pump import StdoutPump, tell_late
from standpipe.delivery.waiting import Waiting
from standpipe.errors import SinkError, UsageError
from standpipe.journal import boot
from standpipe.journal.cursor import CursorFile
from standpipe.journal.reader import JournalReader
from standpipe.journal.sink_entries import CONFIG_FAULT
from standpipe.records.dropping import Dropper
from standpipe.sinks.base import Context, Limits
from standpipe.sinks.registry import open_sink
from standpipe.sinks.stdout import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from standpipe.config_sinks import SinkConfig
    from standpipe.delivery.batching import Batcher
    from standpipe.delivery.feed import ReadsJournal
    from standpipe.delivery.ledger import Ledger
    from standpipe.delivery.progress import TellsStates
    from standpipe.journal.cursor import Cursor
    from standpipe.journal.layout import Layout
    from standpipe.observe.log import Log
    from standpipe.records.framing import Record
    from standpipe.sinks.base import ArchiveSink, Sink

    Encode = Callable[[Record, int], bytes | Sequence[bytes]]

# The pipe is what limits; one write, one mark.
STDOUT_LIMITS = Limits(batch_bytes=BATCH_BYTES_MAX, batch_records=1 << 20)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all deliveries of one ship have in common. cap_bytes: the journal's, None where it is not known.

    bound: deliver only what is before this offset; None: all that comes.
    """

    layout: Layout
    context: Context
    prefix: bytes
    cap_bytes: int | None
    states: TellsStates
    ledger: Ledger
    log: Log
    once: bool
    goes_on: Callable[[], bool]
    on_end: Callable[[], None]
    bound: int | None = None

    def open_reader(self) -> tuple[JournalReader, ReadsJournal]:
        """Return a reader to be closed, and what to read with."""
        reader = JournalReader(self.layout)
        return reader, reader if self.bound is None else BoundedReader(reader, self.bound)


def wanted(
    config: SinkConfig, shared: Shared, encode: Encode, limits: Limits, reader: ReadsJournal, state: Cursor
) -> Wanted:
    """Return what a sink is to get, and in which form."""
    return Wanted(
        encode,
        limits,
        prefix=shared.prefix,
        selection=selection_of(config, teller(config.name, shared.ledger, shared.log)),
        dropper=Dropper(config.drop_fields) if config.drop_fields else None,
        seals=SealFeed(
            shared.layout,
            reader,
            state.sealed or 0,
            shared.ledger.seal_missing(config.name, shared.log),
            idle=state.idle,
        )
        if config.deliver_seals
        else None,
    )


def make_pump(
    config: SinkConfig,
    shared: Shared,
    sink: Sink | ArchiveSink,
    reader: ReadsJournal,
    state: Cursor,
    progress: Progress,
    backoff: Backoff,
) -> Pump | ArchivePump:
    """Return what delivers to a sink that is open, from a cursor on."""
    if config.type == OBJECTS:
        archive = cast("ArchiveSink", sink)
        missing = shared.ledger.seal_missing(config.name, shared.log)
        return ArchivePump(archive, shared.layout, state, progress, backoff, missing, clock=time.monotonic)
    to_sink = cast("Sink", sink)
    all_of_it = wanted(config, shared, to_sink.encode, to_sink.limits, reader, state)
    journal_id, limit_bytes = shared.context.journal_id, bytes_max(shared.cap_bytes)
    return Pump(
        to_sink,
        Feed(reader, all_of_it, state, shared.ledger.torn),
        progress,
        DeadLetters(shared.layout, config.name, journal_id, limit_bytes, shared.ledger),
        backoff,
        clock=time.monotonic,
        wall_clock=time.time,
    )


class Delivery:
    """One sink's thread. `start`: the offset where the sink began; `known`: it was delivered to before."""

    def __init__(self, config: SinkConfig, shared: Shared, start: int, *, known: bool) -> None:
        self.config = config
        self.error: BaseException | None = None
        self._over = False
        self._shared = shared
        self._start = start
        self._known = known
        self.waiting = Waiting(shared.layout.segments, once=shared.once)
        self.waiting.goes_on = shared.goes_on
        self._thread = threading.Thread(target=self._run, name=f"deliver {config.name}", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether its work has ended; `error` says then how."""
        return self._over

    def join(self, seconds: float) -> bool:
        """Wait for the end; tell whether it came."""
        self._thread.join(seconds)
        return self.ended

    def _run(self) -> None:
        try:
            if self.config.type == STDOUT:
                self._deliver_stdout()
            else:
                self._deliver()
        except BaseException as error:  # noqa: BLE001 - ship's main thread raises it again
            self.error = error
        self._over = True  # before on_end: whoever is woken by it must see the end
        self._shared.on_end()

    # stdout.

    def _deliver_stdout(self) -> None:
        config, shared = self.config, self._shared
        opened, reader = shared.open_reader()
        cursor = CursorFile(shared.layout.cursor(config.name))
        progress = Progress(config.name, cursor, shared.states, self.waiting, shared.log)
        output = Output(boot.current_boot_id(), lambda end: self.waiting.writable(end, lambda: tell_late(progress)))
        pump = StdoutPump(reader, cursor, output, progress, shared.ledger, shared.log)
        selection = selection_of(config)
        state = pump.begin(
            self._start,
            known=self._known,
            seals=config.deliver_seals,
            after_at=lambda at: end_of_selected_before(reader, at, reader.base, selection, shared.prefix),
        )
        shared.states.begin(config.name)
        shared.log.info("delivering", sink=config.name, format=config.text("format"), offset=state.offset)
        pump.run(self._stdout_batcher(reader, state), state.offset)
        pump.end()
        opened.close()
        output.close()

    def _stdout_batcher(self, reader: ReadsJournal, state: Cursor) -> Batcher:
        config, shared = self.config, self._shared
        form = config.text("format") or ""
        if form == RAW and selection_of(config) is None and not config.drop_fields:
            return RawBatcher(reader)
        encode = stdout_encoder(form, shared.context.journal_id, config.labels)
        all_of_it = wanted(config, shared, encode, STDOUT_LIMITS, reader, state)
        return ParcelBatcher(Feed(reader, all_of_it, state, shared.ledger.torn))

    # Every other sink.

    def _deliver(self) -> None:
        config, shared = self.config, self._shared
        opened, reader = shared.open_reader()
        cursor = CursorFile(shared.layout.cursor(config.name))
        state = begin(
            config.name,
            cursor,
            reader,
            self._start,
            known=self._known,
            seals=config.deliver_seals and config.type != OBJECTS,
            ledger=shared.ledger,
            log=shared.log,
        )
        shared.states.begin(config.name)
        progress = Progress(config.name, cursor, shared.states, self.waiting, shared.log)
        backoff = Backoff(random.random)
        sink = self._open(progress, backoff)
        if sink is not None:
            shared.log.info("delivering", sink=config.name, type=config.type, offset=state.offset)
            make_pump(config, shared, sink, reader, state, progress, backoff).run()
        else:
            progress.end()
        opened.close()

    def _open(self, progress: Progress, backoff: Backoff) -> Sink | ArchiveSink | None:
        """Open the sink, as soon as it can be; None where we were told to stop before. With `once`: raises."""
        while not self.waiting.stop_now:
            try:
                return open_sink(self.config, self._shared.context)
            except (SinkError, UsageError) as error:
                if self.waiting.once:
                    raise
                progress.tell(CONFIG_FAULT, str(error))
                self.waiting.pause(backoff.next_seconds(None, config_fault=True))
        return None
