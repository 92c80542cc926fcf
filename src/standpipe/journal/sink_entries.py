"""What sinks.json holds: which sinks a journal delivers to, where each began, and what ails it now. Pure.

``{"format":1,"sinks":{"<name>":{"type":…,"start":<offset>,"state":…,"why":…,"since":…}}}``. A sink is entered, durably,
before its cursor is made: so a sink that is added later is told from those of the journal's first start, and a cursor
that is missing or empty from one that never was. ``state`` is one of the words below; ``why`` says it in words.

Whoever is entered here holds on to the journal: keep deletes nothing that one of these has not acknowledged. A sink
that was taken out of the config stays entered, as ``removed``, and holds nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1

DELIVERING = "delivering"
RETRYING = "retrying"  # what may pass: the network, a quota, a server's trouble
CONFIG_FAULT = "config-fault"  # what a person has to mend
DEAD_LETTERS_FULL = "dead-letters-full"  # the dead-letter file takes no more
JOURNAL_DAMAGED = "journal-damaged"  # what comes next cannot be read
REMOVED = "removed"  # it is not in the config any more


@dataclass(frozen=True, slots=True)
class SinkEntry:
    """One sink: its type, the offset where it began, and its state since a time (RFC 3339).

    begun: its cursor was made; until then an empty one is no loss.
    """

    type: str
    start: int
    state: str = DELIVERING
    why: str = ""
    since: str = ""
    begun: bool = False


def decode(data: bytes) -> dict[str, SinkEntry] | None:
    """Read the bytes of sinks.json; None where they are none of ours."""
    try:
        content = json.loads(data)
        return {str(name): SinkEntry(**entry) for name, entry in content["sinks"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def encode(entries: Mapping[str, SinkEntry]) -> bytes:
    """Render sinks.json."""
    sinks = {name: asdict(entry) for name, entry in entries.items()}
    return json.dumps({"format": FORMAT, "sinks": sinks}).encode() + b"\n"
