"""librdkafka's settings for a sink, from its config. Pure.

Names and ranges: https://github.com/confluentinc/librdkafka/blob/v2.16.0/CONFIGURATION.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from standpipe.config_sinks import SinkConfig

BATCH_BYTES_MAX = 1_000_000  # librdkafka's own default: below the 1,048,588 bytes that a topic takes by default
METADATA_PROPAGATION_SECONDS = 5.0  # how long a topic may be unknown before it counts as missing; for new topics


def producer_settings(config: SinkConfig, password: str | None) -> dict[str, object]:
    """Return the settings, without functions. The promise stands last: nothing in `properties` can undo it."""
    seconds = config.seconds("timeout") or 30.0
    message_bytes = config.number("max_message_size") or BATCH_BYTES_MAX
    return {
        "client.id": "standpipe",
        "partitioner": "murmur2_random",  # where a Java producer puts the same key
        "socket.keepalive.enable": True,
        "topic.metadata.propagation.max.ms": int(min(METADATA_PROPAGATION_SECONDS, seconds / 2) * 1000),
        **config.labels_of("properties"),
        "bootstrap.servers": ",".join(config.texts("brokers")),
        "compression.type": config.text("compression") or "zstd",
        "message.max.bytes": message_bytes,
        "batch.size": min(message_bytes, BATCH_BYTES_MAX),
        "message.timeout.ms": int(seconds * 1000),
        "log_level": 0,  # emergencies alone: it would write to stderr
        **_security(config, password),
        "acks": "all",
        "enable.idempotence": True,
    }


def _security(config: SinkConfig, password: str | None) -> dict[str, object]:
    tls = config.text("transport") != "tcp"
    mechanism = config.text("sasl") or "none"
    sasl = mechanism != "none"
    settings: dict[str, object] = {"security.protocol": ("sasl_" if sasl else "") + ("ssl" if tls else "plaintext")}
    if sasl:
        settings |= {"sasl.mechanism": mechanism, "sasl.username": config.text("username") or ""}
        settings |= {"sasl.password": password or ""}
    if not tls:
        return settings
    verify = config.options.get("tls.verify") is not False
    settings["enable.ssl.certificate.verification"] = verify
    settings["ssl.endpoint.identification.algorithm"] = "https" if verify else "none"
    cert = config.text("tls.cert")
    files = {
        "ssl.ca.location": config.text("tls.ca"),
        "ssl.certificate.location": cert,
        "ssl.key.location": config.text("tls.key") or cert,
    }
    return settings | {name: path for name, path in files.items() if path}
