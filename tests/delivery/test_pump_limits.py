"""What a pump does not do, however its destination and its journal behave: give up too much, hold too much, hang."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import SelectConfig
from standpipe.delivery import feed as feeding
from standpipe.delivery.pump import REFUSALS_TRUSTED
from standpipe.delivery.waiting import Waiting
from standpipe.errors import SinkError
from standpipe.journal.reader import JournalReader
from standpipe.journal.sink_entries import CONFIG_FAULT, DELIVERING, JOURNAL_DAMAGED
from standpipe.records.selection import Selection
from standpipe.sinks.base import Delivered, Limits, Poison, Split
from tests.delivery.pump_rig import Rig, Sink
from tests.evidence.craft import records
from tests.processes.front_door import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.sinks.base import Batch, Outcome

SIZE = 120  # bytes of a record


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Return a rig without a journal yet."""
    made = Rig(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("refusal", [Poison("400: no such index"), Split("413")])
def test_a_destination_that_begins_to_refuse_everything(rig: Rig, refusal: Outcome) -> None:
    """A few records may be their own fault; then it is the destination's, and the rest waits for a person."""
    rig.journal.add(records(0, 500))
    answered = [0]

    def send(_batch: Batch) -> Outcome:
        answered[0] += 1
        return Delivered() if answered[0] <= 3 else refusal

    rig.wait.drain()
    rig.begin(rig.pump(Sink(Limits(1 << 20, 10), send)))
    wait_until(lambda: "takes nothing until somebody mends it" in rig.messages(), "it is told")
    assert CONFIG_FAULT == rig.state()
    rig.wait.stop()
    rig.join()
    assert list(range(30 * SIZE, (30 + REFUSALS_TRUSTED) * SIZE, SIZE)) == rig.dead()
    assert rig.cursor().offset <= (30 + REFUSALS_TRUSTED) * SIZE


def test_refused_records_among_good_ones(rig: Rig) -> None:
    """Whatever passes in between renews the trust: as many as there are become dead letters."""
    rig.journal.add(records(0, 200))
    bad = set(range(0, 200 * SIZE, 5 * SIZE))

    def send(batch: Batch) -> Outcome:
        return Poison("400") if bad & {record.offset for record in batch.records} else Delivered()

    rig.wait.drain()
    sink = Sink(Limits(1 << 20, 50), send)
    rig.pump(sink).run()
    assert sorted(bad) == sorted(rig.dead())
    assert 200 * SIZE == rig.cursor().offset


class Stepping(Waiting):
    """Waits by telling the test how it stands."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.draining = self.end_proven = True
        self.gate = threading.Semaphore(0)
        self.held = 0
        self.most = 0

    def pause(self, seconds: float | None) -> bool:
        """Note what the pump holds, for it wants no more for now, and let one attempt end."""
        self.most = max(self.most, self.held)
        self.gate.release()
        return super().pause(seconds)


@pytest.mark.parametrize("in_flight", [1, 8])
def test_very_large_records_are_held_one_by_one(rig: Rig, in_flight: int) -> None:
    """What is held at a time is bounded in bytes, however many batches may be under way."""
    large = 50_000
    for _ in range(20):
        rig.journal.add(b'{"pad":"%s"}\n' % (b"x" * large))
    wait = Stepping(rig.layout.segments)
    limits = Limits(1000, 1000, in_flight=in_flight)

    class Holding(Sink):
        def encode(self, record, after):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            wait.held += record.length
            return super().encode(record, after)

    def send(batch: Batch) -> Outcome:
        wait.gate.acquire()
        wait.held -= sum(record.length for record in batch.records)
        return Delivered()

    sink = Holding(limits, send)
    rig.pump(sink, wait=wait).run()
    wait.close()
    assert 20 == len(sink.got)
    assert wait.most <= 3 * large, "one in the window, and one more in the feed or on its way"


def test_a_stop_does_not_wait_for_a_scan(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a selection that nothing meets, a stop is seen after a few reads."""
    monkeypatch.setattr(feeding, "READ_BYTES", SIZE)
    rig.journal.add(b'{"request":{"operation":"delete"}}\n'.rjust(SIZE) + records(0, 2000))

    class Stopping(JournalReader):
        reads = 0

        def read(self, offset: int, limit: int) -> bytes:
            self.reads += 1
            if self.reads == 10:
                rig.wait.stop()
            return super().read(offset, limit)

    reader = Stopping(rig.layout)
    narrow = Selection(SelectConfig(operations=("delete",)))
    rig.pump(Sink(Limits(1 << 20, 1000)), selection=narrow, reader=reader).run()
    assert reader.reads <= 10 + feeding.READS_A_CALL


def test_damage_in_the_journal_stops_one_sink(rig: Rig) -> None:
    """What comes before it is delivered; it is told as what it is, tried again, and goes on once it is mended."""
    rig.journal.add()
    broken = rig.journal.compress(rig.journal.seal(rig.journal.add()))
    rig.journal.add()
    path = rig.journal.file(broken, ".log.zst")
    good = path.read_bytes()
    rig.journal.flip(path, 60, 255)
    now = [0.0]
    sink = Sink(Limits(1 << 20, 1000))
    rig.begin(rig.pump(sink, clock=lambda: now[0]))
    wait_until(lambda: rig.cursor().offset == broken, "what comes before is acknowledged")
    wait_until(lambda: rig.state() == JOURNAL_DAMAGED, "it is told")
    assert 1 == rig.messages().count("cannot be read from the journal")
    rig.journal.write(path, good)
    now[0] = 1e6
    rig.wait.drain()
    rig.join()
    assert [(offset, offset) for offset in range(0, 1800, SIZE)] == sink.got
    assert DELIVERING == rig.state()


def test_once_ends_at_damage_with_what_comes_before(rig: Rig) -> None:
    """A job does not wait for a person; what could be read is delivered, and the words name the file."""
    rig.journal.add()
    broken = rig.journal.compress(rig.journal.seal(rig.journal.add()))
    rig.journal.add()
    rig.journal.flip(rig.journal.file(broken, ".log.zst"), 60, 255)
    wait = Waiting(rig.layout.segments, once=True)
    sink = Sink(Limits(1 << 20, 1000))
    with pytest.raises(SinkError, match=r"log\.zst is damaged"):
        rig.pump(sink, wait=wait).run()
    wait.close()
    assert list(range(0, 600, SIZE)) == [offset for offset, _ in sink.got]
    assert broken == rig.cursor().offset


@pytest.mark.parametrize("batch_records", [1, 3])
def test_once_tries_what_follows_a_refused_record(rig: Rig, batch_records: int) -> None:
    """The first record of all is refused: others that pass prove that it is its own fault."""
    rig.journal.add(records(0, 6))
    sink = Sink(
        Limits(1 << 20, batch_records),
        lambda batch: Poison("400") if batch.records[0].offset == 0 else Delivered(),
    )
    wait = Waiting(rig.layout.segments, once=True)
    rig.pump(sink, wait=wait).run()
    wait.close()
    assert [0] == rig.dead()
    assert set(range(SIZE, 6 * SIZE, SIZE)) == {offset for offset, _ in sink.got}
    assert 6 * SIZE == rig.cursor().offset


def test_once_does_not_give_up_what_may_be_the_destination_s_fault(rig: Rig) -> None:
    """Where nothing else is there to try, a job ends with the refusal, and nothing is given up."""
    rig.journal.add(records(0, 1))
    wait = Waiting(rig.layout.segments, once=True)
    with pytest.raises(SinkError, match="400"):
        rig.pump(Sink(Limits(1 << 20, 10), lambda _: Poison("400")), wait=wait).run()
    wait.close()
    assert ([], 0) == (rig.dead(), rig.cursor().offset)


def test_the_segment_in_which_a_sink_began_is_released(rig: Rig) -> None:
    """Its seal is sent, and then nothing of the segment is held: a small journal would wait for ever for it."""
    rig.journal.seal(rig.journal.add())
    rig.journal.add(b"", mode=0o600)
    rig.wait.drain()
    sink = Sink(Limits(1 << 20, 1000))
    rig.pump(sink, start=2 * SIZE, seals=True).run()
    assert (list(range(2 * SIZE, 600, SIZE)), [0]) == ([offset for offset, _ in sink.got], sink.seals)
    assert (600, 600) == (rig.cursor().offset, rig.cursor().released)
