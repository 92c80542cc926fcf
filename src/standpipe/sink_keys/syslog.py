"""The keys of a sink of type syslog. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.address import parse_address
from standpipe.sink_keys.tls import TLS_KEYS, tls_problems

if TYPE_CHECKING:
    from collections.abc import Mapping

TLS, TCP = "tls", "tcp"
CLOSE, KERNEL = "close", "kernel"
JSON, RAW = "json", "raw"
DEFAULT_PORTS = {TLS: 6514, TCP: 601}  # syslog-tls (RFC 5425 section 4.1) and syslog-conn at IANA
ADDRESS_REMEDY = "Give host:port, for example logs.example.com:6514"

# RFC 5424 section 6.2.1, table 1, by the names that rsyslog and syslog-ng know them by
FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)

HOSTNAME_CHARACTERS_MAX = 255  # RFC 5424 section 6
APP_NAME_CHARACTERS_MAX = 48

MIN_MESSAGE_TEXT = "2KiB"  # RFC 5425 section 4.3.1: every receiver takes 2048 octets
MAX_MESSAGE_TEXT = "64MiB"  # a message is held in memory; no known receiver takes more
DEFAULT_MESSAGE_TEXT = "8000B"  # rsyslog's default of "8k" is 8096 bytes: what is beyond becomes a message of its own
MIN_TIMEOUT_TEXT = "1s"
MAX_TIMEOUT_TEXT = "1h"
MAX_ENTERPRISE_NUMBER = "4294967295"  # RFC 9371: 32 bits

KEYS: tuple[Key, ...] = (
    Key(
        "address",
        Kind.TEXT,
        "The receiver, `host:port` or `host`; port 6514 for tls and 601 for tcp where none is given.",
        required=True,
    ),
    Key(
        "transport",
        Kind.CHOICE,
        "TLS (RFC 5425), or TCP with octet counting (RFC 6587), which anybody on the way can read and change.",
        default=TLS,
        choices=(TLS, TCP),
    ),
    Key(
        "confirm",
        Kind.CHOICE,
        "A batch counts as delivered when the receiver has read it to the end and closed the connection in answer to "
        "ours, or as soon as its kernel has it: fewer connections, but a receiver that restarts loses records.",
        default=CLOSE,
        choices=(CLOSE, KERNEL),
    ),
    Key(
        "format",
        Kind.CHOICE,
        "The record with our envelope in front, or as Vault wrote it.",
        default=JSON,
        choices=(JSON, RAW),
    ),
    Key(
        "max_message",
        Kind.SIZE,
        "What the receiver takes as one message; a larger record goes in parts.",
        default=DEFAULT_MESSAGE_TEXT,
        minimum=MIN_MESSAGE_TEXT,
        maximum=MAX_MESSAGE_TEXT,
    ),
    Key("facility", Kind.CHOICE, "The facility of every message.", default="local0", choices=FACILITIES),
    Key("app_name", Kind.TEXT, "The APP-NAME of every message.", default="vault"),
    Key("hostname", Kind.TEXT, "The HOSTNAME of every message.", default_text="the journal's node"),
    Key(
        "enterprise_number",
        Kind.INTEGER,
        "Your organisation's number at IANA: puts id, offset, length and after into structured data as well.",
        default_text="none; no structured data",
        minimum="1",
        maximum=MAX_ENTERPRISE_NUMBER,
    ),
    Key(
        "timeout",
        Kind.DURATION,
        "How long the receiver may make no progress before the connection is given up.",
        default="60s",
        minimum=MIN_TIMEOUT_TEXT,
        maximum=MAX_TIMEOUT_TEXT,
    ),
    *TLS_KEYS,
)

DELIVER_SEALS = True

EXTRA = ""


def problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Return what only the options together show: (option name, message, remedy)."""
    transport = str(options.get("transport") or TLS)
    found = tls_problems(options, "transport is tcp" if transport == TCP else "")
    try:
        parse_address(str(options.get("address") or ""), DEFAULT_PORTS[transport])
    except ValueError as error:
        found.append(("address", str(error), ADDRESS_REMEDY))
    for name, room in (("app_name", APP_NAME_CHARACTERS_MAX), ("hostname", HOSTNAME_CHARACTERS_MAX)):
        text = options.get(name)
        if isinstance(text, str) and text and not (text.isascii() and text.isprintable() and " " not in text):
            found.append((name, "has characters that a syslog header cannot hold", "Use printable ASCII, no space"))
        elif isinstance(text, str) and len(text) > room:
            found.append((name, f"is longer than the {room} characters that RFC 5424 allows", "Give a shorter one"))
    return found
