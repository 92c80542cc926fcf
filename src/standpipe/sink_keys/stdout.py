"""The keys of a sink of type stdout. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS: tuple[Key, ...] = (
    Key(
        "format",
        Kind.CHOICE,
        "Bytes as Vault wrote them, our envelope in front, or Cloud Logging's fields in front.",
        default="raw",
        choices=("raw", "json", "gcp"),
    ),
    Key(
        "refuse_raw",
        Kind.BOOLEAN,
        "Whether records with values in clear text, and torn ones, are withheld.",
        default="false",
    ),
)

DELIVER_SEALS = False
"""Whoever reads a stream of records there expects nothing else in it."""

EXTRA = ""


def problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:  # noqa: ARG001 - every type's signature
    """Return what only the options together show: (option name, message, remedy)."""
    return []
