"""One half of a request's audit: what its record says that a person in an incident wants to see. Pure.

Members that are absent, null or of another type than Vault's read as empty: entries differ between versions (Vault
docs, audit; OpenBao internal/audit/format.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from standpipe.sinks.timestamp import unix_nanoseconds

REQUEST: Final = "request"
RESPONSE: Final = "response"

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Half:
    """What one record says; empty where it does not say. kind: REQUEST, RESPONSE, or a type that is neither.

    nanoseconds: `time` as Unix time; None where it is none. login_name: the display name of the token that a login gave
    out. has_error_answer: the response says nothing but that it failed: its data has one member, ``error``; its text
    is hashed (logical.Response.IsError in Vault and OpenBao; a 400 may have no `error` of its own).
    """

    journal: str
    offset: int | None
    kind: str
    time: str
    nanoseconds: int | None
    request_id: str
    operation: str
    path: str
    namespace_path: str
    mount_point: str
    mount_type: str
    client_id: str
    display_name: str
    login_name: str
    entity_id: str
    policies: tuple[str, ...]
    token_type: str
    accessor: str
    remote_address: str
    remote_port: int | None
    error: str
    has_error_answer: bool

    @property
    def is_request(self) -> bool:
        """Whether this half asks."""
        return self.kind == REQUEST


def parse_entry(body: bytes) -> dict[str, object] | None:
    """Return a record's JSON object; None where it is none. Raises nothing."""
    try:
        entry = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def half_of(entry: dict[str, object], journal: str, offset: int | None) -> Half | None:
    """Read an audit entry; None where an object is none. journal: empty where it is not known. Raises nothing."""
    if not isinstance(entry.get("type"), str) and not isinstance(entry.get("request"), dict):
        return None
    request, response, auth = _object(entry, "request"), _object(entry, "response"), _object(entry, "auth")
    login = _object(response, "auth")
    time = _text(entry, "time")
    return Half(
        journal=journal,
        offset=offset,
        kind=_kind(_text(entry, "type")),
        time=time,
        nanoseconds=unix_nanoseconds(time),
        request_id=_text(request, "id"),
        operation=_text(request, "operation"),
        path=_text(request, "path"),
        namespace_path=_text(_object(request, "namespace"), "path"),
        mount_point=_text(request, "mount_point") or _text(response, "mount_point"),
        mount_type=_text(request, "mount_type") or _text(response, "mount_type"),
        client_id=_text(request, "client_id"),
        display_name=_text(auth, "display_name"),
        login_name=_text(login, "display_name"),
        entity_id=_text(auth, "entity_id") or _text(login, "entity_id"),
        policies=_texts(auth, "policies") or _texts(login, "policies"),
        token_type=_text(auth, "token_type"),
        accessor=_text(auth, "accessor") or _text(request, "client_token_accessor"),
        remote_address=_text(request, "remote_address"),
        remote_port=_number(request, "remote_port"),
        error=_error(entry.get("error")),
        has_error_answer=list(_object(response, "data")) == ["error"],
    )


def _kind(kind: str) -> str:
    """Return which half a type names; plugins write ``<mount type>-request`` (OpenBao internal/audit/audit.go)."""
    for half in (REQUEST, RESPONSE):
        if kind == half or kind.endswith(f"-{half}"):
            return half
    return kind


def _object(above: dict[str, object], name: str) -> dict[str, object]:
    value = above.get(name)
    return value if isinstance(value, dict) else {}


def _text(above: dict[str, object], name: str) -> str:
    value = above.get(name)
    return value if isinstance(value, str) else ""


def _texts(above: dict[str, object], name: str) -> tuple[str, ...]:
    value = above.get(name)
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _number(above: dict[str, object], name: str) -> int | None:
    value = above.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _error(value: object) -> str:
    """Return an error's text; one of another type, as JSON, so that it is not taken for none."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if value else ""
