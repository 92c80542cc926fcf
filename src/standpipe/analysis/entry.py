"""One record's bytes into the members that analysis takes, whatever version wrote them. Pure.

One quick parse by types; where a member has another type than it should, the members are taken one by one, so that the
others still count. What is absent, null or of another type is None.
"""

from typing import Any, TypeVar

import msgspec

Shape = TypeVar("Shape")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class PolicyResults(msgspec.Struct, gc=False):
    """``auth.policy_results``."""

    allowed: bool | None = None


class Auth(msgspec.Struct, gc=False):
    """``auth``, of a request or inside of a response."""

    accessor: str | None = None
    client_token: str | None = None
    display_name: str | None = None
    entity_id: str | None = None
    policies: list[str] | None = None
    policy_results: PolicyResults | None = None
    token_type: str | None = None
    token_issue_time: str | None = None
    token_ttl: int | None = None
    entity_created: bool | None = None


class Namespace(msgspec.Struct, gc=False):
    """``request.namespace``."""

    id: str | None = None
    path: str | None = None


class Request(msgspec.Struct, gc=False):
    """``request``."""

    id: str | None = None
    operation: str | None = None
    path: str | None = None
    namespace: Namespace | None = None
    mount_point: str | None = None
    mount_type: str | None = None
    mount_class: str | None = None
    mount_accessor: str | None = None
    client_id: str | None = None
    client_token: str | None = None
    client_token_accessor: str | None = None
    remote_address: str | None = None
    remote_port: int | None = None
    wrap_ttl: int | None = None
    data: dict[str, msgspec.Raw] | None = None


class Secret(msgspec.Struct, gc=False):
    """``response.secret``."""

    lease_id: str | None = None


class WrapInfo(msgspec.Struct, gc=False):
    """``response.wrap_info``."""

    creation_path: str | None = None


class Response(msgspec.Struct, gc=False):
    """``response``."""

    auth: Auth | None = None
    data: dict[str, msgspec.Raw] | None = None
    mount_point: str | None = None
    mount_type: str | None = None
    mount_class: str | None = None
    mount_accessor: str | None = None
    secret: Secret | None = None
    wrap_info: WrapInfo | None = None


class Entry(msgspec.Struct, gc=False):
    """One audit entry."""

    time: str | None = None
    type: str | None = None
    error: str | None = None
    forwarded_from: str | None = None
    auth: Auth | None = None
    request: Request | None = None
    response: Response | None = None


_decode_entry = msgspec.json.Decoder(Entry).decode
_decode_any = msgspec.json.Decoder().decode


def read_entry(body: bytes) -> Entry | None:
    """Return the members of a record's JSON object; None where body is none. Raises nothing."""
    try:
        return _decode_entry(body)
    except msgspec.ValidationError:
        try:
            return _lenient(_decode_any(body))
        except UNREADABLE:
            return None
    except UNREADABLE:
        return None


def _lenient(entry: object) -> Entry:
    return Entry(
        time=_text(entry, "time"),
        type=_text(entry, "type"),
        error=_text(entry, "error"),
        forwarded_from=_text(entry, "forwarded_from"),
        auth=_lenient_auth(_member(entry, "auth")),
        request=_lenient_request(_member(entry, "request")),
        response=_lenient_response(_member(entry, "response")),
    )


def _lenient_auth(auth: object) -> Auth:
    results = _member(auth, "policy_results")
    return Auth(
        accessor=_text(auth, "accessor"),
        client_token=_text(auth, "client_token"),
        display_name=_text(auth, "display_name"),
        entity_id=_text(auth, "entity_id"),
        policies=_texts(auth, "policies"),
        policy_results=PolicyResults(_of_type(results, "allowed", bool)),
        token_type=_text(auth, "token_type"),
        token_issue_time=_text(auth, "token_issue_time"),
        token_ttl=_whole(auth, "token_ttl"),
        entity_created=_of_type(auth, "entity_created", bool),
    )


def _lenient_request(request: object) -> Request:
    namespace = _member(request, "namespace")
    return Request(
        **{name: _text(request, name) for name in _REQUEST_TEXTS},
        namespace=Namespace(_text(namespace, "id"), _text(namespace, "path")),
        remote_port=_whole(request, "remote_port"),
        wrap_ttl=_whole(request, "wrap_ttl"),
        data=_lenient_data(request),
    )


_REQUEST_TEXTS = (
    "id",
    "operation",
    "path",
    "mount_point",
    "mount_type",
    "mount_class",
    "mount_accessor",
    "client_id",
    "client_token",
    "client_token_accessor",
    "remote_address",
)


def _lenient_response(response: object) -> Response | None:
    if not isinstance(response, dict):
        return None
    auth = response.get("auth")
    return Response(
        auth=_lenient_auth(auth) if isinstance(auth, dict) else None,
        data=_lenient_data(response),
        mount_point=_text(response, "mount_point"),
        mount_type=_text(response, "mount_type"),
        mount_class=_text(response, "mount_class"),
        mount_accessor=_text(response, "mount_accessor"),
        secret=Secret(_text(_member(response, "secret"), "lease_id")),
        wrap_info=WrapInfo(_text(_member(response, "wrap_info"), "creation_path")),
    )


def _lenient_data(parent: object) -> dict[str, msgspec.Raw] | None:
    data = _member(parent, "data")
    if not isinstance(data, dict):
        return None
    return {
        name: msgspec.Raw(msgspec.json.encode(value) if name == "keys" else b"null") for name, value in data.items()
    }


def _member(parent: object, name: str) -> object:
    return parent.get(name) if isinstance(parent, dict) else None


def _of_type(parent: object, name: str, wanted: type[Shape]) -> Shape | None:
    value: Any = _member(parent, name)
    return value if isinstance(value, wanted) else None


def _text(parent: object, name: str) -> str | None:
    return _of_type(parent, name, str)


def _whole(parent: object, name: str) -> int | None:
    value = _of_type(parent, name, int)
    return None if isinstance(value, bool) else value


def _texts(parent: object, name: str) -> list[str] | None:
    values = _of_type(parent, name, list)
    return None if values is None else [value for value in values if isinstance(value, str)]
