"""One sink's pump on a real journal, with a sink whose `send` is the test's and a clock that the test may move."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from standpipe.delivery.backoff import Backoff
from standpipe.delivery.deadletter import DeadLetters
from standpipe.delivery.feed import Feed, Wanted
from standpipe.delivery.ledger import Ledger
from standpipe.delivery.progress import Progress
from standpipe.delivery.pump import Pump
from standpipe.delivery.seal_feed import SealFeed
from standpipe.delivery.sink_states import SinkStates
from standpipe.delivery.waiting import Waiting
from standpipe.journal.cursor import Cursor, CursorFile, read_cursor
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.sink_entries import SinkEntry
from standpipe.journal.sink_entries_store import read_entries
from standpipe.observe.log import Log
from standpipe.sinks.base import Delivered
from tests.evidence.craft import JOURNAL_ID, Crafted
from tests.processes.front_door import DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.delivery.feed import ReadsJournal
    from standpipe.preflight import Check
    from standpipe.records.framing import Record
    from standpipe.records.selection import Selection
    from standpipe.sinks.base import Batch, Limits, Outcome

NAME = "web"


def take(_batch: Batch) -> Outcome:
    """Take everything."""
    return Delivered()


class Sink:
    """A sink that does with a batch what the test says; `got`: offsets and afters of what was delivered."""

    def __init__(self, limits: Limits, send: Callable[[Batch], Outcome] = take) -> None:
        self.limits = limits
        self.got: list[tuple[int, int]] = []
        self.seals: list[int] = []
        self._answer = send
        self._lock = threading.Lock()

    def encode(self, record: Record, _after: int) -> bytes:
        """See Sink."""
        return record.body

    def send(self, batch: Batch) -> Outcome:
        """See Sink."""
        outcome = self._answer(batch)
        if isinstance(outcome, Delivered):
            with self._lock:
                for record, after in zip(batch.records, batch.afters, strict=True):
                    if record.is_seal:
                        self.seals.append(record.offset)
                    else:
                        self.got.append((record.offset, after))
        return outcome

    def checks(self) -> list[Check]:
        """See Sink."""
        return []

    def close(self) -> None:
        """See Sink."""


class Rig:
    """A journal and what a pump needs. `journal` is to be filled before `pump` is called."""

    def __init__(self, directory: Path) -> None:
        self.journal = Crafted(directory / "journal")
        self.layout = Layout(str(directory / "journal"))
        self.ledger = Ledger(self.layout.incidents)
        self.states = SinkStates(self.layout)
        self.states.enter({NAME: SinkEntry("test", 0)})
        self.wait = Waiting(self.layout.segments)
        self._thread: threading.Thread | None = None
        self._messages = directory / "messages"
        self._descriptor = os.open(self._messages, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.log = Log("ship", self._descriptor)

    def close(self) -> None:
        """Close what is open."""
        if self._thread is not None:
            self.wait.stop()
            self.join()
        self.wait.close()
        os.close(self._descriptor)

    def feed(
        self,
        sink: Sink,
        state: Cursor,
        *,
        selection: Selection | None = None,
        seals: bool = False,
        reader: ReadsJournal | None = None,
    ) -> Feed:
        """Return a feed from a cursor on."""
        reader = reader or JournalReader(self.layout)
        missing = self.ledger.seal_missing(NAME, self.log)
        found = SealFeed(self.layout, reader, state.sealed or 0, missing) if seals else None
        wanted = Wanted(sink.encode, sink.limits, selection=selection, seals=found)
        return Feed(reader, wanted, state, self.ledger.torn)

    def pump(
        self,
        sink: Sink,
        *,
        start: int = 0,
        selection: Selection | None = None,
        seals: bool = False,
        reader: ReadsJournal | None = None,
        wait: Waiting | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Pump:
        """Return a pump that goes on from the cursor, or begins at start."""
        cursor = CursorFile(self.layout.cursor(NAME))
        state = cursor.state or cursor.update(offset=start, after=start, sealed=start if seals else None)
        return Pump(
            sink,
            self.feed(sink, state, selection=selection, seals=seals, reader=reader),
            Progress(NAME, cursor, self.states, wait or self.wait, self.log),
            DeadLetters(self.layout, NAME, JOURNAL_ID, 1 << 30, self.ledger),
            Backoff(lambda: 0.0),
            clock=clock,
            wall_clock=lambda: 0.0,
        )

    def begin(self, pump: Pump) -> None:
        """Let a pump deliver on a thread."""
        self._thread = threading.Thread(target=pump.run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of that."""
        if self._thread is not None:
            self._thread.join(DEADLINE_SECONDS)
            assert not self._thread.is_alive()
            self._thread = None

    def cursor(self) -> Cursor:
        """Return where the cursor is."""
        state = read_cursor(self.layout.cursor(NAME))
        assert state is not None
        return state

    def state(self) -> str:
        """Return what sinks.json says of the sink."""
        self.states.save()
        return (read_entries(self.layout.sinks) or {})[NAME].state

    def dead(self) -> list[int]:
        """Return the offsets of the dead letters."""
        path = Path(self.layout.dead_letters(NAME))
        return [json.loads(line)["offset"] for line in path.read_bytes().splitlines()] if path.exists() else []

    def messages(self) -> str:
        """Return what was said."""
        return self._messages.read_text()
