"""Cursor → batch → sink → acknowledge, for every destination that takes batches of records.

Theory of operation. One thread, this one, owns the sink's cursor and decides everything; the sender threads only call
`send`. Parcels are taken from the feed as long as the window has room; their batches are submitted; answers come back
in any order and are judged (delivery.judge). The cursor moves when the parcels at the window's front are done.

``retry``   While a retry is due later nothing is submitted: one sink has one destination, and one pause. What was
            waiting goes first then, in the order of the journal, the same bytes.
``dead``    A record that will never be taken is on the disk as a dead letter before its flight can be done.
``pace``    A batch for which there was no answer in time goes in smaller pieces (delivery.pace).
``doubt``   See delivery.judge. A doubtful record lets the others of its flight go first, and one parcel more than
            usual may be under way, to see whether anything passes at all.

A stop (SIGTERM) waits STOP_SECONDS for attempts under way; what is not acknowledged then is sent again by the next
start, with the same ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.delivery.feed import UnreadableError
from standpipe.delivery.judge import judge
from standpipe.delivery.pace import Pace
from standpipe.delivery.progress import UNREADABLE_RETRY_SECONDS
from standpipe.delivery.senders import Senders
from standpipe.delivery.window import Window
from standpipe.errors import SinkError
from standpipe.journal import sink_entries
from standpipe.sinks.base import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from standpipe.delivery.backoff import Backoff
    from standpipe.delivery.deadletter import DeadLetters
    from standpipe.delivery.feed import Feed, Parcel
    from standpipe.delivery.progress import Progress
    from standpipe.delivery.window import Flight
    from standpipe.records.framing import Record
    from standpipe.sinks.base import Batch, Outcome, Retry, Sink

STOP_SECONDS = 2.0  # how long a stop waits for attempts under way: usual ones end in a tenth of it
DEAD_LETTER_RETRY_SECONDS = 5.0  # a full disk, or a full dead-letter file: somebody has to act
REFUSALS_TRUSTED = 8  # one by one and with nothing delivered in between; after these the address is doubted
DOUBTS_BEFORE_A_PAUSE = 8  # records that are tried alone before this looks like a wrong address
ONCE_PATIENCE_SECONDS = 60.0  # with --once: give up after so long in which nothing was taken


class Pump:
    """Delivers one journal to one sink. Times are monotonic seconds."""

    def __init__(
        self,
        sink: Sink,
        feed: Feed,
        progress: Progress,
        dead_letters: DeadLetters,
        backoff: Backoff,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        limits = sink.limits
        self._sink = sink
        self._in_flight = limits.in_flight
        self._batch_bytes = limits.batch_bytes
        self._feed = feed
        self._progress = progress
        self._wait = progress.wait
        self._dead_letters = dead_letters
        self._backoff = backoff
        self._clock = clock
        self._wall_clock = wall_clock
        self._window = Window()
        self._senders = Senders(progress.name, limits.in_flight, sink.send, self._wait.wake)
        self._in_air = 0
        self._retry_at: float | None = None
        self._doubts = 0
        self._pace = Pace(limits.batch_bytes)
        self._trust = 0  # so many records may be given up on their requests' refusal alone
        self._buried: list[tuple[Flight, Record, str]] = []  # dead letters that are not on the disk yet
        self._bury_at = 0.0
        self._dead: set[tuple[int, bool, int]] = (
            set()
        )  # offset, is it a seal, and which idle one: of what is buried and not acknowledged yet
        self._unreadable = False  # the journal, where this sink stands
        self._read_at = 0.0
        self._moved_at = clock()

    def run(self) -> None:
        """Deliver until told to stop. Raises SinkError with `once`, where the sink takes nothing."""
        try:
            while not self._wait.stop_now:
                self._take_results()
                self._bury()
                self._acknowledge()
                self._submit()
                if self._fill():
                    continue
                if self._wait.once:
                    self._check_patience()
                if self._is_over():
                    break
                self._pause()
        finally:
            self._end()

    def _end(self) -> None:
        ended = self._senders.stop(STOP_SECONDS)
        self._take_results()
        self._bury()
        self._acknowledge()
        if ended:  # else an attempt may still use it
            self._sink.close()
        self._progress.end()

    # Out.

    def _fill(self) -> bool:
        """Take a parcel where the window has room; tell whether there was one."""
        if not self._has_room():
            return False
        parcel = self._next_parcel()
        if parcel is None:
            return self._feed.has_more and not self._unreadable
        flight = self._window.add(parcel)
        self._condemn(flight, parcel.unfit)
        return True

    def _next_parcel(self) -> Parcel | None:
        """Return the next parcel, if there is one; what cannot be read stops this sink alone, and is tried again."""
        try:
            parcel = self._feed.next(self._clock(), at_once=self._wait.draining)
        except UnreadableError as error:
            self._unreadable = True
            self._progress.tell(sink_entries.JOURNAL_DAMAGED, str(error))
            self._read_at = self._clock() + UNREADABLE_RETRY_SECONDS
            return None
        if self._unreadable and parcel is not None:
            self._unreadable = False
            self._progress.tell(sink_entries.DELIVERING)
        if parcel is None and not self._feed.has_more and self._reached_proven_end():
            parcel = self._feed.last()
        return parcel

    def _has_room(self) -> bool:
        """One parcel more than may be in flight is made ready, so that reading and sending go on at the same time.

        Bytes count as well: one very large record is enough for all of them.
        """
        doubt = 1 if self._doubts else 0
        if not doubt and self._window.size_bytes > self._in_flight * self._batch_bytes:
            return False
        if self._unreadable and self._clock() < self._read_at:
            return False
        return len(self._window) < self._in_flight + 1 + doubt and (self._retry_at is None or doubt > 0)

    def _reached_proven_end(self) -> bool:
        return self._wait.draining and self._wait.end_proven and not self._wait.goes_on()

    def _submit(self) -> None:
        """Have sent what waits, in order, unless a pause is on."""
        if self._retry_at is not None:
            if self._clock() < self._retry_at:
                return
            self._retry_at = None
        for flight in self._window:
            while flight.todo and self._in_air < self._in_flight + (1 if self._doubts else 0):
                pieces = self._pace.cut(flight.todo.popleft())
                flight.todo.extendleft(reversed(pieces[1:]))
                self._send(flight, pieces[0])

    def _send(self, flight: Flight, batch: Batch) -> None:
        flight.in_air += 1
        self._in_air += 1
        self._senders.submit(flight, batch)

    # Back.

    def _take_results(self) -> None:
        for flight, batch, outcome in self._senders.results():
            flight.in_air -= 1
            self._in_air -= 1
            self._take(flight, batch, outcome)

    def _take(self, flight: Flight, batch: Batch, outcome: Outcome) -> None:
        verdict = judge(outcome, batch, trust=self._trust)
        self._condemn(flight, [(batch.records[index], why) for index, why in verdict.dead])
        self._trust -= len(verdict.dead)
        self._pace.learn(batch, outcome)
        if verdict.delivered:
            self._trust = REFUSALS_TRUSTED
            self._doubts = 0
            self._moved_at = self._clock()
            if isinstance(outcome, Delivered) and outcome.notice:
                self._progress.notice(outcome.notice)
        if verdict.doubtful:
            flight.todo.extend(verdict.again)
            self._on_doubt(flight, verdict.retry)
            return
        flight.todo.extendleft(reversed(verdict.again))
        if verdict.retry is not None:
            self._on_retry(verdict.retry)
        elif verdict.delivered:
            self._backoff.delivered()
            if not (self._unreadable or self._buried):
                self._progress.tell(sink_entries.DELIVERING)

    def _on_doubt(self, flight: Flight, retry: Retry | None) -> None:
        """Pause only where there is nothing else in the flight to try, or enough of it has been refused."""
        self._doubts += 1
        if retry is not None and (len(flight.todo) <= 1 or self._doubts % DOUBTS_BEFORE_A_PAUSE == 0):
            self._on_retry(retry)

    def _on_retry(self, retry: Retry) -> None:
        if self._retry_at is None:  # several batches fail together: that is one failure
            seconds = self._backoff.next_seconds(retry.after_seconds, config_fault=retry.config_fault)
            self._retry_at = self._clock() + seconds
        self._progress.tell(sink_entries.CONFIG_FAULT if retry.config_fault else sink_entries.RETRYING, retry.why)

    # Dead letters.

    def _condemn(self, flight: Flight, letters: Sequence[tuple[Record, str]]) -> None:
        flight.unburied += len(letters)
        self._buried += [(flight, record, why) for record, why in letters]

    def _bury(self) -> None:
        """Put dead letters on the disk, each with an incident. What the disk refuses keeps its flight open."""
        if not self._buried or self._clock() < self._bury_at:
            return
        letters: dict[tuple[int, bool, int], tuple[Flight, Record, str]] = {}
        for flight, record, why in self._buried:  # once for a record of which several parts were refused
            key = (record.offset, record.is_seal, record.idle)
            if key not in self._dead:
                letters.setdefault(key, (flight, record, why))
        written, refused = self._write_letters([(record, why) for _, record, why in letters.values()])
        for key, (flight, record, why) in list(letters.items())[:written]:
            flight.dead += 1
            self._dead.add(key)
            self._progress.dead_letter(record, why)
        left = []
        for flight, record, why in self._buried:
            if (record.offset, record.is_seal, record.idle) in self._dead:
                flight.unburied -= 1
            else:
                left.append((flight, record, why))
        self._buried = left
        if refused is not None:
            self._bury_at = self._clock() + DEAD_LETTER_RETRY_SECONDS
            self._progress.tell(sink_entries.DEAD_LETTERS_FULL, refused)
        elif self._progress.state[0] == sink_entries.DEAD_LETTERS_FULL:
            self._progress.tell(sink_entries.DELIVERING)

    def _write_letters(self, letters: Sequence[tuple[Record, str]]) -> tuple[int, str | None]:
        """Write them at once, or where not all fit one by one; return how many are on the disk, and why no more."""
        refused = self._dead_letters.add(letters, self._wall_clock())
        if refused is None:
            return len(letters), None
        for number, letter in enumerate(letters if len(letters) > 1 else ()):
            refused = self._dead_letters.add([letter], self._wall_clock())
            if refused is not None:
                return number, refused
        return (0, refused) if len(letters) == 1 else (len(letters), None)

    # The cursor.

    def _acknowledge(self) -> None:
        done = self._window.acknowledged()
        if done:
            self._progress.acknowledge([flight.parcel for flight in done], sum(flight.dead for flight in done))
            self._moved_at = self._clock()
        if not len(self._window):
            self._dead.clear()

    # Waiting.

    def _is_over(self) -> bool:
        return self._wait.draining and not len(self._window) and not self._buried and not self._unreadable

    def _pause(self) -> None:
        now = self._clock()
        moments = (
            self._retry_at,
            self._bury_at if self._buried else None,
            self._read_at if self._unreadable else None,
        )
        ends = [at for at in moments if at is not None]
        seconds = max(0.0, min(ends) - now) if ends else None
        if not self._has_room():
            self._wait.pause(seconds)
            return
        times = [time for time in (seconds, self._feed.linger_seconds(now)) if time is not None]
        self._wait.for_data(min(times, default=None))

    def _check_patience(self) -> None:
        """With `once`: do not wait for ever. Raises SinkError."""
        state, why = self._progress.state
        hopeful = state == sink_entries.RETRYING or (self._doubts > 0 and len(self._window) > 1)  # others go next
        patient = hopeful and self._clock() - self._moved_at < ONCE_PATIENCE_SECONDS
        lets_go = state == sink_entries.JOURNAL_DAMAGED and len(self._window) > 0  # what could be read goes out first
        if state not in (sink_entries.DELIVERING, "") and not patient and not lets_go:
            raise SinkError(f"sink {self._progress.name}: {why}", "What was not delivered stays in the journal")
