"""The options of an HTTP destination's headers, and of the token that goes into one of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.url import header_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_TOKEN_HEADER = "Authorization"  # noqa: S105 - a header's name
DEFAULT_TOKEN_SCHEME = "Bearer"  # noqa: S105 - RFC 6750

HEADERS_KEY = Key("headers", Kind.LABELS, "Further headers; nothing secret, for these are shown.", default_text="none")
TOKEN_KEYS: tuple[Key, ...] = (
    Key("token", Kind.SECRET, "Goes into the header token_header, behind token_scheme.", default_text="none"),
    Key("token_header", Kind.TEXT, "The header that the token goes into.", default=DEFAULT_TOKEN_HEADER),
    Key(
        "token_scheme", Kind.TEXT, "The word before the token; empty for the token alone.", default=DEFAULT_TOKEN_SCHEME
    ),
)

OWN_HEADERS = frozenset(
    {
        *("connection", "content-encoding", "content-length", "content-type", "host"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
SECRET_HEADERS = frozenset({"api-key", "authorization", "cookie", "dd-api-key", "proxy-authorization", "x-api-key"})
"""Headers that `headers` may not hold: those that are set for each request, and those that are secrets."""


def header_problems(
    options: Mapping[str, object],
    own_options: Mapping[str, str] = {},
) -> list[tuple[str, str, str]]:
    """Return what is wrong with headers, token_header and token_scheme: (option, message, remedy).

    own_options: the options of this type that are meant for headers of OWN_HEADERS, by the header's name in lower case.
    """
    found = []
    headers = options.get("headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        key = str(name).lower()
        if problem := header_problem(str(name), str(value)):
            found.append(("headers", f"cannot be sent: {problem}", "Correct it"))
        elif key in SECRET_HEADERS:
            found.append(
                ("headers", f"must not hold {name}, which is a secret", f"Use token with token_header: {name}")
            )
        elif key in OWN_HEADERS:
            option = own_options.get(key)
            remedy = f"Use {option}" if option else "Take it out: each request sets it"
            found.append(("headers", f"must not hold {name}", remedy))
    found += name_problems(options, "token_header")
    found += value_problems(options, "token_scheme")
    return found


def name_problems(options: Mapping[str, object], option: str) -> list[tuple[str, str, str]]:
    """Return what is wrong with an option that names a header."""
    name = str(options.get(option) or "X")
    if header_problem(name, ""):
        return [(option, f"{name!r} is not the name of an HTTP header", "Use letters, digits and hyphens")]
    return []


def value_problems(options: Mapping[str, object], option: str) -> list[tuple[str, str, str]]:
    """Return what is wrong with an option that becomes a header's value, or a part of it."""
    if header_problem("X", str(options.get(option) or "")):
        return [(option, "holds a character that a header must not hold", "Correct it")]
    return []
