"""Cases in which the destination refuses records for ever: dead letters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from standpipe.testing.arrivals import require

if TYPE_CHECKING:
    from standpipe.testing.stage import Stage

MARKER = "unwanted-by-the-destination"


def too_large_for_the_destination(stage: Stage) -> None:
    """Deliver one record that is too large alone, among many that are too large together."""
    stage.begin()
    stage.destination.refuse_larger_than(16 << 10)
    stage.add(100)
    stage.add(1, size=40 << 10)
    stage.add(20)
    _check(stage, {100})


def partial_failure(stage: Stage) -> None:
    """Deliver with some records refused among others that are taken."""
    stage.begin()
    stage.destination.refuse_records(MARKER)
    stage.add(50, marked={11: MARKER, 12: MARKER, 40: MARKER})
    _check(stage, {11, 12, 40})


def first_record_refused(stage: Stage) -> None:
    """Deliver with the very first record refused."""
    stage.begin()
    stage.destination.refuse_records(MARKER)
    stage.add(20, marked={0: MARKER})
    _check(stage, {0})


def refused_unnamed(stage: Stage) -> None:
    """Deliver with some records left out, where the destination says how many and not which."""
    stage.begin()
    stage.destination.refuse_unnamed(MARKER)
    stage.configure(batch={"records": 10, "in_flight": 1})
    stage.add(50, marked={11: MARKER, 12: MARKER, 40: MARKER})
    stage.deliver_once()
    refused = {stage.journal.records[number].id for number in (11, 12, 40)}
    stage.check_complete(dead=frozenset(refused))
    letters = {str(letter["id"]) for letter in stage.dead_letters()}
    suspects = {unit.id for unit in stage.journal.records[10:20] + stage.journal.records[40:50]}
    require(refused <= letters <= suspects, f"dead letters: {sorted(letters)}")


def _check(stage: Stage, numbers: set[int]) -> None:
    """Deliver; exactly these records, by their numbers, are dead letters, and all others have arrived."""
    ship = stage.ship()
    dead = {stage.journal.records[number].id: stage.journal.records[number] for number in numbers}
    end = stage.journal.end
    stage.wait_until(lambda: stage.cursor().offset >= end, "the cursor is at the end")
    ship.stop()
    stage.check_complete(dead=frozenset(dead))
    letters = {str(letter["id"]): letter for letter in stage.dead_letters()}
    require(letters.keys() == dead.keys(), f"dead letters: {sorted(letters)}, and expected {sorted(dead)}")
    for identity, letter in letters.items():
        require(letter["why"], f"no reason is given for {identity}")
        text = str(letter["record"])
        require(json.loads(text) == json.loads(dead[identity].body), f"the letter of {identity} holds another record")
    offsets = sorted(str(entry["offset"]) for entry in stage.incidents("dead-letter"))
    require(offsets == sorted(str(unit.offset) for unit in dead.values()), f"incidents of dead letters: {offsets}")
    counted = stage.cursor().dead_letters
    require(counted == len(dead), f"the cursor counts {counted} dead letters")
