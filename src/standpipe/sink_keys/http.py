"""The keys of a sink of type http. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.tls import TLS_KEYS, tls_problems
from standpipe.sink_keys.url import URL_REMEDY, Url, header_problem, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN_HEADERS = {
    "authorization": "token, or username and password",
    "connection": "",
    "content-encoding": "compression",
    "content-length": "",
    "content-type": "content_type",
    "cookie": "token with token_header: Cookie",
    "host": "",
    "proxy-authorization": "token with token_header: Proxy-Authorization",
    "te": "",
    "trailer": "",
    "transfer-encoding": "",
    "upgrade": "",
}
"""Headers that `headers` may not hold, and the option that is meant for them; none where the connection needs them."""

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
    Key("headers", Kind.LABELS, "Further headers; nothing secret, for these are shown.", default_text="none"),
    Key("token", Kind.SECRET, "Goes into the header token_header, behind token_scheme.", default_text="none"),
    Key("token_header", Kind.TEXT, "The header that the token goes into.", default="Authorization"),
    Key("token_scheme", Kind.TEXT, "The word before the token; empty for the token alone.", default="Bearer"),
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
    found = tls_problems(options)
    url = parse_url(str(options.get("url") or ""))
    if not isinstance(url, Url):
        found.append(("url", f"cannot be used: {url}", URL_REMEDY))
    elif url.scheme == "http" and any(options.get(name) for name in ("tls.ca", "tls.cert", "tls.server_name")):
        found.append(("url", "is http://, so the tls options would do nothing", "Write https://, or take them out"))
    found += _header_problems(options)
    found += _credential_problems(options)
    return found


def _header_problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    found = []
    headers = options.get("headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if problem := header_problem(str(name), str(value)):
            found.append(("headers", f"cannot be sent: {problem}", "Correct it"))
        elif (option := OWN_HEADERS.get(str(name).lower())) is not None:
            remedy = f"Use {option}" if option else "Take it out: the connection sets it"
            found.append(("headers", f"must not hold {name}", remedy))
    for option in ("token_header", "hmac.header"):
        name = str(options.get(option) or "X")
        if header_problem(name, ""):
            found.append((option, f"{name!r} is not the name of an HTTP header", "Use letters, digits and hyphens"))
    found += [
        (option, "holds a character that a header must not hold", "Correct it")
        for option in ("token_scheme", "content_type", "username")
        if header_problem("X", str(options.get(option) or ""))
    ]
    return found


def _credential_problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    found = []
    username, password, token = (options.get(name) for name in ("username", "password", "token"))
    if bool(username) != bool(password):
        given, missing = ("username", "password") if username else ("password", "username")
        found.append((given, f"is given without {missing}", f"Give {missing} as well"))
    if username and ":" in str(username):  # RFC 7617 section 2
        found.append(("username", "holds a colon, which basic authentication does not allow", "Correct it"))
    if username and token and str(options.get("token_header") or "Authorization").lower() == "authorization":
        found.append(
            ("token", "and username both want the header Authorization", "Give one of them, or a token_header")
        )
    return found
