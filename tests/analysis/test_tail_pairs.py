from __future__ import annotations

from typing import Any

import pytest

from standpipe.analysis.tail_pairs import GIVE_UP_SECONDS, WAIT_SECONDS, Exchange, Pairs
from tests.analysis.tail_records import half


def outcomes(exchanges: list[Exchange]) -> list[tuple[str, str]]:
    """Return number and outcome of each."""
    return [(exchange.half.request_id, exchange.outcome) for exchange in exchanges]


def test_a_request_and_its_response_are_one() -> None:
    """They are told when the response comes, with the time between them, in whatever order the others come."""
    pairs = Pairs()
    assert [] == list(pairs.take(half("request", 1, second=1), 0))
    assert [] == list(pairs.take(half("request", 2, second=1.5), 0))
    (second,) = pairs.take(half("response", 2, second=1.75), 0)
    (first,) = pairs.take(half("response", 1, second=2), 0)
    assert [("id-2", "ok", 250.0), ("id-1", "ok", 1000.0)] == [
        (exchange.half.request_id, exchange.outcome, exchange.duration_ms) for exchange in (second, first)
    ]
    assert [] == list(pairs.finish())


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ({}, "ok"),
        ({"error": "1 error occurred:\n\t* permission denied\n\n"}, "denied"),
        ({"error": "invalid credentials"}, "error"),
        ({"response": {"data": {"error": "hmac-sha256:0"}}}, "error"),
    ],
)
def test_the_outcome_is_what_the_response_says(members: dict[str, Any], outcome: str) -> None:
    """Denied is what the server calls so; an error is any other, hashed ones included."""
    pairs = Pairs()
    list(pairs.take(half("request", 1), 0))
    assert [("id-1", outcome)] == outcomes(list(pairs.take(half("response", 1, **members), 0)))


def test_a_lone_response_and_a_lone_request_are_told_as_such() -> None:
    """Neither is passed over, and an error in a request that has no response still counts as one."""
    pairs = Pairs()
    assert [("id-1", "response-only")] == outcomes(list(pairs.take(half("response", 1), 0)))
    list(pairs.take(half("request", 2), 0))
    list(pairs.take(half("request", 3, error="rate limit quota exceeded"), 0))
    assert [("id-2", "no-response"), ("id-3", "error")] == outcomes(list(pairs.finish()))


def test_a_request_that_waits_is_told_once_and_again_when_it_is_answered() -> None:
    """After WAIT_SECONDS somebody who looks on sees it waiting, once; the answer is told with its duration."""
    pairs = Pairs()
    list(pairs.take(half("request", 1), 100))
    assert WAIT_SECONDS == pairs.next_seconds(100)
    assert [] == list(pairs.overdue(100 + WAIT_SECONDS / 2))
    assert [("id-1", "waiting")] == outcomes(list(pairs.overdue(100 + WAIT_SECONDS)))
    assert [] == list(pairs.overdue(100 + WAIT_SECONDS))
    assert pairs.next_seconds(103) is None
    (answered,) = pairs.take(half("response", 1, second=7), 107)
    assert ("ok", 7000.0) == (answered.outcome, answered.duration_ms)


def test_the_records_own_time_ends_the_wait() -> None:
    """Where all records are there already, the clock does not count: later records prove that no response came."""
    pairs = Pairs()
    list(pairs.take(half("request", 1), 0))
    list(pairs.take(half("response", 9, second=59), 0))
    assert [] == list(pairs.overdue(None))
    late = half("request", 2)
    after = late.nanoseconds
    assert after is not None
    pairs._newest = after + GIVE_UP_SECONDS * 10**9 + 1
    assert [("id-1", "no-response")] == outcomes(list(pairs.overdue(None)))
    assert [] == list(pairs.finish())


def test_memory_is_bounded() -> None:
    """Beyond the limit the oldest request counts as without a response; the newer ones wait on."""
    pairs = Pairs(open_max=2)
    told = [exchange for number in range(4) for exchange in pairs.take(half("request", number), 0)]
    assert [("id-0", "no-response"), ("id-1", "no-response")] == outcomes(told)
    assert [("id-2", "no-response"), ("id-3", "no-response")] == outcomes(list(pairs.finish()))


def test_requests_of_two_journals_do_not_meet() -> None:
    """The same id on another node is another request."""
    pairs = Pairs()
    list(pairs.take(half("request", 1), 0))
    other = half("response", 1)
    (told,) = pairs.take(type(other)(**{**{name: getattr(other, name) for name in other.__slots__}, "journal": "k"}), 0)
    assert "response-only" == told.outcome


def test_help_without_an_id_is_paired_by_its_path() -> None:
    """Old versions leave the id of a help request out of both records."""
    asks = {"id": None, "operation": "help"}
    pairs = Pairs()
    list(pairs.take(half("request", 1, request=asks), 0))
    assert [("", "ok")] == outcomes(list(pairs.take(half("response", 1, request=asks), 0)))


def test_what_is_never_answered_is_told_at_once_and_is_no_fault() -> None:
    """The device's own test, a seal and a step-down have one record."""
    pairs = Pairs()
    (told,) = pairs.take(half("request", 1, request={"path": "sys/seal"}), 0)
    assert ("no-response", False) == (told.outcome, told.is_fault)
    assert [] == list(pairs.finish())


def test_the_same_request_again_ends_the_first() -> None:
    """An id that comes twice cannot be two requests of one node; both are told."""
    pairs = Pairs()
    list(pairs.take(half("request", 1), 0))
    assert [("id-1", "no-response")] == outcomes(list(pairs.take(half("request", 1), 0)))
    assert [("id-1", "ok")] == outcomes(list(pairs.take(half("response", 1), 0)))
