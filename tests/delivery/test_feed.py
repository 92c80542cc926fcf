from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import SelectConfig
from standpipe.delivery import feed as feeding
from standpipe.delivery import seal_feed
from standpipe.errors import JournalError
from standpipe.journal.cursor import Cursor
from standpipe.journal.reader import JournalReader
from standpipe.records.selection import Selection
from standpipe.sinks.base import Limits
from tests.delivery.pump_rig import Rig, Sink
from tests.evidence.craft import records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from standpipe.delivery.feed import Feed
    from standpipe.records.framing import Record

SIZE = 120  # bytes of a record
DELETES = Selection(SelectConfig(operations=("delete",)))


def request(operation: str) -> bytes:
    """Return a record of an operation."""
    text = b'{"time":"2024-05-06T07:00:00Z","type":"request","request":{"operation":"%s"}' % operation.encode()
    return text.ljust(SIZE - 2) + b"}\n"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Return a rig without a journal yet."""
    made = Rig(tmp_path)
    yield made
    made.close()


def all_of(feed: Feed) -> list[tuple[int, int]]:
    """Return offset and `after` of everything that a feed gives."""
    found = []
    while (parcel := feed.next(0.0, at_once=True)) is not None:
        found += [
            (record.offset, after) for record, after in zip(parcel.batch.records, parcel.batch.afters, strict=True)
        ]
    return found


class Interrupted(JournalReader):
    """A reader beside which something happens just before a read at or after an offset."""

    def __init__(self, rig: Rig, offset: int, what: Callable[[], None]) -> None:
        super().__init__(rig.layout)
        self._at = offset
        self._what: Callable[[], None] | None = what

    def read(self, offset: int, limit: int) -> bytes:
        """See JournalReader."""
        if offset >= self._at and self._what is not None:
            what, self._what = self._what, None
            what()
        return super().read(offset, limit)


@pytest.mark.parametrize("selection", [None, DELETES])
@pytest.mark.parametrize("under_way", [False, True])
def test_what_a_hole_lost_was_not_filtered(rig: Rig, selection: Selection | None, *, under_way: bool) -> None:
    """The record behind a hole says the hole's end as `after`, also where the hole comes under the reader's eyes."""
    for _ in range(3):
        rig.journal.add(request("delete") + request("read") * 4)

    def lose() -> None:
        rig.journal.remove(600, ".log")

    if not under_way:
        lose()
    reader = Interrupted(rig, 600, lose) if under_way else JournalReader(rig.layout)
    found = all_of(rig.feed(Sink(Limits(1 << 20, 1000)), Cursor(0, 0), selection=selection, reader=reader))
    expected = [(offset, offset) for offset in (*range(0, 600, SIZE), *range(1200, 1800, SIZE))]
    if selection is not None:
        expected = [(0, 0), (1200, 1200)]
    assert expected == found


class Counted(JournalReader):
    """A reader that counts its reads."""

    reads = 0

    def read(self, offset: int, limit: int) -> bytes:
        """See JournalReader."""
        self.reads += 1
        return super().read(offset, limit)


def test_a_narrow_selection_comes_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call ends after so many reads, and says that there is more; what it found goes out once it is old enough."""
    monkeypatch.setattr(feeding, "READ_BYTES", SIZE)
    rig.journal.add(request("read") + request("delete") + request("read") * 998)
    reader = Counted(rig.layout)
    sink = Sink(Limits(1 << 20, 1000, linger_seconds=5.0))
    feed = rig.feed(sink, Cursor(0, 0), selection=DELETES, reader=reader)
    first = feed.next(0.0)
    assert first is not None
    assert (SIZE, 0, 1) == (first.offset, len(first.batch), first.filtered), "what is filtered moves the cursor"
    assert feed.next(0.0, at_once=True) is None, "there is more, so a drain goes on with it"
    assert feed.has_more
    assert reader.reads <= 1 + feeding.READS_A_CALL
    assert feed.next(4.9) is None
    found = feed.next(5.0)
    assert found is not None
    assert [SIZE] == [record.offset for record in found.batch.records]
    assert SIZE * reader.reads == found.offset < rig.journal.end


def test_at_the_end_nothing_lingers(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain gets what a narrow selection found, whole, and all the rest as filtered."""
    monkeypatch.setattr(feeding, "READ_BYTES", SIZE)
    rig.journal.add(request("delete") + request("read") * 99)
    feed = rig.feed(Sink(Limits(1 << 20, 1000, linger_seconds=5.0)), Cursor(0, 0), selection=DELETES)
    found = []
    while (parcel := feed.next(0.0, at_once=True)) is not None or feed.has_more:
        found += [parcel] if parcel is not None else []
    assert (100 * SIZE, 1, 99) == (
        found[-1].offset,
        sum(parcel.records for parcel in found),
        sum(parcel.filtered for parcel in found),
    )


def test_what_was_read_before_damage_goes_out(rig: Rig) -> None:
    """Damage is met one parcel later, again and again, until somebody mends it; then all the rest comes."""
    rig.journal.add()
    broken = rig.journal.compress(rig.journal.seal(rig.journal.add()))
    rig.journal.add()
    path = rig.journal.file(broken, ".log.zst")
    good = path.read_bytes()
    rig.journal.flip(path, 60, 255)
    feed = rig.feed(Sink(Limits(1 << 20, 1000)), Cursor(0, 0))
    first = feed.next(0.0)
    assert first is not None
    assert list(range(0, 600, SIZE)) == [record.offset for record in first.batch.records]
    for _ in range(2):
        with pytest.raises(JournalError, match="damaged"):
            feed.next(0.0)
    rig.journal.write(path, good)
    assert list(range(600, 1800, SIZE)) == [offset for offset, _ in all_of(feed)]


def test_seals_do_not_wait_for_the_end_of_a_backlog(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each follows the records that it covers, long before the last record was read."""
    monkeypatch.setattr(feeding, "READ_BYTES", SIZE)
    monkeypatch.setattr(seal_feed, "LOOK_BYTES", 1)
    for _ in range(5):
        rig.journal.seal(rig.journal.add())
    rig.journal.add(records(0, 5), mode=0o600)
    feed = rig.feed(Sink(Limits(2 * SIZE, 1000)), Cursor(0, 0, sealed=0), seals=True)
    behind = []  # how far a seal comes behind its segment's end
    sent = 0
    while (parcel := feed.next(0.0, at_once=True)) is not None:
        if parcel.sealed is not None:
            behind.append(sent - parcel.sealed)
        else:
            sent = parcel.offset
    assert 5 == len(behind)
    assert max(behind) <= 2 * SIZE


def test_a_fault_in_encoding_passes_nothing_over(rig: Rig) -> None:
    """It is no damage of the journal: it is raised as it is, also where records wait that could be sent."""

    class Faulty(Sink):
        def encode(self, record: Record, after: int) -> bytes:
            if record.offset == 2 * SIZE:
                raise OSError("a fault")
            return super().encode(record, after)

    rig.journal.add()
    feed = rig.feed(Faulty(Limits(1 << 20, 1000)), Cursor(0, 0))
    with pytest.raises(OSError, match="a fault"):
        feed.next(0.0)
