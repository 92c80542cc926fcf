"""`standpipe ship`: delivers the journal, with one cursor a sink. May crash: nothing depends on it but its sinks.

The main thread takes the signals and starts, watches and stops the deliveries, a thread each (processes.delivery). A
delivery that fails ends the process: its supervisor starts it again, and every sink goes on from its cursor.

=======  =====================================================================================================
SIGTERM  stop now; what is under way is waited for a moment, the rest is sent by the next start
SIGUSR1  deliver what there is, also a last line without its newline, then end
SIGHUP   read the config again: sinks are added, removed and changed; a config that cannot be used is refused
=======  =====================================================================================================
"""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

from standpipe.config_sinks import STDOUT
from standpipe.delivery.ledger import Ledger
from standpipe.delivery.roster import Roster
from standpipe.delivery.sink_states import SinkStates
from standpipe.errors import EXIT_OK, SinkError, StandpipeError
from standpipe.journal import boot, identity, lock
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.sink_entries import REMOVED
from standpipe.processes.child import die_with_parent, tell_ready
from standpipe.processes.delivery import Delivery, Shared
from standpipe.sinks.base import Context
from standpipe.sinks.registry import open_sink
from standpipe.sinks.stdout import check_open

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.config import Config
    from standpipe.config_accepted import ConfigSource
    from standpipe.config_sinks import SinkConfig
    from standpipe.delivery.roster import Settled
    from standpipe.observe.log import Log

TICK_SECONDS = 1.0  # how late sinks.json may be
STOP_SECONDS = 5.0  # a pump waits less than this for what is under way (delivery.pump)


def run_ship(
    config: Config,
    log: Log,
    *,
    once: bool = False,
    lock_wait_seconds: float = 0.0,
    parent_pid: int | None = None,
    ready_fd: int | None = None,
    source: ConfigSource | None = None,
) -> int:
    """Deliver until SIGTERM or SIGUSR1; with `once` until everything has been. Raises StandpipeError or OSError.

    source: reads the config again at SIGHUP, and keeps what was accepted.
    """
    if has_stdout(config.sinks):
        check_open()
    if parent_pid is not None:
        die_with_parent(parent_pid)
    layout = Layout(config.journal.path)
    journal = identity.read(layout)
    held = lock.acquire(layout.lock("ship"), "ship", lock_wait_seconds)
    ship = Ship(config, layout, Context(journal.journal_id, journal.node), log, once=once, source=source)
    if ready_fd is not None:
        tell_ready(ready_fd)
    try:
        ship.run()
    finally:
        os.close(held)
    return EXIT_OK


def has_stdout(sinks: Sequence[SinkConfig]) -> bool:
    """Tell whether one of the sinks writes to stdout."""
    return any(sink.type == STDOUT for sink in sinks)


def _is_from_file(layout: Layout) -> bool:
    """Tell whether a file is the source: a line that is half there may be completed in it, whoever has stopped."""
    state = boot.read(layout.boot)
    return state is not None and "file" in state.settings


