from __future__ import annotations

import json
from dataclasses import replace

import pytest

from standpipe.testing import arrivals
from standpipe.testing.arrivals import NotAsPromised
from standpipe.testing.destination import Received, received_json
from standpipe.testing.journals import JOURNAL_ID, Unit

ONE = Unit(0, 8, b'{"a":1}')
TWO = Unit(8, 8, b'{"a":2}')
SEAL = Unit(0, 16, b'{"base":0}', seal=True)


def came(unit: Unit, after: int | None = None, part: str = "", **members: object) -> Received:
    """Return a unit as it arrives with the envelope."""
    envelope: dict[str, object] = {
        "id": unit.id,
        "journal": JOURNAL_ID,
        "offset": unit.offset,
        "length": unit.length,
    }
    if after is not None:
        envelope["after"] = after
    if part:
        envelope["part"] = part
    if unit.seal:
        envelope["kind"] = "seal"
        members = members or {"seal": json.loads(unit.body)}
    return received_json(json.dumps({"standpipe": envelope, **(members or json.loads(unit.body))}).encode())


GOOD = [came(ONE, 0), came(TWO, 8), came(SEAL)]


def test_what_is_as_promised_passes() -> None:
    """Everything once, in order, each with the one before."""
    arrivals.check_complete([ONE, TWO, SEAL], GOOD)
    arrivals.check_once(GOOD)
    arrivals.check_same([*GOOD, *GOOD])
    arrivals.check_order(GOOD)
    arrivals.check_after([ONE, TWO], GOOD)


@pytest.mark.parametrize(
    ("received", "sentence"),
    [
        (GOOD[1:], "did not arrive"),
        ([*GOOD, came(Unit(16, 8, b'{"a":3}'), 16)], "should not have"),
        ([came(ONE, 0, a=2), *GOOD[1:]], "another content"),
        ([replace(GOOD[0], length=9), *GOOD[1:]], "says that it is"),
        ([came(ONE, 0, part="1/2", raw='{"a"'), *GOOD[1:]], "did not arrive"),
        ([came(ONE, 0, part="1/2", raw='{"a"'), came(ONE, 0, part="2/2", raw=":2}"), *GOOD[1:]], "do not make up"),
    ],
)
def test_what_is_not_complete_is_told(received: list[Received], sentence: str) -> None:
    """A missing, a strange, a changed and a misplaced one, and parts that are not all there or not the record's."""
    with pytest.raises(NotAsPromised, match=sentence):
        arrivals.check_complete([ONE, TWO, SEAL], received)


def test_parts_make_up_a_record_in_any_order() -> None:
    """Pieces are joined by their numbers, also where one came twice."""
    second, first = came(ONE, 0, part="2/2", raw=":1}"), came(ONE, 0, part="1/2", raw_base64="eyJhIg==")
    arrivals.check_complete([ONE], [second, first, second])


@pytest.mark.parametrize(
    "again",
    [replace(GOOD[0], payload=b"other"), came(ONE, 0, part="1/1", raw='{"a":1}')],
)
def test_a_changed_repeat_is_told(again: Received) -> None:
    """Another payload, and another cut."""
    with pytest.raises(NotAsPromised):
        arrivals.check_same([*GOOD, again])


def test_a_repeat_is_told() -> None:
    """Where nothing failed there must be none."""
    assert 1 == arrivals.repeats([*GOOD, GOOD[0]])
    with pytest.raises(NotAsPromised, match="more than once"):
        arrivals.check_once([*GOOD, GOOD[0]])


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (0, 2, 1)])
def test_disorder_is_told(order: tuple[int, ...]) -> None:
    """Records out of order, and a seal before what it covers; a repeat of an earlier one is none."""
    arrivals.check_order([GOOD[0], GOOD[1], GOOD[0], GOOD[2]])
    with pytest.raises(NotAsPromised):
        arrivals.check_order([GOOD[number] for number in order])


def test_streams_have_orders_of_their_own() -> None:
    """What comes on another stream may come first."""
    arrivals.check_order([replace(GOOD[1], stream="b"), replace(GOOD[0], stream="a")])


def test_a_broken_chain_is_told() -> None:
    """A record that names another one than the one before; a dead letter may be named, or left out."""
    with pytest.raises(NotAsPromised, match="says after 4"):
        arrivals.check_after([ONE, TWO], [GOOD[0], came(TWO, 4)])
    for after in (0, 8):
        arrivals.check_after([ONE, TWO], [came(TWO, after)], dead={ONE.id})
