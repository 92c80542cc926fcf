from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.errors import JournalError
from standpipe.journal.seal import (
    Gap,
    Seal,
    collect_gaps,
    encode_seal,
    parse_seal,
    seal_digest,
)

KINDS = ("power-loss", "dropped", "io-error")
SEALED_AT = "2026-01-02T03:04:05.678Z"

gaps_strategy = st.builds(
    Gap, st.sampled_from(KINDS), st.integers(0, 10**19), st.none() | st.integers(0, 10**9), st.none() | st.text()
)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
seals = st.builds(
    lambda base, length, **rest: Seal(base=base, end=base + length, **rest),
    base=st.integers(0, 10**19),
    length=st.integers(0, 10**9),
    journal=st.text(),
    records=st.integers(0, 10**9),
    sha256=digests,
    previous=st.none() | digests,
    first_time=st.none() | st.text(),
    last_time=st.none() | st.text(),
    sealed_at=st.just(SEALED_AT),
    gaps=st.lists(gaps_strategy, max_size=3).map(tuple),
    signature=st.none() | st.text(),
)


def seal(base: int = 0, end: int = 100, previous: str | None = None, gaps: tuple[Gap, ...] = ()) -> Seal:
    """Return a plain seal."""
    return Seal("j", base, end, 3, "0" * 64, previous, None, None, SEALED_AT, gaps)


def incident(kind: str, offset: int | None, length: int | None = 5, time: str = "t") -> dict[str, object]:
    """Return an incident as it is read from the file."""
    return {"time": time, "kind": kind, "offset": offset, "length": length, "detail": {}}


@given(seals)
def test_a_seal_survives_the_round_trip(original: Seal) -> None:
    """What was sealed is what is parsed, and the same seal always gives the same bytes."""
    data = encode_seal(original)
    assert original == parse_seal(data)
    assert data == encode_seal(parse_seal(data))


def test_the_bytes_of_a_seal_are_canonical() -> None:
    """One line, the contract's keys in the contract's order, no spaces, a newline."""
    data = encode_seal(seal(gaps=(Gap("power-loss", 100, 28, "t"),)))
    expected = (
        b'{"format":1,"journal":"j","base":0,"end":100,"records":3,"sha256":"' + b"0" * 64 + b'","previous":null,'
        b'"first_time":null,"last_time":null,"sealed_at":"2026-01-02T03:04:05.678Z",'
        b'"gaps":[{"kind":"power-loss","offset":100,"length":28,"time":"t"}],"signature":null}\n'
    )
    assert expected == data
    assert hashlib.sha256(data).hexdigest() == seal_digest(data)
    assert seal().sealed_at_seconds == pytest.approx(1767323045.678)


@pytest.mark.parametrize(
    "change",
    [
        {"base": -1},
        {"base": "0"},
        {"end": True},
        {"base": 101},
        {"sha256": "0" * 63},
        {"sha256": "G" * 64},
        {"previous": 5},
        {"gaps": None},
        {"gaps": [5]},
        {"gaps": [{"kind": "x"}]},
        {"sealed_at": "yesterday"},
        {"sealed_at": None},
        {"sealed_at": "0001-01-01T00:00:00"},
        {"first_time": 5},
        {"journal": None},
    ],
)
def test_a_wrong_member_is_damage(change: dict[str, Any]) -> None:
    """Each member of the wrong kind is refused with the file's name."""
    entry = json.loads(encode_seal(seal())) | change
    with pytest.raises(JournalError, match=r"s\.seal\.json is damaged"):
        parse_seal(json.dumps(entry).encode(), "s.seal.json")


def test_a_missing_member_is_damage() -> None:
    """Each key of the contract must be there."""
    for key in json.loads(encode_seal(seal())):
        entry = json.loads(encode_seal(seal()))
        del entry[key]
        with pytest.raises(JournalError):
            parse_seal(json.dumps(entry).encode())


@given(st.binary(max_size=40))
def test_junk_is_a_journal_error(data: bytes) -> None:
    """Whatever the bytes, parse_seal raises JournalError and nothing else."""
    with pytest.raises(JournalError):
        parse_seal(data)


def test_a_future_format_is_refused_as_such() -> None:
    """A seal of a later format says so, and is not called damaged."""
    entry = json.loads(encode_seal(seal())) | {"format": 2}
    with pytest.raises(JournalError, match="has format 2"):
        parse_seal(json.dumps(entry).encode())


def test_gaps_of_a_segment_include_its_end() -> None:
    """A power loss is recorded exactly at the end of the tail that it follows."""
    incidents = [incident("power-loss", 100, 28), incident("io-error", 0), incident("io-error", 101)]
    found = collect_gaps(incidents, KINDS, 0, 100, [])
    assert [("io-error", 0), ("power-loss", 100)] == [(gap.kind, gap.offset) for gap in found]


def test_other_incidents_are_no_gaps() -> None:
    """Torn records, incidents without an offset, and nonsense are not named."""
    incidents: list[dict[str, object]] = [incident("torn", 5), incident("io-error", None), {"kind": 5}, {}]
    assert () == collect_gaps(incidents, KINDS, 0, 100, [])


def test_a_gap_is_named_once() -> None:
    """A gap at the border of two segments, or a drop, is named by the first seal that can, and not again."""
    border = incident("io-error", 100)
    drop = incident("dropped", 0, 50, SEALED_AT)
    first = seal(0, 100, None, collect_gaps([border, border], KINDS, 0, 100, []))
    second = collect_gaps([border, drop], KINDS, 100, 200, [first])
    assert [("dropped", 0)] == [(gap.kind, gap.offset) for gap in second]
    assert () == collect_gaps([border, drop], KINDS, 200, 300, [first, seal(100, 200, None, second)])


def test_a_drop_that_a_deleted_seal_named_is_not_named_again() -> None:
    """A drop older than the oldest seal left was named by one that retention deleted."""
    old, new = incident("dropped", 0, 50, "2025-01-01T00:00:00.000Z"), incident("dropped", 50, 50, SEALED_AT)
    assert [50] == [gap.offset for gap in collect_gaps([old, new], KINDS, 300, 400, [seal(200, 300)])]
