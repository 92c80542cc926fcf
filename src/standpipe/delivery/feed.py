"""From the journal to what one sink is sent: read, frame, select, encode, cut into parcels.

A parcel is one batch and what its acknowledgement means for the cursor. Parcels follow on one another without a gap,
also where nothing in a stretch of the journal is for this sink: then the batch is empty. A seal goes out, where the
sink gets seals, as soon as it is there and all that it covers has gone before.

Memory: one read of READ_BYTES, or one record where that is larger (the framer's limit bounds it), as records; its
payloads are made a parcel at a time, when the pump asks for one. The parts of a very large record likewise.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from standpipe.errors import JournalError
from standpipe.journal.span import Hole
from standpipe.records.framing import Framer, Record
from standpipe.sinks.base import Batch, Unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from standpipe.delivery.seal_feed import SealFeed
    from standpipe.journal.cursor import Cursor
    from standpipe.journal.segments import Segment
    from standpipe.journal.span import Compressed, Span
    from standpipe.records.dropping import Dropper
    from standpipe.records.selection import Selects
    from standpipe.sinks.base import Limits

READS_A_CALL = 16  # 4 MiB of records of which none is for this sink; then signals, answers and the clock are looked at
READ_BYTES = 256 << 10  # 128 usual records: a system call each does not count, and the memory does not either


@dataclass(slots=True)
class Parcel:
    """A batch, and the cursor after it: offset, `after`, the end of the last seal in it (None: as before).

    records: how many of the journal's records end in it, without those that were filtered, and the seals. unfit: those
    that the sink cannot encode, and why; they are among `records`. size_bytes: of its payloads.
    """

    batch: Batch
    offset: int
    after: int
    sealed: int | None = None
    idle: int = 0
    records: int = 0
    filtered: int = 0
    size_bytes: int = 0
    unfit: list[tuple[Record, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a sink is to get, and in which form. prefix: Vault's, before each record. None: no selection, and so on."""

    encode: Callable[[Record, int], bytes | Sequence[bytes]]
    limits: Limits
    prefix: bytes = b""
    selection: Selects | None = None
    dropper: Dropper | None = None
    seals: SealFeed | None = None


class UnreadableError(JournalError):
    """What comes next in the journal cannot be read now. Nothing was passed over: it may be asked for again."""


class ReadsJournal(Protocol):
    """What is asked of a reader: see JournalReader."""

    @property
    def base(self) -> int:
        """The first address that holds data."""

    @property
    def end(self) -> int:
        """The address after the last byte."""

    @property
    def segments(self) -> list[Segment]:
        """The segments, in order."""

    @property
    def seal_places(self) -> list[tuple[int, int]]:
        """The places of all seals in the chain, in order."""

    def span(self, offset: int) -> Span | Compressed | Hole | None:
        """Say what is at an offset."""

    def read(self, offset: int, limit: int) -> bytes:
        """Read bytes."""


