from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from standpipe.delivery.pace import DELIVERIES_A_STEP, Pace
from standpipe.records.framing import Record
from standpipe.sinks.base import Batch, Delivered, Retry

BATCH_BYTES = 1000


def batch_of(sizes: list[int]) -> Batch:
    """Return a batch with payloads of these sizes."""
    records = [Record(number, 1, b"{}", torn=False) for number in range(len(sizes))]
    return Batch(records, [bytes(size) for size in sizes], list(range(len(sizes))))


def test_a_batch_goes_as_it_is() -> None:
    """Where everything is answered in time, nothing is cut; a retry for another reason cuts nothing either."""
    pace = Pace(BATCH_BYTES)
    batch = batch_of([500, 500])
    pace.learn(batch, Retry("refused"))
    pace.learn(batch, Delivered())
    assert [batch] == pace.cut(batch)


def test_each_time_out_halves_and_deliveries_double() -> None:
    """A slow destination is sent less at once until it answers, and more again when it does."""
    pace = Pace(BATCH_BYTES)
    batch = batch_of([125] * 8)
    pieces = [batch]
    for expected in (2, 4):
        pace.learn(pieces[0], Retry("no answer", timed_out=True))
        pieces = pace.cut(batch)
        assert expected == len(pieces)
    for expected in (2, 1):
        for _ in range(DELIVERIES_A_STEP):
            pace.learn(pieces[0], Delivered())
        assert expected == len(pace.cut(batch))


@given(st.lists(st.integers(1, 300), min_size=1, max_size=12), st.integers(0, 12))
def test_nothing_is_lost_or_moved(sizes: list[int], time_outs: int) -> None:
    """The pieces are the batch, in its order; one record alone is never cut, however often there was no answer."""
    pace = Pace(BATCH_BYTES)
    batch = batch_of(sizes)
    for _ in range(time_outs):
        pace.learn(pace.cut(batch)[0], Retry("no answer", timed_out=True))
    pieces = pace.cut(batch)
    assert batch.records == [record for piece in pieces for record in piece.records]
    assert batch.payloads == [payload for piece in pieces for payload in piece.payloads]
    assert batch.afters == [after for piece in pieces for after in piece.afters]
