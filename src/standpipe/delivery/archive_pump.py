"""Sealed segment → archive → acknowledge, for a sink that takes segments whole.

The same rules as delivery.pump: one thread, retries for ever, the cursor behind what is stored. A segment is offered as
soon as it is sealed; what is not sealed yet is not late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.delivery.feed import Parcel
from standpipe.delivery.pump import ONCE_PATIENCE_SECONDS
from standpipe.delivery.sealed_segments import MissingSeal, next_sealed
from standpipe.errors import JournalError, SinkError
from standpipe.journal import sink_entries
from standpipe.journal.seal import parse_seal
from standpipe.sinks.base import Batch, Delivered, Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.delivery.backoff import Backoff
    from standpipe.delivery.progress import Progress
    from standpipe.journal.cursor import Cursor
    from standpipe.journal.layout import Layout
    from standpipe.sinks.base import ArchiveSink, SealedSegment


LOOK_SECONDS = 1.0  # between two looks for a new seal: each lists the journal's directory, and nobody waits for it


class ArchivePump:
    """Delivers one journal's sealed segments. Times are monotonic seconds.

    missing: is told of a segment whose seal has gone: its ends, and why.
    """

    def __init__(
        self,
        sink: ArchiveSink,
        layout: Layout,
        state: Cursor,
        progress: Progress,
        backoff: Backoff,
        missing: Callable[[int, int, str], None],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._sink = sink
        self._missing = missing
        self._layout = layout
        self._offset, self._idle = state.offset, state.idle
        self._done_base: int | None = None
        self._progress = progress
        self._wait = progress.wait
        self._backoff = backoff
        self._clock = clock
        self._moved_at = clock()

    def run(self) -> None:
        """Deliver until told to stop. Raises SinkError with `once`, where the sink takes nothing."""
        try:
            while not self._wait.stop_now:
                try:
                    segment = next_sealed(self._layout, self._offset, done_base=self._done_base, idle=self._idle)
                except JournalError as error:  # a damaged seal holds up this sink, and no other one
                    self._on_retry(Retry(str(error), config_fault=True))
                    continue
                if isinstance(segment, MissingSeal):
                    self._pass_over(segment)
                elif segment is not None:
                    self._put(segment)
                elif self._wait.draining:
                    break
                else:
                    self._wait.pause(LOOK_SECONDS)
        finally:
            self._sink.close()
            self._progress.end()

    def _pass_over(self, segment: MissingSeal) -> None:
        """Leave out a segment that nothing can be proven of any more; nobody would wait for its seal but in vain."""
        self._missing(segment.base, segment.end, "its seal has gone")
        self._offset, self._idle, self._done_base = segment.end, 0, segment.base
        self._acknowledge(0)

    def _acknowledge(self, records: int) -> None:
        offset = self._offset
        parcel = Parcel(Batch([], [], []), offset, offset, sealed=offset, idle=self._idle, records=records)
        self._progress.acknowledge([parcel], 0)

    def _put(self, segment: SealedSegment) -> None:
        outcome = self._sink.put(segment)
        if isinstance(outcome, Delivered):
            self._backoff.delivered()
            self._moved_at = self._clock()
            self._progress.tell(sink_entries.DELIVERING)
            if outcome.notice:
                self._progress.notice(outcome.notice)
            self._offset, self._idle = segment.end, segment.idle
            self._done_base = self._done_base if segment.idle else segment.base
            self._acknowledge(parse_seal(segment.seal).records)
            return
        self._on_retry(outcome)

    def _on_retry(self, retry: Retry) -> None:
        self._progress.tell(sink_entries.CONFIG_FAULT if retry.config_fault else sink_entries.RETRYING, retry.why)
        patient = not retry.config_fault and self._clock() - self._moved_at < ONCE_PATIENCE_SECONDS
        if self._wait.once and not patient:
            raise SinkError(f"sink {self._progress.name}: {retry.why}", "What was not delivered stays in the journal")
        self._wait.pause(self._backoff.next_seconds(retry.after_seconds, config_fault=retry.config_fault))
