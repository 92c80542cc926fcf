"""From a record's bytes to what pairing needs: is it a request or a response, of which id, and what explains it alone.

Entries differ between versions: members come in any order, may be absent, null or "" (Vault up to 1.6), a plugin's own
auditor writes ``<mount type>-request``, and Enterprise's ``exclude`` can remove any member. What is absent, null or of
another type reads as the empty string, and nothing here raises. One parse, and nothing of ``data`` is built.
"""

from typing import Literal

import msgspec

from standpipe.records.fields import NO_NAMESPACE, NO_REQUEST, RequestMembers, parse_fields

Kind = Literal["request", "response", "other"]

REQUEST: Literal["request"] = "request"
RESPONSE: Literal["response"] = "response"
OTHER: Literal["other"] = "other"

JSONX_START = b"<json:object"
JSONX_MESSAGE = (
    "These records are XML (the audit device's option format=jsonx), which has no lines and no end of a record: "
    "they can be neither tiled nor paired. Set format=json on the audit device"
)


class PairFields(msgspec.Struct, frozen=True, gc=False):
    """What one record says that its pairing depends on; an empty string where it does not say."""

    kind: Kind = OTHER
    """``other``: the type is absent, or neither kind; such a record has no other half."""
    plugin: str = ""
    """``<mount type>`` of a plugin's own entry (``<mount type>-request``); such a half pairs with its like only."""
    request_id: str = ""
    path: str = ""
    """Of the request, without the namespace's path in front."""
    namespace_path: str = ""
    operation: str = ""
    error: str = ""
    time: str = ""
    """RFC 3339, as Vault wrote it, to the nanosecond."""
    mount_type: str = ""
    mount_point: str = ""
    forwarded_from: str = ""
    """host:port of the standby that forwarded the request (Vault Enterprise)."""


class _Entry(msgspec.Struct, gc=False):
    time: str | None = None
    type: str | None = None
    error: str | None = None
    forwarded_from: str | None = None
    request: RequestMembers | None = None


class _OddEntry(msgspec.Struct, gc=False):
    forwarded_from: msgspec.Raw = msgspec.Raw()


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_odd_entry = msgspec.json.Decoder(_OddEntry).decode
_decode_text = msgspec.json.Decoder(str).decode


def is_jsonx(body: bytes) -> bool:
    """Tell whether bytes that are no JSON object begin like a JSONx entry; JSONX_MESSAGE says what that means."""
    return body.lstrip()[: len(JSONX_START)] == JSONX_START


def kind_of(type_text: str) -> tuple[Kind, str]:
    """Return the kind that a ``type`` names, and the mount type in front of it: ``kv-request`` is a request of kv."""
    if type_text in (REQUEST, RESPONSE):
        return (REQUEST if type_text == REQUEST else RESPONSE), ""
    plugin, dash, last = type_text.rpartition("-")
    if dash and last == REQUEST:
        return REQUEST, plugin
    if dash and last == RESPONSE:
        return RESPONSE, plugin
    return OTHER, ""


def parse_pair_fields(body: bytes) -> PairFields:
    """Read what pairing needs from a record's JSON object; anything else is of kind ``other``. Raises nothing."""
    try:
        entry = _decode_entry(body)
    except msgspec.ValidationError:
        return _parse_odd(body)
    except _UNREADABLE:
        return PairFields()
    kind, plugin = kind_of(entry.type or "")
    request = entry.request or NO_REQUEST
    return PairFields(  # in order: by keyword takes half as long again, and every record comes through here
        kind,
        plugin,
        request.id or "",
        request.path or "",
        (request.namespace or NO_NAMESPACE).path or "",
        request.operation or "",
        entry.error or "",
        entry.time or "",
        request.mount_type or "",
        request.mount_point or "",
        entry.forwarded_from or "",
    )


def _parse_odd(body: bytes) -> PairFields:
    """Read a record in which a member has a type of its own, by the parser that stands that."""
    fields = parse_fields(body)
    kind, plugin = kind_of(fields.type)
    return PairFields(
        kind=kind,
        plugin=plugin,
        request_id=fields.request_id,
        path=fields.path,
        namespace_path=fields.namespace_path,
        operation=fields.operation,
        error=fields.error,
        time=fields.time,
        mount_type=fields.mount_type,
        mount_point=fields.mount_point,
        forwarded_from=_odd_forwarded_from(body),
    )


def _odd_forwarded_from(body: bytes) -> str:
    try:
        return _decode_text(_decode_odd_entry(body).forwarded_from)
    except _UNREADABLE:
        return ""
