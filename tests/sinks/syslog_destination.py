"""A syslog receiver of the tests' own: it stores every message in order, and fails in the ways it is told to.

It is stricter than the real ones: a wrong octet count or header is noted in `complaints`, and the connection reset.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from standpipe.config import parse_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.config_sinks import SinkConfig

DEADLINE_SECONDS = 60.0  # generous: reached only where something is broken
HOST = "127.0.0.1"
READ_BYTES = 64 << 10
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: close(2) sends a reset and throws away what was not sent

# RFC 5424 section 6, field by field
_MESSAGE = re.compile(
    rb"<(\d{1,3})>1 (-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ([!-~]{1,255}) ([!-~]{1,48})"
    rb" ([!-~]{1,128}) ([!-~]{1,32}) (-|(?:\[(?:\\.|[^\]\\])*\])+)(?: (.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Message:
    """One message, as RFC 5424 names its parts; raw is all of it."""

    facility: int
    severity: int
    time: str
    host: str
    app: str
    msgid: str
    data: str
    text: bytes
    raw: bytes

    @property
    def id(self) -> str:
        """The record's id in its envelope; empty where it has none."""
        envelope = json.loads(self.text).get("standpipe", {})
        return str(envelope.get("id", ""))


def parse(raw: bytes) -> Message:
    """Return a message; ValueError where it is none."""
    found = _MESSAGE.fullmatch(raw)
    if found is None:
        raise ValueError(f"no RFC 5424 message: {raw[:200]!r}")
    facility, severity = divmod(int(found[1]), 8)
    time_text, host, app, _, msgid, data = (part.decode("ascii") for part in found.groups()[1:7])
    return Message(facility, severity, time_text, host, app, msgid, data, found[8] or b"", raw)


def syslog_config(address: str, **options: object) -> SinkConfig:
    """Return a sink's config as the file gives it; tls_ca stands for tls.ca, and None for an option not given."""
    given: dict[str, object] = {"type": "syslog", "address": address}
    tls: dict[str, object] = {}
    for name, value in options.items():
        if value is None:
            continue
        if name.startswith("tls_"):
            tls[name.removeprefix("tls_")] = value
        else:
            given[name] = value
    if tls:
        given["tls"] = tls
    return parse_config({"sinks": {"logs": given}}).sinks[0]


