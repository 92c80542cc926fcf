"""Values that an audit device should have hashed and did not: what ``log_raw=true`` leaves in a record. Pure.

Vault and OpenBao write ``hmac-sha256:`` and 64 hex digits in the place of every token, and of every text in
``request.data`` and ``response.data`` that is no timestamp (OpenBao internal/audit/hashstructure.go). The rule looks
where a secret is known to stand:

- ``auth.client_token``, ``request.client_token``, ``response.auth.client_token`` and ``response.wrap_info.token``;
- below ``request.data`` and ``response.data``, at any depth, the members whose names are in DATA_NAMES: what clients
  log in with. A device with ``log_raw`` shows those even where no token is in the record, as in a login that failed.

Accessors are not looked at: ``hmac_accessor=false`` shows them on purpose, and they open nothing. Of other data nothing
can be told from a record: a mount's ``audit_non_hmac_request_keys`` may show any of it. So what is found here is in
clear text; that nothing is found proves that tokens are hashed, and nothing of the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

HMAC_PREFIX: Final = "hmac-sha256:"
DATA_NAMES: Final = frozenset({"client_token", "jwt", "password", "secret_id", "token"})
"""Of the members that are tokens or open a login (docs of the auth methods token, jwt, kubernetes, userpass, ldap,
approle), and of ``sys/wrapping``."""

_PLACES: Final = (("auth", "client_token"), ("request", "client_token"))
_RESPONSE_PLACES: Final = (("auth", "client_token"), ("wrap_info", "token"))

# One search for each name: Python's `re` looks for a literal beginning at some 3 GB/s, for alternatives at 0.2.
# The names without what can stand before them: `token":` is `client_token":` as well. Vault writes no whitespace.
_SUSPECT: Final = tuple(
    re.compile(name + rb'":(?!"hmac-sha256:|""|null)').search for name in (b"token", b"password", b"secret_id", b'"jwt')
)
# The same with a value that is surely a text in clear; one that is cut off may yet be hashed.
_CLEAR: Final = re.compile(
    rb'"(client_token|jwt|password|secret_id|token)"[ \t\r\n]*+:[ \t\r\n]*+'
    rb'"(?!hmac-sha256:|"|h?m?a?c?-?s?h?a?2?5?6?:?\Z)'
)
# What is not hashed because it reads as a time: time.Parse(time.RFC3339Nano) of Go.
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)")

_decode = msgspec.json.Decoder().decode


def may_hold_raw_values(data: bytes) -> bool:
    """Tell whether a stretch of whole lines may have a value in clear text in it; False is certain.

    That holds for JSON as Vault writes it: without whitespace between a name and its value, names without escapes.
    It takes some 1.5 ms for a MB and nothing for each line: give it whole blocks, and ask raw_fields only of the lines
    of a block that may.
    """
    token, password, secret_id, jwt = _SUSPECT
    return bool(token(data) or password(data) or secret_id(data) or jwt(data))


def raw_fields(body: bytes) -> tuple[str, ...]:
    """Return the dotted names of the members of one record whose values are in clear text; () where there are none.

    The values themselves are never returned. Of what is no JSON object (a torn record) the bare names of such members
    are returned, wherever they stand. A member of a list has the list's name. Raises nothing.
    """
    if not may_hold_raw_values(body) and b'": ' not in body:
        return ()
    try:
        entry = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        return tuple(sorted({match.decode() for match in _CLEAR.findall(body)}))
    return tuple(dict.fromkeys(_found(entry)))


def _found(entry: dict[str, object]) -> Iterator[str]:
    response = _member(entry, "response")
    for above, name in _PLACES:
        if _is_clear(_member(_member(entry, above), name)):
            yield f"{above}.{name}"
    for above, name in _RESPONSE_PLACES:
        if _is_clear(_member(_member(response, above), name)):
            yield f"response.{above}.{name}"
    yield from _in_data(_member(_member(entry, "request"), "data"), "request.data", secret=False)
    yield from _in_data(_member(response, "data"), "response.data", secret=False)


def _in_data(value: object, path: str, *, secret: bool) -> Iterator[str]:
    """Go down through data; secret: the member that leads here has one of the names."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _in_data(member, f"{path}.{name}", secret=name in DATA_NAMES)
    elif isinstance(value, list):
        for element in value:
            yield from _in_data(element, path, secret=secret)
    elif secret and _is_clear(value):
        yield path


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _is_clear(value: object) -> bool:
    return (
        isinstance(value, str)
        and value != ""
        and not value.startswith(HMAC_PREFIX)
        and _TIMESTAMP.fullmatch(value) is None
    )
