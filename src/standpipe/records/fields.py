"""The few fields of an audit record that sinks and queries need, read without building the rest.

Entries differ between versions: every member is ``omitempty`` in Vault and OpenBao, old versions wrote null and ""
instead, Enterprise's ``exclude`` can remove any of them (Vault docs, audit; OpenBao internal/audit/format.go). What is
absent, null or of another type reads as the empty string, and nothing here raises.
"""

from typing import TypeVar

import msgspec

Shape = TypeVar("Shape")

_NOTHING: tuple[object, ...] = (None, "", [], {})


class Fields(msgspec.Struct, frozen=True, gc=False):
    """What one record says; an empty string where it does not say."""

    type: str = ""
    """``request``, ``response``, or a plugin's ``<mount type>-request`` and the like."""
    has_error: bool = False
    """Whether ``error`` is there and neither null nor empty."""
    operation: str = ""
    mount_type: str = ""
    namespace_path: str = ""
    time: str = ""
    """RFC 3339, as Vault wrote it, to the nanosecond."""
    request_id: str = ""
    """The same in a request's record and its response's."""
    path: str = ""
    """Of the request, without the namespace's path in front."""
    mount_point: str = ""
    error: str = ""
    """The text of ``error``; empty where it is of another type, whatever has_error says."""


class NamespaceMembers(msgspec.Struct, gc=False):
    """What is read of ``request.namespace``."""

    path: str | None = None


class RequestMembers(msgspec.Struct, gc=False):
    """What is read of ``request``."""

    id: str | None = None
    operation: str | None = None
    path: str | None = None
    mount_type: str | None = None
    mount_point: str | None = None
    namespace: NamespaceMembers | None = None


class _Response(msgspec.Struct, gc=False):
    mount_type: str | None = None
    mount_point: str | None = None


class _Entry(msgspec.Struct, gc=False):
    time: str | None = None
    type: str | None = None
    error: str | None = None
    request: RequestMembers | None = None
    response: _Response | None = None


class _OddNamespace(msgspec.Struct, gc=False):
    path: msgspec.Raw = msgspec.Raw()


class _OddRequest(msgspec.Struct, gc=False):
    """The members of RequestMembers and _Response, of any type."""

    id: msgspec.Raw = msgspec.Raw()
    operation: msgspec.Raw = msgspec.Raw()
    path: msgspec.Raw = msgspec.Raw()
    mount_type: msgspec.Raw = msgspec.Raw()
    mount_point: msgspec.Raw = msgspec.Raw()
    namespace: msgspec.Raw = msgspec.Raw()


class _OddEntry(msgspec.Struct, gc=False):
    time: msgspec.Raw = msgspec.Raw()
    type: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    request: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()


NO_REQUEST = RequestMembers()
_NO_RESPONSE = _Response()
NO_NAMESPACE = NamespaceMembers()

_decode_entry = msgspec.json.Decoder(_Entry).decode
_odd_entry_decoder = msgspec.json.Decoder(_OddEntry)
_odd_request_decoder = msgspec.json.Decoder(_OddRequest)
_odd_namespace_decoder = msgspec.json.Decoder(_OddNamespace)
_text_decoder = msgspec.json.Decoder(str)
_any_decoder = msgspec.json.Decoder()

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def parse_fields(body: bytes) -> Fields:
    """Read the fields of a record's JSON object; of anything else, all fields are empty. Raises nothing."""
    try:
        entry = _decode_entry(body)
    except msgspec.ValidationError:
        return _parse_odd_fields(body)
    except _UNREADABLE:
        return Fields()
    request = entry.request or NO_REQUEST
    response = entry.response or _NO_RESPONSE
    error = entry.error or ""
    return Fields(  # in order: by keyword takes half as long again, and every record may come through here
        entry.type or "",
        error != "",
        request.operation or "",
        request.mount_type or response.mount_type or "",
        (request.namespace or NO_NAMESPACE).path or "",
        entry.time or "",
        request.id or "",
        request.path or "",
        request.mount_point or response.mount_point or "",
        error,
    )


def _parse_odd_fields(body: bytes) -> Fields:
    """Read a record in which at least one member has a type of its own: one by one, so that the others still count."""
    entry = _decode(_odd_entry_decoder, body) or _OddEntry()
    request = _decode(_odd_request_decoder, entry.request) or _OddRequest()
    response = _decode(_odd_request_decoder, entry.response) or _OddRequest()
    namespace = _decode(_odd_namespace_decoder, request.namespace) or _OddNamespace()
    return Fields(
        type=_text(entry.type),
        has_error=_has_content(entry.error),
        operation=_text(request.operation),
        mount_type=_text(request.mount_type) or _text(response.mount_type),
        namespace_path=_text(namespace.path),
        time=_text(entry.time),
        request_id=_text(request.id),
        path=_text(request.path),
        mount_point=_text(request.mount_point) or _text(response.mount_point),
        error=_text(entry.error),
    )


def _decode(decoder: "msgspec.json.Decoder[Shape]", raw: bytes | msgspec.Raw) -> Shape | None:
    try:
        return decoder.decode(raw)
    except _UNREADABLE:
        return None


def _text(raw: msgspec.Raw) -> str:
    return _decode(_text_decoder, raw) or ""


def _has_content(raw: msgspec.Raw) -> bool:
    return len(raw) > 0 and _decode(_any_decoder, raw) not in _NOTHING
