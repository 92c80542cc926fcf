"""The keys of a sink of type http. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.headers import (
    DEFAULT_TOKEN_HEADER,
    HEADERS_KEY,
    TOKEN_KEYS,
    header_problems,
    name_problems,
    value_problems,
)
from standpipe.sink_keys.pairs import pair_problems
from standpipe.sink_keys.tls import TLS_KEYS, tls_problems
from standpipe.sink_keys.url import URL_REMEDY, Url, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER_OPTIONS = {"content-encoding": "compression", "content-type": "content_type"}
"""Options that are meant for headers which `headers` may not hold."""

KEYS: tuple[Key, ...] = (
    Key("url", Kind.TEXT, "Where the batches go, http:// or https://.", required=True),
    Key("method", Kind.CHOICE, "The HTTP method.", default="POST", choices=("POST", "PUT")),
    Key(
        "format",
        Kind.CHOICE,
        "One JSON object a line, or all objects of a batch in one JSON array.",
        default="lines",
        choices=("lines", "array"),
    ),
    Key(
        "content_type",
        Kind.TEXT,
        "The Content-Type header.",
        default_text="`application/x-ndjson` for lines, `application/json` for array",
    ),
    Key(
        "compression",
        Kind.CHOICE,
        "How the body is compressed (Content-Encoding).",
        default="none",
        choices=("none", "gzip", "zstd"),
    ),
    HEADERS_KEY,
    *TOKEN_KEYS,
    Key("username", Kind.TEXT, "User of basic authentication, in place of a token.", default_text="none"),
    Key("password", Kind.SECRET, "Password of basic authentication.", default_text="none"),
    Key(
        "hmac.key", Kind.SECRET, "Key of an HMAC-SHA256 over the body as it is sent.", default_text="none; no signature"
    ),
    Key("hmac.header", Kind.TEXT, "The header of the signature, `sha256=` and hex.", default="X-Standpipe-Signature"),
    Key(
        "max_record_size",
        Kind.SIZE,
        "A record whose JSON text is larger goes as `oversize` says.",
        default_text="batch.size",
        minimum="4KiB",
        maximum="256MiB",
    ),
    Key(
        "oversize",
        Kind.CHOICE,
        "A record that is too large goes in parts, or to the dead letters.",
        default="parts",
        choices=("parts", "dead-letter"),
    ),
    Key(
        "timeout",
        Kind.DURATION,
        "How long sending a body, and then the answer, may each take.",
        default="30s",
        minimum="100ms",
        maximum="10m",
    ),
    *TLS_KEYS,
)

DELIVER_SEALS = True
EXTRA = ""


def problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Return what only the options together show: (option name, message, remedy)."""
    url = parse_url(str(options.get("url") or ""))
    plain = isinstance(url, Url) and url.scheme == "http"
    found = tls_problems(options, "url is http://" if plain else "")
    if not isinstance(url, Url):
        found.append(("url", f"cannot be used: {url}", URL_REMEDY))
    found += header_problems(options, HEADER_OPTIONS)
    found += name_problems(options, "hmac.header")
    for option in ("content_type", "username"):
        found += value_problems(options, option)
    found += _credential_problems(options)
    return found


def _credential_problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    found = pair_problems(options, "username", "password")
    username, token = options.get("username"), options.get("token")
    if username and ":" in str(username):  # RFC 7617 section 2
        found.append(("username", "holds a colon, which basic authentication does not allow", "Correct it"))
    if username and token and str(options.get("token_header") or DEFAULT_TOKEN_HEADER).lower() == "authorization":
        found.append(
            ("token", "and username both want the header Authorization", "Give one of them, or a token_header")
        )
    return found
