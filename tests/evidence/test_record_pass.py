from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.evidence.pairing import Pairing
from standpipe.evidence.record_pass import RawRecord, RecordFindings, RecordPass
from tests.evidence.craft import record, records
from tests.records.strategies import PREFIX, streams

if TYPE_CHECKING:
    from collections.abc import Iterable

CLEAR = b'{"type":"request","auth":{"client_token":"hvs.secret"},"request":{"id":"x","client_token":"hvs.secret"}}\n'


def look(pieces: Iterable[tuple[int, bytes]], prefix: bytes = b"") -> RecordFindings:
    """Feed pieces at their addresses."""
    records_seen = RecordPass("n", prefix=prefix, pairing=Pairing())
    for address, data in pieces:
        records_seen.feed(address, data)
    return records_seen.finish()


@given(streams, st.lists(st.integers(0, 400), max_size=6), st.integers(0, 1000))
def test_where_reads_are_cut_makes_no_difference(data: bytes, cuts: list[int], base: int) -> None:
    """The same bytes in other pieces, some of them twice, give the same findings, and no byte is in none of them."""
    edges = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
    pieces = [(base + start, data[start:end]) for start, end in pairwise(edges)]
    again = [piece for piece in pieces for _ in range(2)]
    whole = look([(base, data)], PREFIX)
    assert whole == look(pieces, PREFIX) == look(again, PREFIX)
    assert whole.unfinished is None or whole.unfinished[1] == base + len(data)


def test_a_segment_may_come_again_and_longer() -> None:
    """The tail that has grown is handed in from its base again: what was seen is passed over."""
    data = records(0, 6)
    assert look([(100, data)]) == look([(100, data[:300]), (100, data)])


def test_addresses_that_are_jumped_over() -> None:
    """A record cut off by a gap is torn, the next one begins where the gap ends, and halves beside it are explained."""
    data = records(0, 4)
    seen = look([(0, data[:150]), (1000, data[360:])])
    assert (2, 1, 30, ((120, 150),)) == (seen.records, seen.torn_records, seen.torn_bytes, seen.torn)
    assert seen.pairing is not None
    assert {"beside-a-gap": 2} == seen.pairing.explained


def test_what_stands_beside_missing_addresses_or_a_torn_record() -> None:
    """A half in the middle is explained by the addresses that are jumped over just after it, or by the torn record."""
    before, after = records(0, 51), records(52, 60)
    jumped = look([(0, before), (10_000, after)])
    torn = look([(0, before + b'{"half\n' + after)])
    assert (0, 1) == (jumped.torn_records, torn.torn_records)
    for seen in (jumped, torn):
        assert seen.pairing is not None
        assert ({"beside-a-gap": 1}, 0) == (seen.pairing.explained, seen.pairing.unexplained)
    alone = look([(0, before + after)])
    assert alone.pairing is not None
    assert ({}, 1) == (alone.pairing.explained, alone.pairing.requests_unpaired)


def test_torn_records_and_the_unfinished_tail() -> None:
    """Half an entry with the next one glued to it is one torn record and one whole; the tail's half is neither."""
    seen = look([(10, b'{"half' + record(0) + b'{"type":"requ')])
    assert (1, ((10, 16),), (136, 149)) == (seen.records, seen.torn, seen.unfinished)


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_clear_text_is_found_wherever_it_is_cut(size: int) -> None:
    """A token that is not hashed is told with the record's place and the members' names, in reads of any size."""
    data = records(0, 3) + CLEAR + records(3, 1)
    seen = look((start, data[start : start + size]) for start in range(0, len(data), size))
    expected = RawRecord(360, 360 + len(CLEAR), ("auth.client_token", "request.client_token"))
    assert (1, (expected,)) == (seen.raw_records, seen.raw)


def test_jsonx_is_refused() -> None:
    """XML entries, which never end with a newline, are no records, and the reason is given."""
    entry = b'<json:object name="auth"></json:object>'
    assert "format=jsonx" in look([(0, entry * 3)]).refused
    assert "format=jsonx" in look([(0, entry + b"\n" + entry)]).refused
    assert not look([(0, record(0))]).refused


def test_a_prefix_is_no_torn_record() -> None:
    """With the device's prefix each line is one record; without it, each prefix is torn."""
    data = b"vault: " + record(0)
    assert (1, 0) == (look([(0, data)], b"vault: ").records, look([(0, data)], b"vault: ").torn_records)
    assert ((0, 7),) == look([(0, data)]).torn