class Ship:
    """The main thread's part."""

    def __init__(
        self,
        config: Config,
        layout: Layout,
        context: Context,
        log: Log,
        *,
        once: bool,
        source: ConfigSource | None,
    ) -> None:
        self._layout = layout
        self._log = log
        self._source = source
        self._sinks: Sequence[SinkConfig] = config.sinks
        self._once = once
        self._draining = once
        self._stopping = False
        # With `once`: no capture runs, so nothing will follow; else a last line may be half written.
        self._end_proven = once and lock.holder(layout.lock("capture")) is None
        self._states = SinkStates(layout)
        self._ledger = Ledger(layout.incidents)
        self._roster = Roster(layout, self._states, self._ledger, log)
        self._deliveries: dict[str, Delivery] = {}
        self._wake_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._wake_end, select.POLLIN)
        self._shared = Shared(
            layout,
            context,
            config.source.prefix.encode(),
            config.journal.max_size_bytes,
            self._states,
            self._ledger,
            log,
            once=once,
            goes_on=lambda: _is_from_file(layout),
            on_end=lambda: _write_byte(write_end),
            bound=_end(layout) if once and not self._end_proven else None,
        )
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, lambda _number, _frame: None)  # the number arrives through the pipe

    def run(self) -> None:
        """Deliver until everything has ended. Raises what a delivery raised."""
        self._sinks = self._gated(self._sinks)
        settled = self._settle_start()
        self._start(self._sinks, settled)
        if not self._once:
            self._keep_accepted()
        while not self._is_over():
            if self._poll.poll(TICK_SECONDS * 1000):
                for number in os.read(self._wake_end, 4096):
                    self._on_signal(number)
            if not self._once:  # else the other sinks get theirs first
                self._raise_errors()
            self._save_states()
            self._ledger.flush()
        self._stop(list(self._deliveries))
        self._raise_errors()
        self._save_states()
        self._ledger.flush()

    def _is_over(self) -> bool:
        if self._stopping:
            return True
        return self._draining and all(delivery.ended for delivery in self._deliveries.values())

    def _raise_errors(self) -> None:
        for delivery in self._deliveries.values():
            if delivery.ended and delivery.error is not None:
                self._stop([name for name in self._deliveries if name != delivery.config.name])
                raise delivery.error

    def _save_states(self) -> None:
        try:
            self._states.save()
        except OSError:
            return  # a full disk: the next tick tries again, and capture tells of it

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGTERM:
            self._stopping = True
        elif number == signal.SIGUSR1:
            self._draining = self._end_proven = True
            for delivery in self._deliveries.values():
                delivery.waiting.drain()
        elif number == signal.SIGHUP and not (self._draining or self._stopping):
            self._read_config_again()

    # Sinks come and go.

    def _start(self, sinks: Sequence[SinkConfig], settled: Settled) -> None:
        for sink in sinks:
            delivery = Delivery(sink, self._shared, settled.starts[sink.name], known=sink.name in settled.known)
            delivery.waiting.end_proven = self._end_proven
            self._deliveries[sink.name] = delivery
            delivery.begin()

    def _stop(self, names: Sequence[str]) -> None:
        """Stop deliveries and forget those that have ended without an error."""
        for name in names:
            self._deliveries[name].waiting.stop()
        for name in names:
            if self._deliveries[name].join(STOP_SECONDS) and self._deliveries[name].error is None:
                self._deliveries.pop(name).waiting.close()

    def _read_config_again(self) -> None:
        """Apply a new config, or refuse it whole."""
        if self._source is None or not self._source.has_file:
            self._log.info("SIGHUP changes nothing: there is no config file")
            return
        try:
            sinks = self._source.load_again().sinks
            changed = self._try_changed(sinks, self._sinks)
            settled = self._roster.settle(sinks, {sink.name for sink in sinks if sink in self._sinks})
        except (StandpipeError, OSError) as error:
            self._log.error("the new config is refused; the old one goes on", reason=str(error))
            return
        gone = [sink.name for sink in self._sinks if sink not in sinks]
        self._stop(gone)
        self._raise_errors()
        self._refuse_stragglers(gone)
        self._sinks = sinks
        self._start(changed, settled)
        self._keep_accepted()
        self._log.info(
            "the sinks of the config were read again; its other keys count at the next start",
            sinks=sorted(self._deliveries),
            changed=[s.name for s in changed],
        )

    def _refuse_stragglers(self, gone: Sequence[str]) -> None:
        """Raise where a delivery has not stopped: a second one must not use its cursor. A new process starts clean."""
        left = [name for name in gone if name in self._deliveries]
        if left:
            raise SinkError(
                f"sink {left[0]} is still busy and cannot be changed", "The next start takes the new config"
            )

    def _settle_start(self) -> Settled:
        """Settle the sinks for a start. A full volume must not keep those that are known from making room."""
        anybodys = self._source is not None and not self._source.is_the_journals
        if self._once or anybodys:
            return self._roster.settle_once(self._sinks)
        try:
            return self._roster.settle(self._sinks)
        except OSError as error:
            entries = self._states.known or {}
            known = [s for s in self._sinks if s.name in entries and entries[s.name].state != REMOVED]
            if not known:
                raise
            self._log.error(
                "sinks.json cannot be written; only the sinks that are in it are delivered to",
                error=error.strerror,
                sinks=[sink.name for sink in known],
            )
            self._sinks = known
            return self._roster.settle_once(known)

    def _gated(self, sinks: Sequence[SinkConfig]) -> Sequence[SinkConfig]:
        """Return the sinks to deliver to: at a restart a changed config is taken only as SIGHUP would take it."""
        if self._source is None or (old := self._source.last_accepted()) is None:
            return sinks
        try:
            self._try_changed(sinks, old.sinks)
        except (StandpipeError, OSError) as error:
            self._log.error("the config cannot be used; the one that was accepted last goes on", reason=str(error))
            self._source.forget()
            return old.sinks
        return sinks

    def _keep_accepted(self) -> None:
        try:
            if self._source is not None:
                self._source.accepted(self._layout)
        except OSError as error:
            self._log.warning("no copy of the config can be kept in the journal", error=error.strerror)

    def _try_changed(self, sinks: Sequence[SinkConfig], old: Sequence[SinkConfig]) -> list[SinkConfig]:
        """Return the sinks that are not among the old ones; raise what would keep one of them from being used."""
        changed = [sink for sink in sinks if sink not in old]
        for sink in changed:
            if sink.type == STDOUT:
                check_open()
            else:
                open_sink(sink, self._shared.context).close()
        return changed


def _end(layout: Layout) -> int:
    """Return where the journal ends now."""
    reader = JournalReader(layout)
    try:
        return reader.end
    finally:
        reader.close()


def _write_byte(descriptor: int) -> None:
    """Wake the main thread; a pipe full of wake-ups is enough."""
    try:
        os.write(descriptor, b"\0")
    except BlockingIOError:
        return
