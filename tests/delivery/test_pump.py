"""The pump against a destination that does whatever hypothesis thinks of: nothing is lost, no cursor lies."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.delivery.backoff import Backoff
from standpipe.delivery.deadletter import DeadLetters
from standpipe.delivery.feed import Feed, Wanted
from standpipe.delivery.ledger import Ledger
from standpipe.delivery.progress import Progress
from standpipe.delivery.pump import Pump
from standpipe.delivery.sink_states import SinkStates
from standpipe.delivery.waiting import Waiting
from standpipe.errors import SinkError
from standpipe.journal import incidents
from standpipe.journal.cursor import Cursor, CursorFile, read_cursor
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.sink_entries import SinkEntry
from standpipe.journal.sink_entries_store import read_entries
from standpipe.observe.log import Log
from standpipe.sinks.base import Delivered, Limits, PerRecord, Poison, Retry, Split
from tests.evidence.craft import JOURNAL_ID, Crafted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standpipe.preflight import Check
    from standpipe.records.framing import Record
    from standpipe.sinks.base import Batch, Outcome

NAME = "web"
ACTIONS = ("deliver", "retry", "commit-then-retry", "some")


def payload_of(record: Record, after: int) -> bytes:
    """Encode a record: where it is, and after what."""
    return b"%d %d %s" % (record.offset, after, record.body)


class Destination:
    """A sink whose answers come from a script, and then are good. Poison is always refused, in one of two ways."""

    def __init__(self, limits: Limits, script: list[str], poison: set[int], *, named: bool) -> None:
        self.limits = limits
        self.got: list[tuple[int, bytes]] = []
        self.closed = False
        self._script = iter(script)
        self._poison = poison
        self._named = named
        self._lock = threading.Lock()

    def encode(self, record: Record, after: int) -> bytes:
        """See Sink."""
        return payload_of(record, after)

    def checks(self) -> list[Check]:
        """See Sink."""
        return []

    def close(self) -> None:
        """See Sink."""
        self.closed = True

    def send(self, batch: Batch) -> Outcome:
        """Take the next action of the script."""
        with self._lock:
            action = next(self._script, "deliver")
            refused = [i for i, record in enumerate(batch.records) if record.offset in self._poison]
            if len(batch.payloads) > self.limits.batch_records:
                return Split("too many")
            if action == "retry":
                return Retry("not now")
            if refused and not self._named:
                return Poison("one of these")
            good = [i for i in range(len(batch)) if i not in refused]
            if action == "some":
                late = good[1::2]
                self._take(batch, [i for i in good if i not in late])
                faults: dict[int, Retry | Poison] = {i: Retry("later") for i in late}
                return PerRecord(faults | {i: Poison("this one", certain=True) for i in refused})
            self._take(batch, good)
            if action == "commit-then-retry":
                return Retry("the connection was reset")
            return PerRecord({i: Poison("this one", certain=True) for i in refused}) if refused else Delivered()

    def _take(self, batch: Batch, indexes: list[int]) -> None:
        self.got += [(batch.records[i].offset, batch.payloads[i]) for i in indexes]


class WatchedCursor(CursorFile):
    """A cursor that checks, at each move, that everything before it has arrived or is a dead letter on the disk."""

    def __init__(self, path: str, settled: Callable[[], set[int]], offsets: list[int]) -> None:
        super().__init__(path)
        self._settled = settled
        self._offsets = offsets

    def update(self, **changes: object) -> Cursor:
        """Check, then write."""
        cursor = super().update(**changes)
        missing = {offset for offset in self._offsets if offset < cursor.offset} - self._settled()
        assert set() == missing, f"the cursor is at {cursor.offset}"
        return cursor


class Rig:
    """A journal of records, and pumps on it."""

    def __init__(self, directory: Path, count: int, size: int = 20) -> None:
        self.layout = Layout(str(directory / "journal"))
        crafted = Crafted(directory / "journal")
        lines = [b'{"n":%d,"pad":"%s"}\n' % (number, b"x" * size) for number in range(count)]
        crafted.add(b"".join(lines))
        crafted.add(b"", mode=0o600)
        self.offsets = [sum(map(len, lines[:number])) for number in range(count)]
        self.end = sum(map(len, lines))
        self.states = SinkStates(self.layout)
        self.states.enter({NAME: SinkEntry("test", 0)})
        self._log = os.open(directory / "messages", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.directory = directory
        self._readers: list[JournalReader] = []
        self.taken_away: list[int] = []  # dead letters that somebody has moved away

    def close(self) -> None:
        """Close what is open."""
        for reader in self._readers:
            reader.close()
        os.close(self._log)

    def dead(self) -> list[int]:
        """Return the offsets of the dead letters that are on the disk."""
        path = Path(self.layout.dead_letters(NAME))
        return [json.loads(line)["offset"] for line in path.read_bytes().splitlines()] if path.exists() else []

    def pump(self, sink: Destination, wait: Waiting, limit_bytes: int = 1 << 20) -> Pump:
        """Return a pump that goes on from the cursor."""
        settled = lambda: {offset for offset, _ in list(sink.got)} | set(self.dead() + self.taken_away)  # noqa: E731
        cursor = WatchedCursor(self.layout.cursor(NAME), settled, self.offsets)
        state = cursor.state or cursor.update(offset=0, after=0)
        ledger = Ledger(self.layout.incidents)
        reader = JournalReader(self.layout)
        self._readers.append(reader)
        return Pump(
            sink,
            Feed(reader, Wanted(sink.encode, sink.limits), state, ledger.torn),
            Progress(NAME, cursor, self.states, wait, Log("ship", self._log)),
            DeadLetters(self.layout, NAME, JOURNAL_ID, limit_bytes, ledger),
            Backoff(lambda: 0.0),
            clock=time.monotonic,
            wall_clock=lambda: 0.0,
        )

    def waiting(self) -> Waiting:
        """Return a waiting that drains."""
        wait = Waiting(self.layout.segments)
        wait.drain()
        return wait

    def deliver(self, sink: Destination) -> None:
        """Deliver everything."""
        wait = self.waiting()
        self.pump(sink, wait).run()
        wait.close()

    def messages(self) -> str:
        """Return what was said."""
        return (self.directory / "messages").read_text()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Make a journal of 50 records."""
    made = Rig(tmp_path, 50)
    yield made
    made.close()


