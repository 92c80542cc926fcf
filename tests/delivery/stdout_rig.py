"""Delivery without its process: a pump on a real journal and a real pipe or file, killed at any system call.

A kill is a BaseException raised from a system call of the code under test; all descriptors that the incarnation opened
are then closed, as the kernel would. The reader of the pipe is the test itself: it takes bytes when the pipe is full.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from standpipe.delivery import batching
from standpipe.delivery.batching import ParcelBatcher, RawBatcher
from standpipe.delivery.feed import Feed, Wanted
from standpipe.delivery.ledger import Ledger
from standpipe.delivery.progress import Progress
from standpipe.delivery.resume import start_of_new
from standpipe.delivery.sink_states import SinkStates
from standpipe.delivery.stdout_pump import StdoutPump
from standpipe.delivery.waiting import Waiting
from standpipe.journal import incidents
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.observe.log import Log
from standpipe.records.envelope import Envelope
from standpipe.sinks.base import Limits
from standpipe.sinks.stdout import Output
from tests.evidence.craft import JOURNAL_ID, Crafted
from tests.model.capture_rig import Kill, killed_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from standpipe.delivery.batching import Batcher
    from standpipe.records.framing import Record

BOOT = "0123456789abcdef"
PAGE = 4096
BATCH_BYTES = 512
SINK = "stdout"
RAW, JSON = "raw", "json"


class StepWaiting(Waiting):
    """Waits by letting the test act instead of by sleeping."""

    def __init__(self) -> None:
        """Drain from the beginning. `full` is what happens when stdout is full, `paused` when it is broken."""
        self.once = False
        self.draining = True
        self.end_proven = True
        self.stop_now = False
        self.full: Callable[[], None] = self.stop
        self.paused: Callable[[], None] = self.stop

    def stop(self) -> None:
        """Do what SIGTERM does."""
        self.stop_now = True

    def for_data(self, seconds: float | None = None) -> None:
        """Go on at once, to the end."""
        assert seconds is None or seconds >= 0
        self.draining = True
        self.end_proven = True

    def pause(self, seconds: float | None) -> bool:
        """Let the test mend what is broken."""
        assert seconds is not None
        assert seconds > 0
        self.paused()
        return False

    def writable(self, descriptor: int, late: Callable[[], None] = lambda: None) -> bool:
        """Let the test read."""
        assert descriptor >= 0
        assert callable(late)
        self.full()
        return not self.stop_now


class Rig:
    """One journal, one stdout after the other, and any number of pumps one after the other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.crafted = Crafted(directory / "journal")
        self.layout = Layout(str(directory / "journal"))
        self.wait = StepWaiting()
        self.got = bytearray()
        self.read_end = self.write_end = -1
        self._log = os.open(directory / "messages", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._listed = 0

    def new_pipe(self, capacity: int = PAGE) -> None:
        """Give stdout a new pipe; what was in the old one is gone."""
        self.close_stdout()
        self.read_end, self.write_end = os.pipe()
        fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, capacity)
        os.set_blocking(self.read_end, False)
        self.got.clear()
        self.wait.full = self.take_all

    def new_file(self) -> None:
        """Give stdout a new file."""
        self.close_stdout()
        path = self.directory / "out"
        path.unlink(missing_ok=True)
        self.write_end = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.read_end = os.open(path, os.O_RDONLY)
        self.got.clear()

    def close_stdout(self) -> None:
        """Close both ends."""
        for descriptor in (self.read_end, self.write_end):
            if descriptor >= 0:
                os.close(descriptor)
        self.read_end = self.write_end = -1

    def close(self) -> None:
        """Close what the rig holds."""
        self.close_stdout()
        os.close(self._log)

    def take(self, limit: int) -> None:
        """Read up to limit bytes, as stdout's reader."""
        try:
            self.got += os.read(self.read_end, limit)
        except BlockingIOError:
            return

    def take_all(self) -> None:
        """Read all there is."""
        before = -1
        while before != len(self.got):
            before = len(self.got)
            self.take(1 << 20)

    def took(self) -> bytes:
        """Read all there is, and return what came since this was asked before."""
        self.take_all()
        data = bytes(self.got)
        self.got.clear()
        return data

    def deliver(self, form: str = RAW, start: str | None = None) -> None:
        """Run one pump from its beginning to its end."""
        self.wait.stop_now = False
        output = Output(BOOT, self.wait.writable, self.write_end)
        reader = JournalReader(self.layout)
        cursor = CursorFile(self.layout.cursor(SINK))
        ledger = Ledger(self.layout.incidents)
        log = Log("ship", self._log)
        progress = Progress(SINK, cursor, SinkStates(self.layout), self.wait, log)
        pump = StdoutPump(reader, cursor, output, progress, ledger, log)
        state = pump.begin(start_of_new(start, reader.base, reader.end, added=False), known=False)
        batcher: Batcher = RawBatcher(reader)
        if form == JSON:
            limits = Limits(batching.BATCH_BYTES_MAX, batch_records=1 << 20)
            batcher = ParcelBatcher(Feed(reader, Wanted(encode, limits), state, ledger.torn))
        pump.run(batcher, state.offset)
        pump.end()
        reader.close()
        output.close()

    def deliver_killed_at(self, step: int, form: str = RAW) -> bool:
        """Run one pump until it is killed instead of its step-th system call; return whether that came."""
        before = set(os.listdir("/proc/self/fd"))
        with killed_at(step):
            try:
                self.deliver(form)
            except Kill:
                self._close_all_but(before)
                return True
        assert before == set(os.listdir("/proc/self/fd"))
        return False

    @staticmethod
    def _close_all_but(before: set[str]) -> None:
        for name in set(os.listdir("/proc/self/fd")) - before:
            try:
                os.close(int(name))
            except OSError:
                continue  # the descriptor of the listing itself

    def new_incidents(self) -> list[dict[str, object]]:
        """Return the incidents since this was asked before."""
        found = incidents.read(self.layout.incidents)
        fresh = found[self._listed :]
        self._listed = len(found)
        return fresh

    def messages(self) -> str:
        """Return what was said."""
        return (self.directory / "messages").read_text()


def encode(record: Record, after: int) -> bytes:
    """Render a record as `format: json` does."""
    return Envelope(JOURNAL_ID).line(record, after)


@contextmanager
def small_batches() -> Iterator[None]:
    """Let a few records be a batch."""
    with mock.patch.object(batching, "BATCH_BYTES_MAX", BATCH_BYTES):
        yield