def server_context(certificate: str, client_ca: str | None = None) -> ssl.SSLContext:
    """Return a context for `SyslogDestination`; client_ca: clients must have a certificate that it signed."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    if client_ca is not None:
        made.load_verify_locations(client_ca)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


class SyslogDestination:
    """A receiver on loopback, in threads. Every switch may be changed while it runs.

    delay_seconds: before each read. reset_after: reset the connection after so many more messages, stored ones.
    commit_then_reset: so many connections are read to their end, and then reset instead of closed. drop_at: a message
    with these bytes is not stored, nor what follows it; the connection is closed without a word (as syslog-ng does
    with a frame that is too large). answers_close: closes when the client does. notifies: with close_notify.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, receive_bytes: int | None = None) -> None:
        """Listen on a port of the kernel's choice. receive_bytes: size of the receive buffer, None for the kernel's."""
        self.messages: list[Message] = []
        self.complaints: list[str] = []
        self.connections = 0
        self.delay_seconds = 0.0
        self.reset_after: int | None = None
        self.commit_then_reset = 0
        self.drop_at: bytes | None = None
        self.answers_close = True
        self.notifies = True
        self.port = 0
        self._tls = tls
        self._receive_bytes = receive_bytes
        self._changed = threading.Condition()
        self._open = threading.Event()
        self._open.set()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.up()

    @property
    def address(self) -> str:
        """Host and port; the certificate of the tests is good for this name."""
        return f"localhost:{self.port}"

    @property
    def ids(self) -> list[str]:
        """Return the ids in the order in which they arrived, repeated ones as well."""
        with self._changed:
            return [message.id for message in self.messages]

    @property
    def open_connections(self) -> int:
        """Return how many connections have not ended."""
        return len(self._sockets)

    def hold(self) -> None:
        """Read nothing until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Go on."""
        self._open.set()

    def wait_for(self, condition: Callable[[SyslogDestination], bool]) -> None:
        """Wait until a condition holds; it is asked after each change. TimeoutError after the deadline."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), DEADLINE_SECONDS):
                raise TimeoutError(f"after {self.connections} connections and {len(self.messages)} messages")

    def up(self) -> None:
        """Listen, on the same port as before; nothing where it does already."""
        if self._listener is None:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._receive_bytes:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
            listener.bind((HOST, self.port))
            listener.listen(64)
            self.port = listener.getsockname()[1]
            self._listener = listener
            self._start(lambda: self._accept(listener))

    def down(self) -> None:
        """Refuse new connections and break those that are open."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        with self._changed:
            for connection in self._sockets:
                _break(connection)
        self._open.set()
        for thread in self._threads:
            thread.join(DEADLINE_SECONDS)
        self._threads.clear()
        listener.close()

    def __enter__(self) -> Self:
        """Return itself, listening."""
        return self

    def __exit__(self, *_: object) -> None:
        """Go down."""
        self.down()

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._changed:
                self.connections += 1
                self._sockets.add(connection)
            self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
                with self._changed:
                    self._sockets.add(connection)
            self._receive(connection)
        except ssl.SSLError as error:
            self.complaints.append(error.reason or str(error))
        except ValueError as error:
            self.complaints.append(str(error))
            _reset_at_close(connection)
        except OSError:  # the client has gone; the client's side is what is tested
            pass
        finally:
            with self._changed:
                self._sockets -= {plain, connection}
                self._changed.notify_all()
            connection.close()

    def _receive(self, connection: socket.socket) -> None:
        """Read to the end, or to where a switch says so."""
        pending = b""
        while True:
            self._open.wait(DEADLINE_SECONDS)
            time.sleep(self.delay_seconds)
            data = connection.recv(READ_BYTES)
            if not data:
                break
            pending = self._take(pending + data, connection)
            if self.drop_at is not None and self.drop_at in data:
                _read_what_is_there(connection)
                return
        if pending:
            raise ValueError(f"the connection ended inside a frame: {pending[:80]!r}")
        self._end(connection)

    def _take(self, data: bytes, connection: socket.socket) -> bytes:
        """Store the frames that are complete; return the rest."""
        while data:
            found = re.match(rb"([1-9]\d{0,8}) ", data)
            if not found:
                if re.fullmatch(rb"[1-9]\d{0,8}", data):
                    return data
                raise ValueError(f"no octet count: {data[:80]!r}")
            end = found.end() + int(found[1])
            if len(data) < end:
                return data
            raw, data = data[found.end() : end], data[end:]
            if self.drop_at is not None and self.drop_at in raw:
                return b""
            with self._changed:
                self.messages.append(parse(raw))
                self._changed.notify_all()
                if self.reset_after is not None:
                    self.reset_after -= 1
                    if self.reset_after == 0:
                        self.reset_after = None
                        _reset_at_close(connection)
                        raise OSError("told to reset")
        return b""

    def _end(self, connection: socket.socket) -> None:
        """Answer the client's close."""
        if not self.answers_close:
            poll = select.poll()
            poll.register(connection, 0)  # until the client's kernel says that it has gone, or `down` breaks it
            poll.poll(1000 * DEADLINE_SECONDS)
            return
        with self._changed:
            reset = self.commit_then_reset > 0
            self.commit_then_reset -= reset
        if reset:
            _reset_at_close(connection)
        elif self.notifies and isinstance(connection, ssl.SSLSocket):
            connection.unwrap()


def _reset_at_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def _read_what_is_there(connection: socket.socket) -> None:
    """Empty the kernel's buffer, so that a close sends a FIN and no reset."""
    connection.settimeout(0.2)
    with contextlib.suppress(OSError):
        while socket.socket.recv(connection, READ_BYTES):
            pass


def _break(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has gone already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # SSLSocket's own would take its TLS away from a reader