@settings(max_examples=150)
@given(
    count=st.integers(1, 40),
    script=st.lists(st.sampled_from(ACTIONS), max_size=30),
    poison=st.sets(st.integers(1, 39), max_size=5),
    named=st.booleans(),
    in_flight=st.integers(1, 4),
    batch_records=st.integers(1, 9),
)
def test_whatever_a_destination_answers(
    count: int, script: list[str], poison: set[int], *, named: bool, in_flight: int, batch_records: int
) -> None:
    """Each record arrives, or is a dead letter; always the same bytes; each cursor on the way is true."""
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig(Path(directory), count)
        refused = {rig.offsets[number] for number in poison if number < count}
        limits = Limits(1 << 20, batch_records, in_flight=in_flight)
        sink = Destination(limits, script, refused, named=named)
        rig.deliver(sink)
        assert set(rig.offsets) - refused == {offset for offset, _ in sink.got}
        assert sorted(refused) == sorted(rig.dead())
        assert len({offset for offset, _ in sink.got}) == len(set(sink.got)), "a record was sent again with other bytes"
        cursor = read_cursor(rig.layout.cursor(NAME))
        assert cursor is not None
        assert (rig.end, rig.end) == (cursor.offset, cursor.after)
        assert (count - len(refused), len(refused)) == (cursor.delivered, cursor.dead_letters)
        found = Counter(str(entry["kind"]) for entry in incidents.read(rig.layout.incidents))
        assert Counter({"dead-letter": len(refused)}) == found
        assert sink.closed
        rig.close()


def test_order_with_one_batch_in_flight(rig: Rig) -> None:
    """Without several batches in flight, what arrives is in the journal's order, also after retries."""
    sink = Destination(Limits(1 << 20, 7), ["retry", "deliver", "retry", "retry"], set(), named=True)
    rig.deliver(sink)
    assert rig.offsets == [offset for offset, _ in sink.got]


def test_batches_keep_to_their_bytes(rig: Rig) -> None:
    """No batch is larger than the limit, but for one record that is."""
    sizes: list[tuple[int, int]] = []

    class Measuring(Destination):
        def send(self, batch: Batch) -> Outcome:
            sizes.append((len(batch), sum(len(payload) + 10 for payload in batch.payloads)))
            return super().send(batch)

    rig.deliver(Measuring(Limits(200, 1000, record_overhead_bytes=10), [], set(), named=True))
    assert sum(count for count, _ in sizes) == len(rig.offsets)
    assert all(size <= 200 or count == 1 for count, size in sizes)
    assert max(count for count, _ in sizes) > 1


