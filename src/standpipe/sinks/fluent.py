"""Fluentd and Fluent Bit by the forward protocol, with an acknowledgement for each batch.

An acknowledgement means that the server has the batch in its buffer; which of its buffers are files is its own config.
A server does not dedupe: after a failure between its taking a batch and our seeing the acknowledgement, the same bytes
arrive twice, under the same chunk id and with the same ids in the records.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from standpipe.errors import SinkError, UsageError
from standpipe.preflight import Check, Result, failed, ok, warning
from standpipe.sink_keys.address import address_text, parse_address
from standpipe.sink_keys.fluent import ADDRESS_REMEDY, DEFAULT_PORT, GZIP, TCP, TEXT
from standpipe.sinks.base import Delivered, Limits, Retry, wished
from standpipe.sinks.fluent_connection import Connection
from standpipe.sinks.fluent_handshake import Login, RefusedError
from standpipe.sinks.fluent_message import RECORD_BYTES_MAX, EntryEncoder, forward
from standpipe.sinks.fluent_reply import ProtocolError
from standpipe.sinks.secret import read_secret
from standpipe.sinks.tls import FreshContext, is_lasting, tls_options, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.config_sinks import SinkConfig
    from standpipe.records.framing import Record
    from standpipe.sinks.base import Batch, Context, Outcome

BATCH_BYTES = 2 << 20
"""Below Fluent Bit's buffer_max_size (6,144,000 bytes: it closes the connection beyond), and below a chunk of Fluentd's
(chunk_limit_size, 8 MiB in memory)."""

BATCH_RECORDS = 20_000  # of the smallest audit records; bounds what one batch costs the server at once
LINGER_SECONDS = 0.05  # each batch costs a round trip, and the server a chunk of its own
CHECK_NAME = "server"
SALT_BYTES = 16  # as Fluentd's own client has it
DEFAULT_TIMEOUT_SECONDS = 30.0
DEFAULT_TAG = "vault.audit"
FALLBACK_HOSTNAME = "standpipe"  # the protocol wants a name


class FluentSink:
    """See the module's docstring."""

    def __init__(self, config: SinkConfig, context: Context) -> None:
        """Prepare; see sinks.base.SinkType for what is raised."""
        self._config = config
        try:
            self._address = parse_address(config.text("address") or "", DEFAULT_PORT)
        except ValueError as error:
            raise UsageError(f"sinks.{config.name}.address cannot be used: {error}", ADDRESS_REMEDY) from error
        self._where = address_text(*self._address)
        self._tag = config.text("tag") or DEFAULT_TAG
        self._compress = config.text("compression") == GZIP
        self._keepalive = config.options.get("keepalive") is not False
        self._timeout = config.seconds("timeout") or DEFAULT_TIMEOUT_SECONDS
        self._hostname = config.text("hostname") or context.node or FALLBACK_HOSTNAME
        self._limits = wished(Limits(BATCH_BYTES, BATCH_RECORDS, LINGER_SECONDS), config.batch, in_order=True)
        self._encoder = EntryEncoder(
            context.journal_id,
            config.labels,
            as_text=config.text("record") == TEXT,
            bytes_max=min(RECORD_BYTES_MAX, self._limits.batch_bytes),
        )
        options = tls_options(config)
        self._tls = FreshContext(options) if config.text("transport") != TCP else None
        self._server_name = options.server_name or self._address[0]
        self._kept: Connection | None = None

    @property
    def limits(self) -> Limits:
        """One batch at a time: the order of events is that of the journal."""
        return self._limits

    def encode(self, record: Record, after: int) -> Sequence[bytes]:
        """Return the entry of a record, or of each part of one that is larger than an event should be."""
        return self._encoder.entries(record, after)

    def send(self, batch: Batch) -> Outcome:
        """Send a batch and wait for its acknowledgement; anything else costs the connection."""
        message, chunk = forward(self._tag, batch.payloads, compress=self._compress)
        try:
            return self._deliver(message, chunk.encode("ascii"))
        except (SinkError, RefusedError, ProtocolError) as error:
            return Retry(f"{self._where}: {error}", config_fault=True)
        except OSError as error:
            why = f"{self._where}: {_reason(error)}"
            return Retry(why, config_fault=is_lasting(error), timed_out=isinstance(error, TimeoutError))

    def checks(self) -> list[Check]:
        """Return the look at the server: it connects, shakes hands where there is a key, and sends nothing."""
        return [Check(CHECK_NAME, self._look)]

    def close(self) -> None:
        """Close the connection; everything sent on it has been acknowledged."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _deliver(self, message: bytes, chunk: bytes) -> Outcome:
        connection, self._kept = self._kept, None
        if connection is not None and connection.is_over():  # the server's idle timeout, or it was restarted
            connection.close()
            connection = None
        connection = connection or self._connect()
        acknowledged = False
        try:
            reply = connection.ask(message)
            acknowledged = isinstance(reply, dict) and reply.get(b"ack") == chunk
            if acknowledged:
                return Delivered()
            if isinstance(reply, dict) and b"ack" in reply:
                return Retry(f"{self._where}: the server acknowledges another batch than the one that was sent")
            raise ProtocolError("the server answers, but not in the forward protocol")
        finally:
            if acknowledged and self._keepalive and connection.keepalive:
                self._kept = connection
            else:
                connection.close()

    def _connect(self) -> Connection:
        login = self._login()
        tls = self._tls.get() if self._tls is not None else None
        connection = Connection(self._address, tls, self._server_name, self._timeout)
        if login is not None:
            try:
                connection.shake_hands(login, os.urandom(SALT_BYTES).hex())
            except BaseException:
                connection.close()
                raise
        return connection

    def _login(self) -> Login | None:
        """Return what the handshake needs, read anew each time; None without a shared key. Raises SinkError."""
        key, password = self._config.secret("shared_key"), self._config.secret("password")
        if key is None:
            return None
        name = self._config.name
        return Login(
            self._hostname,
            read_secret(key, f"the shared key of sink {name}"),
            self._config.text("username") or "",
            read_secret(password, f"the password of sink {name}") if password else "",
        )

    def _look(self) -> list[Result]:
        name = CHECK_NAME
        try:
            connection = self._connect()
        except (RefusedError, ProtocolError) as error:
            return [failed(name, f"{self._where}: {error}", "Compare address, transport, shared_key and users")]
        except OSError as error:
            remedy = "Compare address, transport and tls with the server's forward input, and see that it runs"
            return [failed(name, f"{self._where}: {_reason(error)}", remedy)]
        connection.close()
        if self._tls is None:
            remedy = "Say transport: tls, unless the server is on this machine or in this pod"
            return [warning(name, f"{self._where} answers; records travel unencrypted", remedy)]
        return [ok(name, f"{self._where} answers")]


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return words(error)
    return error.strerror or str(error) or type(error).__name__


def open_sink(config: SinkConfig, context: Context) -> FluentSink:
    """Make the sink; see sinks.base.SinkType."""
    return FluentSink(config, context)
