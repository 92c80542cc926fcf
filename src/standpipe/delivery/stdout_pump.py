"""Cursor → batch → stdout → acknowledge.

The cursor's `writing` mark is set before the first byte of a batch and taken away with the acknowledgement, in one
pwrite each, so a start after SIGKILL knows which bytes may have reached the reader. A batch is acknowledged when
the pipe or file has taken all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.delivery import resume as resuming
from standpipe.delivery.edges import record_start
from standpipe.delivery.progress import UNREADABLE_RETRY_SECONDS
from standpipe.errors import JournalError
from standpipe.journal.cursor import Cursor, CursorFile
from standpipe.journal.sink_entries import DELIVERING, JOURNAL_DAMAGED, RETRYING
from standpipe.journal.span import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.delivery.batching import Batch, Batcher
    from standpipe.delivery.feed import ReadsJournal
    from standpipe.delivery.ledger import Ledger
    from standpipe.delivery.progress import Progress
    from standpipe.observe.log import Log
    from standpipe.sinks.stdout import Output

BROKEN_RETRY_SECONDS = 1.0  # a pipe whose reader has gone may get a new one (a FIFO); asking costs one system call


def tell_late(progress: Progress) -> None:
    """Note that the reader takes nothing."""
    progress.tell(RETRYING, "the reader of stdout takes nothing, and its pipe is full")


class StdoutPump:
    """Delivers one journal to stdout."""

    def __init__(
        self,
        reader: ReadsJournal,
        cursor: CursorFile,
        output: Output,
        progress: Progress,
        ledger: Ledger,
        log: Log,
    ) -> None:
        self._sink = progress.name
        self._progress = progress
        self._reader = reader
        self._cursor = cursor
        self._output = output
        self._wait = progress.wait
        self._ledger = ledger
        self._log = log

    def begin(
        self,
        start: int,
        *,
        known: bool,
        seals: bool = False,
        after_at: Callable[[int], int] = lambda offset: offset,
    ) -> Cursor:
        """Decide where to go on, record what may be repeated, and return the state to go on from.

        start: the offset at which this sink began, or begins; known: it has been delivered to before. seals: it gets
        seals. after_at: says the end of the record that it got before an offset.
        """
        base, end = self._reader.base, self._reader.end
        state = self._cursor.state
        output = resuming.Output(self._output.name, self._output.capacity_bytes)
        plan = resuming.decide(state, output, start, base, end, damaged=self._cursor.damaged, known=known)
        offset = record_start(self._reader, plan.offset, base) if plan.align else plan.offset
        if plan.incident:
            self._record_resume(plan, offset, state)
        stepped_back = state is not None and offset < state.offset
        after = state.after if state and state.offset == offset else after_at(offset) if stepped_back else offset
        if plan.end_fragment and not self._send_all(lambda sent: self._output.send_bytes(b"\n"[sent:]), 1):
            return Cursor(offset, after)  # told to stop; the mark stays, so the next start ends the fragment
        unread = self._output.capacity_bytes
        sealed, idle = None, 0
        if seals:  # a seal that was in the pipe that is gone comes again
            sealed = offset if state is None or state.sealed is None else min(state.sealed, offset)
            idle = state.idle if state is not None and state.sealed == sealed and not stepped_back else 0
        self._progress.save(
            offset=offset, after=after, writing=None, output=self._output.name, unread=unread, sealed=sealed, idle=idle
        )
        return Cursor(offset, after, sealed=sealed, idle=idle)

    def _record_resume(self, plan: resuming.Resume, offset: int, state: Cursor | None) -> None:
        length, detail = resuming.detail(plan, offset, self._sink, state)
        self._ledger.add(plan.incident or "", offset, length, detail)
        self._log.warning(
            f"sink {self._sink}: {resuming.WORDS[plan.incident or '']}",
            kind=plan.incident,
            offset=offset,
            may_repeat_bytes=length,
        )

    def run(self, batcher: Batcher, offset: int) -> int:
        """Deliver until told to stop; return the offset reached."""
        while not self._wait.stop_now:
            try:
                batch = batcher.next(offset)
            except (JournalError, OSError) as error:
                if self._wait.once:
                    raise
                self._progress.tell(JOURNAL_DAMAGED, str(error))
                self._wait.pause(UNREADABLE_RETRY_SECONDS)
                continue
            if batch is None:
                self._ledger.flush()
                if not self._wait.draining:
                    self._wait.for_data()
                    continue
                batch = batcher.last(offset) if self._wait.end_proven and not self._wait.goes_on() else None
                if batch is None:
                    break
            if not self._deliver(batch):
                break
            offset = batch.next_offset
        return offset

    def end(self) -> None:
        """Record, for the next start, how much the reader has not taken. Raises OSError."""
        state = self._cursor.state
        if state is not None and state.writing is None:
            self._progress.save(unread=self._output.unread_bytes)
        self._ledger.flush()
        self._progress.end()

    def _deliver(self, batch: Batch) -> bool:
        self._progress.save(writing=batch.end)
        if batch.payload is not None:
            payload = batch.payload
            sent = self._send_all(
                lambda done: self._output.send_bytes(payload[done:] if done else payload), len(payload)
            )
        else:
            sent = self._send_all(lambda done: self._send_raw(batch.start + done, batch.end), batch.end - batch.start)
        if sent and batch.suffix:
            sent = self._send_all(lambda _: self._output.send_bytes(batch.suffix), len(batch.suffix))
        if sent:
            self._progress.tell(DELIVERING)
            if batch.parcel is None:  # raw bytes are not counted
                self._progress.save(offset=batch.next_offset, after=batch.after, writing=None)
            else:
                self._progress.acknowledge([batch.parcel], 0, writing=None)
        return sent

    def _send_all(self, send: Callable[[int], int], length: int) -> bool:
        """Call send(bytes done so far) until all has gone; False if we were told to stop meanwhile.

        Raises OSError where stdout cannot be written to and nobody waits for that to change.
        """
        done = 0
        while done < length:
            try:
                done += send(done)
            except OSError as error:
                if self._wait.once:
                    raise
                self._tell_broken(error)
                self._wait.pause(BROKEN_RETRY_SECONDS)
            if done < length and self._wait.stop_now:
                return False
        return True

    def _send_raw(self, start: int, end: int) -> int:
        """Send raw bytes from one segment; return how many."""
        span = self._reader.span(start)
        if isinstance(span, Span):
            return self._output.send_file(span.fd, span.file_offset, min(span.end, end) - start)
        data = self._reader.read(start, end - start)
        if not data:
            raise JournalError(
                f"the record at offset {start} was deleted while it was being delivered",
                "`on_full: drop-oldest` does that; the next start goes on with what is there",
            )
        return self._output.send_bytes(data)

    def _tell_broken(self, error: OSError) -> None:
        self._progress.tell(RETRYING, f"stdout cannot be written to: {error.strerror}")
