"""sinks.json: which sinks a journal delivers to, where each began, and what ails it now. Written by ship alone.

``{"format":1,"sinks":{"<name>":{"type":…,"start":<offset>,"state":…,"why":…,"since":…}}}``. A sink is entered, durably,
before its cursor is made: so a sink that is added later is told from those of the journal's first start, and a cursor
that is missing or empty from one that never was. ``state`` is one of the words below; ``why`` says it in words.

Whoever is entered here holds on to the journal: keep deletes nothing that one of these has not acknowledged.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from standpipe.journal.atomic import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1

DELIVERING = "delivering"
RETRYING = "retrying"  # what may pass: the network, a quota, a server's trouble
CONFIG_FAULT = "config-fault"  # what a person has to mend
DEAD_LETTERS_FULL = "dead-letters-full"  # the dead-letter file takes no more


@dataclass(frozen=True, slots=True)
class SinkEntry:
    """One sink: its type, the offset where it began, and its state since a time (RFC 3339)."""

    type: str
    start: int
    state: str = DELIVERING
    why: str = ""
    since: str = ""


def read_entries(path: str) -> dict[str, SinkEntry] | None:
    """Read sinks.json; None where there is none, or none of ours. Raises OSError."""
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read())
        return {str(name): SinkEntry(**entry) for name, entry in content["sinks"].items()}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def write_entries(path: str, entries: Mapping[str, SinkEntry]) -> None:
    """Replace sinks.json, durably. Raises OSError."""
    sinks = {name: asdict(entry) for name, entry in entries.items()}
    atomic_write(path, json.dumps({"format": FORMAT, "sinks": sinks}).encode() + b"\n")
