from __future__ import annotations

import pytest

from standpipe.records.envelope import Envelope
from standpipe.records.framing import Record
from standpipe.sinks.base import Unfit
from standpipe.sinks.parts import parts_of

BODY = b'{"data":"%b"}' % (b"x" * 2000)
RECORD = Record(0, len(BODY) + 1, BODY, torn=False)
ENVELOPE = Envelope("journal")


def test_a_payload_is_made_of_each_part_and_its_number() -> None:
    """In order, each time anew with the same bytes."""
    plain = list(parts_of(ENVELOPE, RECORD, 0, 1000))
    wrapped = parts_of(ENVELOPE, RECORD, 0, 1000, lambda part, number: number.encode() + part)
    count = len(plain)
    assert count > 2
    assert [f"{index}/{count}".encode() + part for index, part in enumerate(plain, start=1)] == list(wrapped)
    assert (wrapped[-1], wrapped[1:]) == (wrapped[count - 1], list(wrapped)[1:])
    with pytest.raises(IndexError):
        wrapped[count]


def test_a_record_whose_envelope_fills_a_part_is_unfit() -> None:
    """The names of dropped fields stand in the envelope, and each record has its own."""
    dropped = Record(0, len(BODY) + 1, BODY, torn=False, dropped=tuple(f"field_{number}" for number in range(100)))
    with pytest.raises(Unfit, match="cannot be cut"):
        parts_of(ENVELOPE, dropped, 0, 1000)
