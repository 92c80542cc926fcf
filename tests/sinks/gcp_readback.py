"""Puts records together again from what Cloud Logging stores, as docs/sinks/gcp.md says it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.cloud.logging_v2.types import LogEntry


def payload(entry: LogEntry) -> dict[str, Any]:
    """Return an entry's jsonPayload as the API shows it: numbers are doubles in their shortest text."""
    message = type(entry).pb(entry).json_payload
    found: dict[str, Any] = json.loads(json_format.MessageToJson(message), parse_int=Decimal, parse_float=Decimal)
    return found


def value(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return what a record says; numbers with all their digits."""
    return json.loads(body, parse_int=Decimal, parse_float=Decimal)


def rebuilt(entries: Iterable[LogEntry]) -> dict[str, Any]:
    """Return each record by its id: bytes where text was stored, otherwise its value."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        found = payload(entry)
        groups[found["standpipe"]["id"]].append(found)
    return {identity: _joined(parts) for identity, parts in groups.items()}


def _joined(parts: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - any JSON value
    if "raw" in parts[0] or "raw_base64" in parts[0]:
        ordered = sorted(parts, key=lambda part: int(part["standpipe"].get("part", "1/1").partition("/")[0]))
        assert len(ordered) == int(ordered[0]["standpipe"].get("part", "1/1").partition("/")[2])
        return b"".join(p["raw"].encode() if "raw" in p else b64decode(p["raw_base64"]) for p in ordered)
    (whole,) = parts
    exact = whole.pop("standpipe").get("exact", {})
    for pointer, text in exact.items():
        _put(whole, pointer, Decimal(text))
    return whole


def _put(whole: Any, pointer: str, number: Decimal) -> None:  # noqa: ANN401 - any JSON value
    """Set a value by its JSON pointer (RFC 6901)."""
    *way, last = [name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:]]
    for name in way:
        whole = whole[int(name)] if isinstance(whole, list) else whole[name]
    whole[int(last) if isinstance(whole, list) else last] = number
