"""Which records the demo expects."""

from __future__ import annotations

from collections import Counter

from standpipe.demo.expectation import NOT_A_RECORD, count_records, expected_records
from standpipe.demo.requests import START_UP_RECORDS, one_round, set_up


def test_every_request_has_a_name_of_its_own() -> None:
    """Operation and path name one request of the whole run."""
    asks = [ask for serial in range(1, 4) for ask in one_round(serial) if ask.operation] + set_up()
    assert {1} == set(Counter((ask.operation, ask.record_path) for ask in asks).values())


def test_two_records_a_request_and_the_start_up_set() -> None:
    """Each audited request makes a request and a response record; the server's start makes its own."""
    asks = [ask for ask in one_round(7) if ask.operation]
    expected = expected_records(asks)
    assert 2 * len(asks) + len(START_UP_RECORDS) == expected.total()
    assert 1 == expected[("response", "list", "demo/client-000007/")]
    assert 1 == expected[("request", "update", "sys/audit/test")]


def test_lines_that_are_no_records_have_no_name() -> None:
    """Junk, other JSON and a record without a path are counted apart."""
    lines = [b"junk", b"[]", b'{"type":"request"}', b'{"type":1,"request":{"operation":"a","path":"b"}}', b"\xff"]
    assert Counter({NOT_A_RECORD: 5}) == count_records(lines)
