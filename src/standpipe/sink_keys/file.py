"""The keys of a sink of type file. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS: tuple[Key, ...] = (
    Key("path", Kind.PATH, "The file that records are appended to; its directory must exist.", required=True),
    Key(
        "format",
        Kind.CHOICE,
        "Our envelope in front of each record, or each record's JSON alone, without seals.",
        default="json",
        choices=("json", "raw"),
    ),
)

DELIVER_SEALS = True
EXTRA = ""


def problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Return what only the options together show: (option name, message, remedy)."""
    path = str(options.get("path") or "")
    if not path.startswith("/"):
        return [("path", "is not absolute, so it would depend on where standpipe is started", "Begin it with /")]
    if path.endswith("/"):
        return [("path", "names a directory", "Name a file in it")]
    return []
