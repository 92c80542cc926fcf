"""The keys of a sink of type fluent. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.address import parse_address
from standpipe.sink_keys.pairs import pair_problems
from standpipe.sink_keys.tls import TLS_KEYS, tls_problems

if TYPE_CHECKING:
    from collections.abc import Mapping

TLS, TCP = "tls", "tcp"
FIELDS, TEXT = "fields", "text"
GZIP, NONE = "gzip", "none"
DEFAULT_PORT = 24224  # Forward Protocol Specification v1, "Network Transport Protocol"
ADDRESS_REMEDY = "Give host:port, for example fluentd.example.com:24224"

KEYS: tuple[Key, ...] = (
    Key("address", Kind.TEXT, "The server's forward input, `host:port` or `host`; port 24224 if none.", required=True),
    Key(
        "transport",
        Kind.CHOICE,
        "TLS, or TCP, which anybody on the way can read and change.",
        default=TLS,
        choices=(TLS, TCP),
    ),
    Key("tag", Kind.TEXT, "The tag of every event, which the server routes by.", default="vault.audit"),
    Key(
        "record",
        Kind.CHOICE,
        "The record's members as the event's, or its JSON text, exact to the byte, in the one member `raw`.",
        default=FIELDS,
        choices=(FIELDS, TEXT),
    ),
    Key("compression", Kind.CHOICE, "How the events are compressed.", default=NONE, choices=(GZIP, NONE)),
    Key("shared_key", Kind.SECRET, "The key that server and client show each other to have.", default_text="none"),
    Key("username", Kind.TEXT, "Our name where the server has users.", default_text="none"),
    Key("password", Kind.SECRET, "The password of username.", default_text="none"),
    Key(
        "hostname",
        Kind.TEXT,
        "Our name in the handshake, another than the server's.",
        default_text="the name of the machine or pod, as the journal has it",
    ),
    Key("keepalive", Kind.BOOLEAN, "Whether one connection serves many batches.", default="true"),
    Key(
        "timeout",
        Kind.DURATION,
        "How long a connection may take to be made, sending may stand still, and an acknowledgement may take.",
        default="30s",
        minimum="1s",
        maximum="1h",
    ),
    *TLS_KEYS,
)

DELIVER_SEALS = True
"""An event has an envelope, so seals tell themselves from records."""

EXTRA = ""


def problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Return what only the options together show: (option name, message, remedy)."""
    found = tls_problems(options, "transport is tcp" if options.get("transport") == TCP else "")
    try:
        parse_address(str(options.get("address") or ""), DEFAULT_PORT)
    except ValueError as error:
        found.append(("address", str(error), ADDRESS_REMEDY))
    if options.get("tag") == "":
        found.append(("tag", "is empty", "Give the tag that the server's match rules expect"))
    found += pair_problems(options, "username", "password")
    if options.get("username") and not options.get("shared_key"):
        remedy = "Give shared_key: the protocol has users only together with it"
        found.append(("username", "is given without shared_key", remedy))
    return found
