"""What must have arrived, against what has. Pure.

Complete is counted by id: each unit of the journal is there, whole, with its own content; what is there twice is there
with the same bytes. Each function raises NotAsPromised with a sentence.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from standpipe.testing.destination import Received
    from standpipe.testing.journals import Unit

NAMED_MAX = 5  # ids in a sentence


class NotAsPromised(AssertionError):  # noqa: N818 - it says what the sink is
    """A sink, or what delivers to it, does not do what every sink must."""


def require(condition: object, sentence: str) -> None:
    """Raise NotAsPromised where a condition does not hold."""
    if not condition:
        raise NotAsPromised(sentence)


def missing(units: Iterable[Unit], received: Sequence[Received]) -> list[str]:
    """Return the ids of units that have not arrived, or not all of their parts."""
    parts: dict[str, set[str]] = defaultdict(set)
    for arrival in received:
        parts[arrival.id].add(arrival.part)
    return [unit.id for unit in units if not _is_whole(parts.get(unit.id, set()))]


def _is_whole(parts: set[str]) -> bool:
    if "" in parts:
        return True
    counts = {part.partition("/")[2] for part in parts}
    return any(all(f"{number}/{count}" in parts for number in range(1, int(count) + 1)) for count in counts)


def check_complete(units: Sequence[Unit], received: Sequence[Received]) -> None:
    """Every unit has arrived, whole, with its own place and content, and nothing else has."""
    lacking = missing(units, received)
    require(not lacking, f"{len(lacking)} of {len(units)} did not arrive: {_some(lacking)}")
    known = {unit.id: unit for unit in units}
    strangers = [arrival.id for arrival in received if arrival.id not in known]
    require(not strangers, f"arrived, and should not have: {_some(strangers)}")
    for identity, arrivals in by_id(received).items():
        unit = known[identity]
        for arrival in arrivals:
            place = (arrival.offset, arrival.length, arrival.seal)
            require(place == (unit.offset, unit.length, unit.seal), f"{identity} says that it is {place}")
            if not arrival.part:
                require(_is_content(arrival, unit), f"{identity} has another content: {arrival.content!r}")
        if all(arrival.part for arrival in arrivals):
            require(_joined(arrivals) == unit.body, f"the parts of {identity} do not make up the record")


def by_id(received: Iterable[Received]) -> dict[str, list[Received]]:
    """Return the arrivals of each id, in order."""
    found: dict[str, list[Received]] = defaultdict(list)
    for arrival in received:
        found[arrival.id].append(arrival)
    return found


def _is_content(arrival: Received, unit: Unit) -> bool:
    content = arrival.content
    if isinstance(content, bytes):
        return content == unit.body
    if unit.seal:
        return content == {"seal": json.loads(unit.body)}
    try:
        return bool(content == json.loads(unit.body))
    except ValueError:  # no JSON: it goes as text, or as base64
        return isinstance(content, dict) and _raw_of(content) == unit.body


def _raw_of(content: dict[str, object]) -> bytes:
    if "raw" in content:
        return str(content["raw"]).encode()
    return base64.b64decode(str(content.get("raw_base64", "")))


def _joined(arrivals: Iterable[Received]) -> bytes:
    pieces: dict[int, bytes] = {}
    for arrival in arrivals:
        if isinstance(arrival.content, dict):
            pieces[int(arrival.part.partition("/")[0])] = _raw_of(arrival.content)
    return b"".join(pieces[number] for number in sorted(pieces))


def repeats(received: Sequence[Received]) -> int:
    """Return how many arrivals were there before."""
    return len(received) - len({(arrival.id, arrival.part) for arrival in received})


def check_once(received: Sequence[Received]) -> None:
    """Nothing arrived twice."""
    twice = [identity for identity, arrivals in by_id(received).items() if repeats(arrivals)]
    require(not twice, f"arrived more than once, and nothing had failed: {_some(twice)}")


def check_same(received: Sequence[Received]) -> None:
    """Whatever arrived again had the same bytes, and was cut into the same parts."""
    for identity, arrivals in by_id(received).items():
        forms: dict[str, set[bytes]] = defaultdict(set)
        for arrival in arrivals:
            forms[arrival.part].add(arrival.payload)
        changed = [part or "the whole" for part, payloads in forms.items() if len(payloads) > 1]
        require(not changed, f"{identity} arrived again with other bytes: {changed}: {list(forms.values())}")
        counts = {part.partition("/")[2] for part in forms}
        require(len(counts) == 1, f"{identity} was cut into parts in different ways: {sorted(forms)}")


def check_order(received: Sequence[Received]) -> None:
    """Within a stream, what arrives for the first time comes in the journal's order, and a seal after its records."""
    newest: dict[str, tuple[int, int]] = {}
    seen: set[tuple[str, str]] = set()
    for arrival in received:
        if (arrival.id, arrival.part) in seen:
            continue
        seen.add((arrival.id, arrival.part))
        last = newest.get(arrival.stream, (-1, 0))
        if arrival.seal:
            continue
        place = (arrival.offset, int(arrival.part.partition("/")[0] or 0))
        require(place > last, f"{arrival.id} {arrival.part} came after what follows it in the journal")
        newest[arrival.stream] = place
    _check_seals_follow(received)


def _check_seals_follow(received: Sequence[Received]) -> None:
    for index, seal in enumerate(received):
        if seal.seal and all(arrival.id != seal.id for arrival in received[:index]):
            later = [
                arrival.id
                for arrival in received[index:]
                if seal.offset <= arrival.offset < seal.offset + seal.length
                and arrival.stream == seal.stream
                and not arrival.seal
                and all(arrival.id != earlier.id for earlier in received[:index])
            ]
            require(not later, f"{seal.id} came before records that it covers: {_some(later)}")


def check_after(units: Iterable[Unit], received: Iterable[Received], dead: Collection[str] = ()) -> None:
    """Each record names the end of the one sent before it. dead: ids of dead letters, which may be named or not."""
    after = {arrival.id: arrival.after for arrival in received if not arrival.seal}
    allowed = {0}
    for unit in units:
        if unit.seal:
            continue
        if unit.id in dead:
            allowed.add(unit.end)
            continue
        require(after[unit.id] in allowed, f"{unit.id} says after {after[unit.id]}, and not one of {sorted(allowed)}")
        allowed = {unit.end}


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED_MAX} more" if len(ids) > NAMED_MAX else ""
    return ", ".join(ids[:NAMED_MAX]) + more
