"""The keys of a sink of type otlp. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.tls import TLS_KEYS, tls_problems

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
    Key("headers", Kind.LABELS, "Headers put on every request; nothing secret.", default_text="none"),
    Key(
        "authorization",
        Kind.SECRET,
        "The whole value of the secret header, such as `Bearer …`.",
        default_text="none",
    ),
    Key("authorization_header", Kind.TEXT, "The name of the header with the secret.", default="Authorization"),
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
        "max_request",
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
    endpoint = str(options.get("endpoint") or "")
    if endpoint and not endpoint.startswith(("http://", "https://")):
        found.append(("endpoint", "does not begin with https:// or http://", "Write https://host:4318"))
    if endpoint.rstrip("/").endswith("/v1/logs"):
        found.append(("endpoint", "ends with /v1/logs, which is appended", "Leave /v1/logs out"))
    if "?" in endpoint or "#" in endpoint:
        found.append(("endpoint", "has a query or a fragment", "Write https://host:4318, and use headers"))
    if options.get("authorization") and endpoint.startswith("http://"):
        remedy = "Use https, or a receiver that needs no secret"
        found.append(("authorization", "would be sent in the clear", remedy))
    headers = options.get("headers")
    own = ("content-type", "content-encoding", "content-length", "host", "transfer-encoding")
    for name in headers if isinstance(headers, dict) else ():
        if str(name).lower() in own:
            found.append(("headers", f"has {name}, which we set ourselves", "Leave it out"))
        elif str(name).lower() in ("authorization", "api-key", "x-api-key"):
            found.append(("headers", f"has {name}, which is a secret", "Use authorization and authorization_header"))
    return found
