"""Audit records of a server that never was, small enough to read; shared by the tests of tail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from standpipe.analysis.tail_half import Half, half_of, parse_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, object]
MINUTE = "2026-03-01T10:00:"


def record(
    kind: str, number: int, *, second: float = 0.0, request: Mapping[str, object] | None = None, **members: object
) -> bytes:
    """Return a record of the request with that number, as a line without its newline."""
    entry: Json = {
        "time": f"{MINUTE}{second:06.3f}Z",
        "type": kind,
        "auth": {"display_name": "token-bob", "entity_id": "e1234567890", "policies": ["default", "dev"]},
        "request": {
            "id": f"id-{number}",
            "operation": "read",
            "path": f"secret/{number}",
            "namespace": {"id": "root"},
            "remote_address": "10.0.0.7",
            **(request or {}),
        },
        **members,
    }
    return json.dumps(entry, separators=(",", ":")).encode()


def half(
    kind: str, number: int, *, second: float = 0.0, request: Mapping[str, object] | None = None, **members: object
) -> Half:
    """Return the same, read."""
    entry = parse_entry(record(kind, number, second=second, request=request, **members))
    assert entry is not None
    found = half_of(entry, "j", number)
    assert found is not None
    return found
