"""The keys of a sink of type otlp. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.headers import HEADERS_KEY, TOKEN_KEYS, header_problems
from standpipe.sink_keys.tls import TLS_KEYS, tls_problems
from standpipe.sink_keys.url import URL_REMEDY, Url, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_SIZE_TEXT = "4MiB"  # what gRPC servers take by default, and many gateways behind HTTP
MIN_REQUEST_SIZE_TEXT = "64KiB"  # resource, attributes and one part of a record must have room
MAX_REQUEST_SIZE_TEXT = "64MiB"  # the limit that the OTLP specification recommends to receivers

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
    HEADERS_KEY,
    *TOKEN_KEYS,
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
    endpoint = parse_url(str(options.get("endpoint") or ""))
    plain = isinstance(endpoint, Url) and endpoint.scheme == "http"
    found = tls_problems(options, "endpoint is http://" if plain else "")
    if not isinstance(endpoint, Url):
        found.append(("endpoint", f"cannot be used: {endpoint}", URL_REMEDY))
    else:
        if endpoint.path.rstrip("/").endswith("/v1/logs"):
            found.append(("endpoint", "ends with /v1/logs, which is appended", "Leave /v1/logs out"))
        if endpoint.query:
            found.append(("endpoint", "has a query", "Write https://host:4318, and use token or headers"))
    return found + header_problems(options)
