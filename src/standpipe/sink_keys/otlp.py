"""The keys of a sink of type otlp. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.tls import TLS_KEYS, tls_problems
from standpipe.sink_keys.url import URL_REMEDY, Url, header_problem, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_SIZE_TEXT = "4MiB"  # what gRPC servers take by default, and many gateways behind HTTP
MIN_REQUEST_SIZE_TEXT = "64KiB"  # resource, attributes and one part of a record must have room
MAX_REQUEST_SIZE_TEXT = "64MiB"  # the limit that the OTLP specification recommends to receivers

OWN_HEADERS = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"}
)
SECRET_HEADERS = frozenset({"api-key", "authorization", "cookie", "proxy-authorization", "x-api-key"})

KEYS: tuple[Key, ...] = (
    Key("endpoint", Kind.TEXT, "Where the receiver is; `/v1/logs` is appended: `https://host:4318`.", required=True),
    Key(
        "body",
        Kind.CHOICE,
        "The record in a LogRecord's body: its JSON text, exact to the byte, or the JSON as OTLP's own types.",
        default="text",
        choices=("text", "fields"),
    ),
    Key("compression", Kind.CHOICE, "How requests are compressed.", default="gzip", choices=("gzip", "none")),
    Key("headers", Kind.LABELS, "Further headers; nothing secret, for these are shown.", default_text="none"),
    Key("token", Kind.SECRET, "Goes into the header token_header, behind token_scheme.", default_text="none"),
    Key("token_header", Kind.TEXT, "The header that the token goes into.", default="Authorization"),
    Key("token_scheme", Kind.TEXT, "The word before the token; empty for the token alone.", default="Bearer"),
    Key("service_name", Kind.TEXT, "The resource's `service.name`.", default="vault"),
    Key(
        "service_instance",
        Kind.TEXT,
        "The resource's `service.instance.id`.",
        default_text="the name of the machine or pod, as the journal has it",
    ),
    Key(
        "resource",
        Kind.LABELS,
        "More resource attributes, such as `k8s.cluster.name`; they take precedence over all others.",
        default_text="none",
    ),
    Key(
        "max_request_size",
        Kind.SIZE,
        "The largest request, before compression.",
        default=REQUEST_SIZE_TEXT,
        minimum=MIN_REQUEST_SIZE_TEXT,
        maximum=MAX_REQUEST_SIZE_TEXT,
    ),
    Key(
        "oversize",
        Kind.CHOICE,
        "What becomes of a record that no request has room for: several LogRecords, or the dead-letter file.",
        default="parts",
        choices=("parts", "dead-letter"),
    ),
    Key(
        "timeout",
        Kind.DURATION,
        "How long the receiver may take to answer.",
        default="30s",
        minimum="1s",
        maximum="10m",
    ),
    *TLS_KEYS,
)

DELIVER_SEALS = True
"""A LogRecord has an envelope, so seals tell themselves from records."""

EXTRA = ""


def problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Return what only the options together show: (option name, message, remedy)."""
    found = tls_problems(options)
    url = parse_url(str(options.get("endpoint") or ""))
    if not isinstance(url, Url):
        found.append(("endpoint", f"cannot be used: {url}", URL_REMEDY))
    else:
        if url.path.rstrip("/").endswith("/v1/logs"):
            found.append(("endpoint", "ends with /v1/logs, which is appended", "Leave /v1/logs out"))
        if url.query:
            found.append(("endpoint", "has a query", "Write https://host:4318, and use token or headers"))
        if url.scheme == "http" and any(options.get(name) for name in ("tls.ca", "tls.cert", "tls.server_name")):
            found.append(("endpoint", "is http://, so the tls options would do nothing", "Write https://"))
    return found + _header_problems(options)


def _header_problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    headers = options.get("headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if problem := header_problem(str(name), str(value)):
            found.append(("headers", f"cannot be sent: {problem}", "Correct it"))
        elif str(name).lower() in OWN_HEADERS:
            found.append(("headers", f"must not hold {name}, which we set ourselves", "Take it out"))
        elif str(name).lower() in SECRET_HEADERS:
            found.append(("headers", f"must not hold {name}, which is a secret", "Use token and token_header"))
    if header_problem(str(options.get("token_header") or "X"), ""):
        found.append(("token_header", "is not the name of an HTTP header", "Use letters, digits and hyphens"))
    if header_problem("X", str(options.get("token_scheme") or "")):
        found.append(("token_scheme", "holds a character that a header must not hold", "Correct it"))
    return found
