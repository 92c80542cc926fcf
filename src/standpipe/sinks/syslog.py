"""RFC 5424 syslog over TLS (RFC 5425) or TCP with octet counting (RFC 6587).

Syslog has no acknowledgement; sinks.syslog_stream says what can be known all the same. With ``confirm: close`` each
batch has a connection of its own, and counts as delivered when the receiver closed it in answer to our close: its
program has read all of it. With ``confirm: kernel`` the connection stays, and a batch counts as delivered when the
receiver's kernel has it; what the program had not read when it ended is then lost, and only `verify` sees it.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from standpipe.errors import SinkError, UsageError
from standpipe.preflight import Check, Result, failed, ok, warning
from standpipe.records.envelope import Envelope
from standpipe.records.framing import Record
from standpipe.sink_keys.address import address_text, parse_address
from standpipe.sink_keys.syslog import ADDRESS_REMEDY, DEFAULT_PORTS, KERNEL, RAW, TLS
from standpipe.sinks.base import Delivered, Limits, Retry, Unfit, wished
from standpipe.sinks.parts import parts_of
from standpipe.sinks.syslog_message import Header, frame
from standpipe.sinks.syslog_stream import NoCloseError, Stream
from standpipe.sinks.tls import FreshContext, is_lasting, tls_options, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.config_sinks import SinkConfig
    from standpipe.sinks.base import Batch, Context, Outcome

BATCH_BYTES = 256 << 10  # some 130 records: one handshake for each batch costs little then
BATCH_RECORDS = 10_000
CLOSE_LINGER_SECONDS = 0.2  # a slow trickle makes five connections a second at most
CHECK_NAME = "receiver"
FAREWELL_SECONDS = 5.0  # at our own end, for a receiver that does not close: all is delivered, so it is a courtesy
HIGHEST = 10**20 - 1  # the last offset that has a name: makes the largest envelope


class SyslogSink:
    """See the module's docstring."""

    def __init__(self, config: SinkConfig, context: Context) -> None:
        """Prepare; see sinks.base.SinkType for what is raised."""
        transport = config.text("transport") or TLS
        self._keeps_connection = config.text("confirm") == KERNEL
        self._raw = config.text("format") == RAW
        self._address = _address(config, transport)
        self._where = address_text(*self._address)
        linger_seconds = 0.0 if self._keeps_connection else CLOSE_LINGER_SECONDS
        self._limits = wished(Limits(BATCH_BYTES, BATCH_RECORDS, linger_seconds), config.batch, in_order=True)
        self._timeout = config.seconds("timeout")
        self._message_bytes = config.number("max_message")
        self._header = Header(
            config.text("facility") or "",
            config.text("hostname") or context.node,
            config.text("app_name") or "",
            context.journal_id,
            config.number("enterprise_number") or None,
        )
        self._envelope = Envelope(context.journal_id, config.labels)
        self._require_room()
        options = tls_options(config)
        self._tls = FreshContext(options) if transport == TLS else None
        self._server_name = options.server_name or self._address[0]
        self._stream: Stream | None = None
        self._notifies: bool | None = None  # does the receiver answer close_notify with its own? None: not seen yet

    @property
    def limits(self) -> Limits:
        """One batch at a time: the order of messages is that of the journal."""
        return self._limits

    def encode(self, record: Record, after: int) -> bytes | Sequence[bytes]:
        """Return the framed message, or one for each part of a record that is larger than max_message."""
        header = self._header.of(record, after)
        if (
            self._raw
            and not (record.torn or record.is_seal or record.dropped)
            and len(header) + len(record.body) <= self._message_bytes
        ):
            return frame(header + record.body)
        whole = self._envelope.object(record, after)
        if len(header) + len(whole) <= self._message_bytes:
            return frame(header + whole)
        room = self._message_bytes - len(header)
        return parts_of(self._envelope, record, after, room, lambda part, _number: frame(header + part))

    def send(self, batch: Batch) -> Outcome:
        """Send a batch and wait for what `confirm` asks for."""
        data = b"".join(batch.payloads)
        try:
            return self._send_and_keep(data) if self._keeps_connection else self._send_and_close(data)
        except SinkError as error:  # the certificates' files were renewed and cannot be used now
            return Retry(str(error), config_fault=True)
        except OSError as error:
            return self._retry(error)

    def checks(self) -> list[Check]:
        """Return the look at the receiver: it connects, greets, and closes; it sends no message."""
        return [Check(CHECK_NAME, self._look)]

    def close(self) -> None:
        """End the connection in good order, so that nothing in the receiver's buffer is lost by it."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        with suppress(OSError):
            stream.finish(FAREWELL_SECONDS)
        stream.close()

    def _connect(self) -> Stream:
        tls = self._tls.get() if self._tls is not None else None
        return Stream(self._address, tls, self._server_name, self._timeout)

    def _send_and_keep(self, data: bytes) -> Outcome:
        kept, self._stream = self._stream, None
        stream = kept or self._connect()
        try:
            if kept is None:
                stream.wait_for_acceptance()
            stream.check_open()
            stream.send(data)
            stream.wait_for_kernel()
        except OSError as error:
            told = stream.last_words()
            stream.close()
            raise (told or error) from error
        self._stream = stream
        return Delivered()

    def _send_and_close(self, data: bytes) -> Outcome:
        if self._tls is not None and self._notifies is None:
            self._notifies = self._exchange(b"")
        usual, self._notifies = self._notifies, None  # after a failure another program may answer there
        notified = self._exchange(data)
        if usual and not notified:
            return Retry(
                f"{self._where}: the receiver ended the connection without close_notify, which it sends otherwise: it "
                "may have refused a message, for instance because its own limit is below max_message"
            )
        self._notifies = usual
        return Delivered()

    def _exchange(self, data: bytes) -> bool:
        """Send over a connection of its own and end it in good order; say whether the receiver used close_notify.

        Without data it waits to be refused: as long as there is nothing from us that the receiver did not read, its
        reason reaches us before its reset.
        """
        stream = self._connect()
        try:
            if data:
                stream.send(data)
            else:
                stream.wait_for_acceptance()
            return stream.finish(self._timeout)
        except OSError as error:
            raise (stream.last_words() or error) from error
        finally:
            stream.close()

    def _retry(self, error: OSError) -> Retry:
        """Say what an error of the network means."""
        if isinstance(error, ssl.SSLError):
            return Retry(f"{self._where}: {words(error)}", config_fault=is_lasting(error))
        if isinstance(error, NoCloseError):
            why = f"{error}; if it never does, only `confirm: kernel` is left"
            return Retry(f"{self._where}: {why}")
        if isinstance(error, socket.gaierror):
            return Retry(f"{self._where}: the name cannot be resolved: {error.strerror}")
        return Retry(f"{self._where}: {error.strerror or error}", timed_out=isinstance(error, TimeoutError))

    def _look(self) -> list[Result]:
        name = CHECK_NAME
        try:
            how = ", and closes when we do" if self._exchange(b"") else ", and closes when we do, without close_notify"
        except NoCloseError as error:
            if not self._keeps_connection:
                remedy = "Set confirm: kernel, and read in docs/sinks/syslog.md what that costs"
                return [failed(name, f"{self._where}: {error}", remedy)]
            how = ""
        except ssl.SSLError as error:
            remedy = "Compare tls.ca, tls.cert and tls.server_name with the receiver's own"
            return [failed(name, f"{self._where}: {words(error)}", remedy)]
        except OSError as error:
            remedy = "Compare address and transport with the receiver's own"
            return [failed(name, f"{self._where}: {error.strerror or error}", remedy)]
        if self._tls is not None:
            return [ok(name, f"{self._where} answers{how}")]
        remedy = "Use transport: tls where the network is not yours alone"
        return [warning(name, f"{self._where} answers, over a connection that is not encrypted", remedy)]

    def _require_room(self) -> None:
        """Raise UsageError where the header and the envelope alone fill a message."""
        largest = Record(HIGHEST, HIGHEST, b"\x7f" * self._message_bytes, torn=True)
        try:
            self.encode(largest, HIGHEST)
        except Unfit as error:
            raise UsageError(
                f"a message of {self._message_bytes} bytes has no room for its header and envelope",
                "Raise max_message, here and at the receiver, or add fewer labels",
            ) from error


def open_sink(config: SinkConfig, context: Context) -> SyslogSink:
    """Make the sink; see sinks.base.SinkType."""
    return SyslogSink(config, context)


def _address(config: SinkConfig, transport: str) -> tuple[str, int]:
    try:
        return parse_address(config.text("address") or "", DEFAULT_PORTS[transport])
    except ValueError as error:
        raise UsageError(f"sinks.{config.name}.address cannot be used: {error}", ADDRESS_REMEDY) from error