def test_a_record_alone_that_is_refused_waits_until_another_one_passes(tmp_path: Path) -> None:
    """A wrong address refuses everything: a lone record is not given up before anything else was taken."""
    rig = Rig(tmp_path, 1)
    wait = Waiting(rig.layout.segments)
    sink = Destination(Limits(1 << 20, 10), [], {0}, named=False)
    thread = threading.Thread(target=rig.pump(sink, wait).run)
    thread.start()
    until(lambda: "takes nothing until somebody mends it" in rig.messages())
    assert [] == rig.dead()
    with open(rig.layout.segment(rig.end), "ab") as file:
        file.write(b'{"n":1}\n')
    until(lambda: [0] == rig.dead())
    wait.drain()
    thread.join()
    assert [rig.end] == [offset for offset, _ in sink.got]
    rig.close()


def test_a_full_dead_letter_file_stops_the_sink_and_is_told(rig: Rig) -> None:
    """What cannot be put away is not passed over: the sink waits until there is room for its dead letters."""
    wait = Waiting(rig.layout.segments)
    sink = Destination(Limits(1 << 20, 10), [], {rig.offsets[12], rig.offsets[40]}, named=True)
    thread = threading.Thread(target=rig.pump(sink, wait, limit_bytes=10).run)
    thread.start()
    until(lambda: "dead-letters-full" in rig.messages())
    assert [rig.offsets[12]] == rig.dead()
    cursor = read_cursor(rig.layout.cursor(NAME))
    assert cursor is not None
    assert cursor.offset <= rig.offsets[40]
    rig.states.save()
    assert "dead-letters-full" == (read_entries(rig.layout.sinks) or {})[NAME].state
    rig.taken_away += rig.dead()
    os.unlink(rig.layout.dead_letters(NAME))
    until(lambda: [rig.offsets[40]] == rig.dead())
    wait.drain()
    thread.join()


def test_a_fault_of_the_sink_itself_ends_the_pump(rig: Rig) -> None:
    """An exception out of `send` is raised by the pump; nothing is acknowledged for it."""

    class Broken(Destination):
        def send(self, batch: Batch) -> Outcome:
            raise ZeroDivisionError(str(len(batch)))

    with pytest.raises(ZeroDivisionError):
        rig.deliver(Broken(Limits(1 << 20, 10), [], set(), named=True))
    cursor = read_cursor(rig.layout.cursor(NAME))
    assert cursor is not None
    assert cursor.offset == 0


def test_once_ends_with_an_error_where_a_person_is_needed(rig: Rig) -> None:
    """A job that drains and exits does not hang on a fault that only a person can mend."""

    class Forbidden(Destination):
        def send(self, batch: Batch) -> Outcome:
            return Retry(f"403 for {len(batch)}", config_fault=True)

    wait = Waiting(rig.layout.segments, once=True)
    with pytest.raises(SinkError, match="403"):
        rig.pump(Forbidden(Limits(1 << 20, 10), [], set(), named=True), wait).run()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Fixed(Destination):
    """Answers the same to everything, so often; then it takes all."""

    def __init__(self, answer: Retry, times: int) -> None:
        super().__init__(Limits(1 << 20, 10), [], set(), named=True)
        self._answers = [answer] * times

    def send(self, batch: Batch) -> Outcome:
        """See Sink."""
        return self._answers.pop() if self._answers else super().send(batch)


class Noted(Backoff):
    """Notes what it is asked, and lets nobody wait."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.asked: list[tuple[float | None, bool]] = []

    def next_seconds(self, asked_seconds: float | None, *, config_fault: bool) -> float:
        """See Backoff."""
        self.asked.append((asked_seconds, config_fault))
        return 0.0


@pytest.mark.parametrize("answer", [Retry("busy", 7.0), Retry("forbidden", config_fault=True)])
def test_the_pause_is_what_the_answer_asks_for(rig: Rig, answer: Retry) -> None:
    """Retry-After, and that a person has to act, reach the one place that decides how long to wait."""
    wait = rig.waiting()
    sink = Fixed(answer, 2)
    pump = rig.pump(sink, wait)
    noted = Noted()
    pump._backoff = noted
    pump.run()
    wait.close()
    assert [(answer.after_seconds, answer.config_fault)] * 2 == noted.asked
    assert set(rig.offsets) == {offset for offset, _ in sink.got}
