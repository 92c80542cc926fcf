from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.delivery.judge import Verdict, judge, worse
from standpipe.records.framing import Record
from standpipe.sinks.base import Batch, Delivered, PerRecord, Poison, Retry, Split

if TYPE_CHECKING:
    from standpipe.sinks.base import Outcome

LATER = Retry("later")


def batch_of(count: int) -> Batch:
    """Return a batch of records of one byte each."""
    records = [Record(number, 1, b"x", torn=False) for number in range(count)]
    return Batch(records, [b"%d" % number for number in range(count)], list(range(count)))


def offsets(verdict: Verdict) -> list[list[int]]:
    """Return the offsets in each batch that is to be sent again."""
    return [[record.offset for record in batch.records] for batch in verdict.again]


def test_delivered() -> None:
    """Nothing is left to do."""
    assert Verdict(delivered=True) == judge(Delivered("so"), batch_of(2), trust=0)


def test_retry() -> None:
    """The same batch again, as it is."""
    batch = batch_of(3)
    verdict = judge(LATER, batch, trust=8)
    assert verdict.again[0] is batch
    assert Verdict(again=(batch,), retry=LATER) == verdict


@pytest.mark.parametrize("outcome", [Split("large"), Poison("400")])
@pytest.mark.parametrize("trusted", [True, False])
def test_a_batch_that_is_refused_as_a_whole_is_halved(outcome: Outcome, *, trusted: bool) -> None:
    """At once, without a pause, in order."""
    verdict = judge(outcome, batch_of(5), trust=8 if trusted else 0)
    assert [[0, 1], [2, 3, 4]] == offsets(verdict)
    assert ((), None, False, False) == (verdict.dead, verdict.retry, verdict.delivered, verdict.doubtful)


@pytest.mark.parametrize(
    ("outcome", "trusted", "dead"),
    [
        (Split("413"), False, False),
        (Split("large"), True, True),
        (Poison("named", certain=True), False, True),
        (Poison("400"), True, True),
        (Poison("400"), False, False),
    ],
)
def test_one_record_alone(outcome: Split | Poison, *, trusted: bool, dead: bool) -> None:
    """It is dead where it is surely its own fault; where only its request was refused, not unless others pass."""
    verdict = judge(outcome, batch_of(1), trust=8 if trusted else 0)
    if dead:
        assert Verdict(dead=((0, outcome.why),)) == verdict
    else:
        assert [[0]] == offsets(verdict)
        assert verdict.doubtful
        assert verdict.retry is not None
        assert verdict.retry.config_fault
        assert outcome.why in verdict.retry.why


def test_a_certain_poison_of_a_batch_is_of_all_of_it() -> None:
    """The destination named it."""
    verdict = judge(Poison("no", certain=True), batch_of(2), trust=0)
    assert Verdict(dead=((0, "no"), (1, "no"))) == verdict


def test_single_records() -> None:
    """Those that are named are dead or again, all others delivered; the worst retry counts."""
    fault = Retry("403", config_fault=True)
    outcome = PerRecord({4: LATER, 1: Poison("bad"), 2: fault})
    verdict = judge(outcome, batch_of(5), trust=0)
    assert [[2, 4]] == offsets(verdict)
    assert (((1, "bad"),), fault, True, False) == (verdict.dead, verdict.retry, verdict.delivered, verdict.doubtful)


def test_doubtful_single_records() -> None:
    """Where nothing at all passed, refusals that name no record for sure prove nothing."""
    outcome = PerRecord({0: Poison("400"), 1: Poison("sure", certain=True)})
    verdict = judge(outcome, batch_of(2), trust=0)
    assert [[0]] == offsets(verdict)
    assert (((1, "sure"),), True, False) == (verdict.dead, verdict.doubtful, verdict.delivered)
    assert (((0, "400"), (1, "sure")), False) == (
        judge(outcome, batch_of(2), trust=8).dead,
        judge(outcome, batch_of(2), trust=8).doubtful,
    )


faults = st.one_of(
    st.builds(Retry, st.just("r"), st.none() | st.floats(0, 9), st.booleans()),
    st.builds(Poison, st.just("p"), st.booleans()),
)


@given(count=st.integers(1, 8), named=st.dictionaries(st.integers(0, 7), faults), trusted=st.booleans())
def test_no_record_is_forgotten(count: int, named: dict[int, Retry | Poison], *, trusted: bool) -> None:
    """Each record is delivered, dead or sent again: exactly one of these."""
    outcome = PerRecord({index: fault for index, fault in named.items() if index < count})
    verdict = judge(outcome, batch_of(count), trust=8 if trusted else 0)
    again = [offset for batch in offsets(verdict) for offset in batch]
    dead = [index for index, _ in verdict.dead]
    delivered = [index for index in range(count) if index not in outcome.faults]
    assert list(range(count)) == sorted(again + dead + delivered)
    assert bool(delivered) == verdict.delivered
    assert bool(again) == (verdict.retry is not None)


def test_the_worse_of_two_answers() -> None:
    """A fault for a person is worse than any time; of two times the longer one counts."""
    short, long, fault = Retry("s", 1.0), Retry("l", 9.0), Retry("f", config_fault=True)
    assert [long, long, fault, fault, short] == [
        worse(short, long),
        worse(long, short),
        worse(fault, long),
        worse(long, fault),
        worse(None, short),
    ]


def test_trust_is_used_up_record_by_record() -> None:
    """Many records that are doubtful at once are not given up all together."""
    faults: dict[int, Retry | Poison] = {index: Poison("no") for index in range(5)}
    verdict = judge(PerRecord(faults), batch_of(5), trust=2)
    assert [0, 1] == [index for index, _ in verdict.dead]
    assert verdict.doubtful
    assert 3 == len(verdict.again[0])


def test_trust_counts_records_one_by_one() -> None:
    """An answer that refuses every record of a batch uses up what trust there is, and the others are doubted."""
    outcome = PerRecord({index: Poison("no") for index in range(10)})
    verdict = judge(outcome, batch_of(10), trust=3)
    assert [0, 1, 2] == [index for index, _ in verdict.dead]
    assert verdict.doubtful
    assert [7] == [len(batch) for batch in verdict.again]
