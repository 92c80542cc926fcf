"""What each type of sink has: its own keys from sink_keys.<type>, and which of the general ones it cannot have. Pure.

A type's module is imported when a config names the type, and not before.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from standpipe.config_keys import SINK, TABLE, Key, Table
from standpipe.config_sinks import STDOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standpipe.config_sinks import SinkConfig

OBJECTS = "objects"
RAW = "raw"

WHOLE_SEGMENTS = "does not work with type objects, which stores whole segments"
ANOTHER_SINK = "Delete the key; another type of sink can have a part of the records"
REFUSED: dict[str, dict[str, tuple[str, str]]] = {
    STDOUT: {"batch": ("does not work with type stdout, which has no batches", "Delete the key")},
    OBJECTS: {
        "select": (WHOLE_SEGMENTS, ANOTHER_SINK),
        "drop_fields": (WHOLE_SEGMENTS, ANOTHER_SINK),
        "add": (WHOLE_SEGMENTS, ANOTHER_SINK),
        "deliver_seals": ("does not work with type objects, which stores the seal of each segment", "Delete the key"),
        "batch": (WHOLE_SEGMENTS, "Delete the key; journal.segment_size says how large they are"),
    },
}
"""The general keys that a type cannot have, with what is wrong and the remedy."""

NEEDS_ENVELOPE = ("add", "deliver_seals")
"""The general keys of which something stands in the envelope: not for stdout's format raw, which has none."""


def is_raw(sink: SinkConfig) -> bool:
    """Tell whether a sink gets Vault's bytes, with nothing of ours among them."""
    return sink.type == STDOUT and sink.text("format") == RAW


class SinkKeys(Protocol):
    """What a module sink_keys.<type> offers. EXTRA: the name of its pip extra, "" where it needs none."""

    @property
    def KEYS(self) -> tuple[Key, ...]:  # noqa: N802 - a constant of a module
        """Its own keys; their paths are relative to the sink."""

    @property
    def DELIVER_SEALS(self) -> bool:  # noqa: N802
        """The default of deliver_seals."""

    @property
    def EXTRA(self) -> str:  # noqa: N802
        """The name of its pip extra; empty where it needs none."""

    def problems(self, options: Mapping[str, object]) -> list[tuple[str, str, str]]:
        """Return what only the options together show: (option name, message, remedy)."""


def sink_keys(sink_type: str) -> SinkKeys:
    """Return the module of a type."""
    return cast("SinkKeys", import_module(f"standpipe.sink_keys.{sink_type}"))


def sink_table(sink_type: str) -> Table:
    """Return the keys of a sink of this type: the general ones that it can have, and its own."""
    own = (replace(key, path=f"{SINK}.{key.path}") for key in sink_keys(sink_type).KEYS)
    refused = REFUSED.get(sink_type, {})
    start = f"{SINK}.type"
    general = {path: key for path, key in TABLE.keys.items() if path.startswith(f"{SINK}.") and path != start}
    return Table(
        {start: TABLE.keys[start], **{key.path: key for key in own}, **general},
        {f"{SINK}.{name}": problem for name, problem in refused.items()},
    )