class Feed:
    """One sink's; one thread's. `torn` is told of torn records that follow on one another."""

    def __init__(
        self, reader: ReadsJournal, wanted: Wanted, cursor: Cursor, torn: Callable[[list[Record]], None]
    ) -> None:
        self._reader = reader
        self._wanted = wanted
        self._limits = wanted.limits
        self._tell_torn = torn
        self._framer = Framer(cursor.offset, wanted.prefix)
        self._ready: deque[Parcel] = deque()
        self._work: Iterator[None] | None = None  # records that were read and are not in parcels yet
        self._opened_at: float | None = None
        self.has_more = False  # `next` gave nothing only because it had read enough for one call
        self._offset = cursor.offset  # everything before it is in a parcel, or in the open one
        self._after = cursor.after
        self._open()

    def _open(self) -> None:
        self._batch = Batch([], [], [])
        self._size = 0
        self._parcel = Parcel(self._batch, self._offset, self._after)

    def next(self, now: float, *, at_once: bool = False, reads: int = READS_A_CALL) -> Parcel | None:
        """Return the next parcel; None where there is none yet. now: monotonic seconds. at_once: do not linger.

        reads: of the journal, at most; a parcel that is wanted at once then has what one read brought, if that is 1.

        Raises UnreadableError where the journal cannot be read on; what was read before has gone out then.
        """
        try:
            self._fill(reads)
        except UnreadableError:
            if not self._batch.payloads:
                raise
            self._close()
        if self._ready:
            return self._ready.popleft()
        if not self._batch.payloads:
            return None
        if self._opened_at is None:
            self._opened_at = now
        if (at_once and (reads == 1 or not self.has_more)) or now - self._opened_at >= self._limits.linger_seconds:
            self._close()
            return self._ready.popleft()
        return None

    def _fill(self, most: int) -> None:
        """Work until a parcel is ready, or enough was read, or there is nothing more to read."""
        reads = 0
        self.has_more = False
        while not self._ready:
            if self._go_on() or self._take_seals(at_once=False):
                continue
            if reads >= most:
                self.has_more = True
                return
            if not self._read():
                self._take_seals(at_once=True)
                return
            reads += 1

    def linger_seconds(self, now: float) -> float | None:
        """Return how long the open batch may still wait; None where nothing is in it."""
        if self._opened_at is None:
            return None
        return max(0.0, self._opened_at + self._limits.linger_seconds - now)

    def last(self) -> Parcel | None:
        """Return what is left when nothing will follow: a line without its newline, as a torn record; or None."""
        records = self._framer.finish()
        if records:
            self._work = self._take(records, self._framer.offset)
        return self.next(0.0, at_once=True)

    def _read(self) -> bool:
        """Read once; False where there is nothing to read."""
        position = self._framer.offset + self._framer.pending
        try:
            data = self._reader.read(position, READ_BYTES)
            hole = None if data else self._reader.span(position)
        except (JournalError, OSError) as error:
            raise UnreadableError(str(error)) from error
        if data:
            records = self._framer.feed(data)
        else:
            if not isinstance(hole, Hole):
                return False
            self._work = self._take(self._framer.skip_to(hole.end), hole.end, after=hole.end)
            return True
        self._work = self._take(records, self._framer.offset)
        return True

    def _go_on(self) -> bool:
        """Work on until a parcel is ready or all that was read is in parcels; False where nothing is left to do."""
        if self._work is None:
            return False
        if next(self._work, self) is self:
            self._work = None
        return True

    def _parcel_has_something(self) -> bool:
        return self._offset > self._parcel.offset or bool(self._batch.payloads or self._parcel.unfit)

    def _take(self, records: list[Record], end: int, after: int | None = None) -> Iterator[None]:
        """Select, encode and put into parcels; yield whenever one is ready.

        end: the offset after the last record. after: what the next record is to say as `after`, where a hole comes
        before it: the end of the hole, for what was in it is lost, and was not filtered.

        One loop, with what it needs in locals: it is most of ship's work.
        """
        wanted = self._wanted
        selection, dropper, encode = wanted.selection, wanted.dropper, wanted.encode
        batch_bytes, batch_records = self._limits.batch_bytes, self._limits.batch_records
        overhead = self._limits.record_overhead_bytes
        torn = [record for record in records if record.torn]
        if torn:
            self._tell_torn(torn)
        batch, parcel, previous = self._batch, self._parcel, self._after
        for record in records:
            if selection is not None and not selection.wants(record):
                parcel.filtered += 1
                continue
            sent = record if dropper is None else dropper.apply(record)
            try:
                payload = encode(sent, previous)
            except Unfit as unfit:
                parcel.unfit.append((sent, str(unfit)))
                parcel.records += 1
                continue
            for piece in (payload,) if isinstance(payload, bytes) else payload:
                size = len(piece) + overhead
                if self._size + size > batch_bytes or len(batch.payloads) >= batch_records:
                    if self._close_before(record, previous):
                        yield
                    batch, parcel = self._batch, self._parcel
                batch.records.append(sent)
                batch.payloads.append(piece)
                batch.afters.append(previous)
                self._size += size
            previous = record.offset + record.length
            parcel.records += 1
        self._after = previous if after is None else after
        self._offset = end
        if not self._batch.payloads and self._parcel_has_something():
            self._close()  # so that a stretch of which nothing is for this sink moves its cursor

    def _close_before(self, record: Record, after: int) -> bool:
        """Close the parcel, because a record does not fit; False where there is nothing in it."""
        if not self._batch.payloads:
            return False
        self._offset = record.offset  # also where a part of it is in this parcel: it counts when all of it is sent
        self._after = after
        self._close()
        return True

    def _take_seals(self, *, at_once: bool) -> bool:
        """Put the seals that are due into parcels, also while there is a backlog; False where there is none."""
        if self._wanted.seals is None:
            return False
        for seal in self._wanted.seals.due(self._offset, at_once=at_once):
            self._take_seal(seal)
        return bool(self._ready)

    def _take_seal(self, seal: Record) -> None:
        try:
            payload = self._wanted.encode(seal, self._after)
        except Unfit as unfit:
            self._parcel.unfit.append((seal, str(unfit)))
            payload = ()
        if self._batch.payloads:
            self._close()
        for piece in (payload,) if isinstance(payload, bytes) else payload:
            self._batch.records.append(seal)
            self._batch.payloads.append(piece)
            self._batch.afters.append(self._after)
        self._parcel.sealed, self._parcel.idle = seal.end, seal.idle
        self._close()

    def _close(self) -> None:
        """Give the open parcel away: it ends where the last whole record does."""
        self._parcel.offset = self._offset
        self._parcel.after = self._after
        self._parcel.size_bytes = self._size
        self._ready.append(self._parcel)
        self._opened_at = None
        self._open()
