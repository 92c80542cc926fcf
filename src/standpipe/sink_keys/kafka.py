"""The keys of a sink of type kafka. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.tls import TLS_KEYS, tls_problems

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE_SIZE_TEXT = "1000000B"  # librdkafka's message.max.bytes; brokers take 1,048,588 by default (max.message.bytes)
MIN_MESSAGE_SIZE_TEXT = "16KiB"
MAX_MESSAGE_SIZE_TEXT = "64MiB"

MAY_NOT: Mapping[str, str] = {
    "acks": "every replica in sync must have a record before it counts as delivered",
    "request.required.acks": "every replica in sync must have a record before it counts as delivered",
    "enable.idempotence": "without it librdkafka's own retries repeat records and change their order",
    "enable.gapless.guarantee": "what to do after a failure is decided by the pump",
    "transactional.id": "a transaction would hide records until it is ended, and nobody would end it",
    "transaction.timeout.ms": "there are no transactions",
    "max.in.flight": "idempotence needs 5 or fewer, and sets it",
    "max.in.flight.requests.per.connection": "idempotence needs 5 or fewer, and sets it",
    "retries": "idempotence sets it",
    "message.send.max.retries": "idempotence sets it",
    "delivery.timeout.ms": "`timeout` sets it",
    "message.timeout.ms": "`timeout` sets it",
    "message.max.bytes": "`max_message_size` sets it",
    "batch.size": "`max_message_size` sets it",
    "bootstrap.servers": "`brokers` sets it",
    "metadata.broker.list": "`brokers` sets it",
    "compression.type": "`compression` sets it",
    "compression.codec": "`compression` sets it",
    "security.protocol": "`transport` and `sasl` set it",
    "sasl.mechanism": "`sasl` sets it",
    "sasl.mechanisms": "`sasl` sets it",
    "sasl.username": "`username` sets it",
    "ssl.ca.location": "`tls.ca` sets it",
    "ssl.certificate.location": "`tls.cert` sets it",
    "ssl.key.location": "`tls.key` sets it",
    "enable.ssl.certificate.verification": "`tls.verify` sets it",
    "ssl.endpoint.identification.algorithm": "`tls.verify` sets it",
    "plugin.library.paths": "it loads code",
    "sasl.kerberos.kinit.cmd": "it runs a command",
    "interceptors": "it loads code",
    "log_level": "librdkafka's own log goes nowhere; status says what is wrong",
    "debug": "librdkafka's own log goes nowhere; status says what is wrong",
    "delivery.report.only.error": "every record's report is waited for",
    "queue.buffering.max.messages": "a batch must fit into the queue",
    "queue.buffering.max.kbytes": "a batch must fit into the queue",
    "queuing.strategy": "order would be lost",
}
"""librdkafka's settings that would break the promise, run code or are options here; and why."""

NOT_HERE = ("password", "secret", ".pem", "_cb", "test.mock")
"""Parts of names of settings that hold secrets (`--print-config` would show them), are functions, or serve tests."""

KEYS: tuple[Key, ...] = (
    Key("brokers", Kind.TEXTS, "Where to begin: some brokers of the cluster, each as `host:port`.", required=True),
    Key("topic", Kind.TEXT, "The topic. It must exist, unless the brokers create topics on their own.", required=True),
    Key(
        "compression",
        Kind.CHOICE,
        "How batches are compressed, on the wire and on the brokers.",
        default="zstd",
        choices=("zstd", "lz4", "snappy", "gzip", "none"),
    ),
    Key(
        "transport",
        Kind.CHOICE,
        "TLS, or TCP, which anybody on the way can read and change.",
        default="tls",
        choices=("tls", "tcp"),
    ),
    *(key for key in TLS_KEYS if key.path != "tls.server_name"),
    Key(
        "sasl",
        Kind.CHOICE,
        "How to log in.",
        default="none",
        choices=("none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    ),
    Key("username", Kind.TEXT, "The name to log in with.", default_text="none"),
    Key("password", Kind.SECRET, "The password to log in with.", default_text="none"),
    Key(
        "max_message_size",
        Kind.SIZE,
        "The largest message; a larger record goes in parts. Not above the topic's `max.message.bytes`.",
        default=MESSAGE_SIZE_TEXT,
        minimum=MIN_MESSAGE_SIZE_TEXT,
        maximum=MAX_MESSAGE_SIZE_TEXT,
    ),
    Key(
        "timeout",
        Kind.DURATION,
        "How long the brokers may take to acknowledge a batch.",
        default="30s",
        minimum="1s",
        maximum="10m",
    ),
    Key("properties", Kind.LABELS, "More settings of librdkafka, by its own names.", default_text="none"),
)

DELIVER_SEALS = True
"""A message has an envelope, so seals tell themselves from records."""

EXTRA = "kafka"


def problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Return what only the options together show: (option name, message, remedy)."""
    tls = options.get("transport") != "tcp"
    found = tls_problems(options, "" if tls else "transport is tcp")
    mechanism = options.get("sasl") or "none"
    login = ("username", "password")
    if mechanism == "none":
        remedy = "Give sasl, such as SCRAM-SHA-512"
        found += [(name, "is given, but sasl is none", remedy) for name in login if options.get(name)]
    else:
        remedy = "Give it, or set sasl to none"
        found += [(name, f"is needed for {mechanism}", remedy) for name in login if not options.get(name)]
    if mechanism == "PLAIN" and not tls:
        found.append(("sasl", "would send the password in the clear", "Use TLS, or a SCRAM mechanism"))
    return found + _property_problems(options.get("properties"))


def _property_problems(properties: object) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for name in properties if isinstance(properties, dict) else ():
        if name in MAY_NOT:
            found.append(("properties", f"has {name}: {MAY_NOT[name]}", "Leave it out"))
        elif any(part in str(name) for part in NOT_HERE):
            remedy = "Leave it out; a secret's place is password, a key's tls.key"
            found.append(("properties", f"has {name}, which holds a secret or is not for a config", remedy))
    return found
