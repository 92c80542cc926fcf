"""sinks.json on the disk: keep, status and ship read it, ship alone writes it. journal.sink_entries says what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.journal.atomic import atomic_write
from standpipe.journal.sink_entries import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standpipe.journal.sink_entries import SinkEntry


def read_entries(path: str) -> dict[str, SinkEntry] | None:
    """Read sinks.json; None where there is none, or none of ours. Raises OSError."""
    try:
        with open(path, "rb") as file:
            return decode(file.read())
    except FileNotFoundError:
        return None


def write_entries(path: str, entries: Mapping[str, SinkEntry]) -> None:
    """Replace sinks.json, durably. Raises OSError."""
    atomic_write(path, encode(entries))
