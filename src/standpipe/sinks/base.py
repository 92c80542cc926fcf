"""The sink contract: what a destination is asked, and what it may answer.

A sink encodes records and sends batches of what it encoded. It never retries, sleeps, logs or drops: it tries once and
says what came of it, and the pump (delivery.pump) decides. So a new destination is a small file: `limits`, `encode`,
`send`, `checks`, `close`.

===========  ==================================================  ==================================================
answer       meaning                                             what the pump does
===========  ==================================================  ==================================================
`Delivered`  the destination has the whole batch                 acknowledges it
`Retry`      not now; the same batch may pass later              sends the same bytes again, later, for ever
`Split`      too large as a whole                                sends halves; one record alone is a dead letter
`Poison`     never: something in it will not be taken            sends halves until one record is left: dead letter
`PerRecord`  some records of it; all others are delivered        acknowledges, retries, dead-letters each of them
===========  ==================================================  ==================================================

**Stable.** What `encode` returns depends on the record, `after` and the configuration alone: no clock, no random
number, no counter. A batch that is sent again has the same ids and the same bytes, record by record, though batches may
be cut elsewhere.

**Threads.** `encode` is called by the pump's thread only, `send` by up to `limits.in_flight` threads at once. An
exception out of `send` or `encode`, besides `Unfit`, is a fault of the sink's code: it ends the process, and the
supervisor starts another one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from standpipe.config_sinks import BatchConfig, SinkConfig
    from standpipe.preflight import Check
    from standpipe.records.framing import Record


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination has all of it, as durably as its protocol can say. notice: what a person should know, once."""

    notice: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """It was not taken, or nobody knows whether it was.

    why: in words, for status and the log, never with a secret in it. after_seconds: what the destination asked for
    (Retry-After), None where it did not. config_fault: only a person can mend it (403, a wrong name, TLS that does not
    verify): told loudly, and tried again slowly. timed_out: there was no answer in time: a smaller batch may do better.
    """

    why: str
    after_seconds: float | None = None
    config_fault: bool = False
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """It is too large as a whole; smaller batches may be taken."""

    why: str


@dataclass(frozen=True, slots=True)
class Poison:
    """It will never be taken.

    certain: the destination named the very record. Where it only refused the request (a 400), say False: a wrong
    address answers so as well, and the pump then wants to see another record pass before it believes it.
    """

    why: str
    certain: bool = False


@dataclass(frozen=True, slots=True)
class PerRecord:
    """What became of single records, by their index in the batch; those that are not named are delivered."""

    faults: Mapping[int, Retry | Poison]


Outcome = Delivered | Retry | Split | Poison | PerRecord


class Unfit(Exception):  # noqa: N818 - it says what a record is
    """Raised by `encode`: the destination can never take this record (too large, say). The text says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may go at once, by the destination's rules.

    batch_bytes counts payloads and record_overhead_bytes for each. linger_seconds: how long an incomplete batch may
    wait for more records. in_flight: how many batches may be under way at the same time; 1 where order matters.
    """

    batch_bytes: int
    batch_records: int
    linger_seconds: float = 0.0
    in_flight: int = 1
    record_overhead_bytes: int = 0


def wished(
    limits: Limits, wish: BatchConfig, *, bytes_max: int | None = None, frame_bytes: int = 0, in_order: bool = False
) -> Limits:
    """Return the limits of a sink's type with what the config asks for (`batch`) in their place.

    limits: what the type does by itself; its batch_bytes, like `batch.size`, are all that is sent at once. bytes_max:
    the most that the destination takes at once; a larger wish is cut down to it. frame_bytes: what is sent besides the
    payloads; the batch_bytes that are returned are without it. in_order: one batch is under way, whatever is asked,
    because two would change the order.
    """
    size_bytes = wish.size_bytes or limits.batch_bytes
    if bytes_max is not None:
        size_bytes = min(size_bytes, bytes_max)
    return replace(
        limits,
        batch_bytes=max(size_bytes - frame_bytes, 1),
        batch_records=wish.records or limits.batch_records,
        linger_seconds=limits.linger_seconds if wish.age_seconds is None else wish.age_seconds,
        in_flight=1 if in_order else wish.in_flight or limits.in_flight,
    )


@dataclass(slots=True)
class Batch:
    """What is sent at once: three lists of the same length. A record in several parts is there several times."""

    records: list[Record]
    payloads: list[bytes]
    afters: list[int]

    def __len__(self) -> int:
        """Return how many payloads it has."""
        return len(self.payloads)

    def pick(self, indexes: Sequence[int]) -> Batch:
        """Return a batch of some of it."""
        return Batch(
            [self.records[i] for i in indexes], [self.payloads[i] for i in indexes], [self.afters[i] for i in indexes]
        )

    def halves(self) -> tuple[Batch, Batch]:
        """Return its first and its second half; there must be two payloads at least."""
        middle = len(self) // 2
        return self.pick(range(middle)), self.pick(range(middle, len(self)))


@dataclass(frozen=True, slots=True)
class Context:
    """What a sink knows of its journal. node: the machine's or pod's name, as journal.json has it."""

    journal_id: str
    node: str


class Sink(Protocol):
    """A destination; see the module's docstring."""

    @property
    def limits(self) -> Limits:
        """How much may go at once."""

    def encode(self, record: Record, after: int) -> bytes | Sequence[bytes]:
        """Return the payload of a record, or of each part where it must go in several.

        after: the end of the previous record that was sent to this sink. record.is_seal may be set where seals are
        delivered. Raises Unfit.
        """

    def send(self, batch: Batch) -> Outcome:
        """Try once to deliver a batch, and say what came of it."""

    def checks(self) -> list[Check]:
        """Return the pre-flight checks: is it there, may we write; they deliver nothing where that can be avoided."""

    def close(self) -> None:
        """Close connections. No `send` is under way."""


class SinkType(Protocol):
    """What a module of a sink offers under the name `open_sink`."""

    def __call__(self, config: SinkConfig, context: Context) -> Sink:
        """Make the sink. Connects to nothing: a destination that is down must not stop a start.

        Raises UsageError for what only the complete options show, SinkError for what cannot be used.
        """


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """A closed segment for a sink that takes segments whole; or an idle seal, which has no segment.

    base, end: journal offsets. seal: the bytes of its seal file. first_time: RFC 3339, of its first record; "" where it
    has none. path: its file, `.log` or `.log.zst` as `compressed` says; keep may replace the first by the second at
    any time, so a missing file means: answer Retry and be asked again with the new path. idle: 0; the number of an idle
    seal: base and end are the same then, only the seal is to be stored, and path is the seal's own file.
    """

    base: int
    end: int
    seal: bytes
    first_time: str
    path: str
    compressed: bool
    idle: int = 0


class ArchiveSink(Protocol):
    """A destination of whole segments: `objects`. Everything else in this module's docstring holds for it as well."""

    def put(self, segment: SealedSegment) -> Delivered | Retry:
        """Store a segment and its seal, or find that they are there already."""

    def checks(self) -> list[Check]:
        """See Sink."""

    def close(self) -> None:
        """See Sink."""
