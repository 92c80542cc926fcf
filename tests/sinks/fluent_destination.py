"""A small server of Fluent's forward protocol, written from its specification, that can be told to misbehave.

It is strict where real ones forgive: a message that is not PackedForward, an entry without EventTime, a wrong `size` or
a PING of a wrong shape closes the connection.
"""

from __future__ import annotations

import gzip
import os
import socket
import struct
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha512
from typing import TYPE_CHECKING, Any, Self

import msgspec

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

NO_ACK = "no-ack"  # takes the batch, says nothing
WRONG_ACK = "wrong-ack"  # acknowledges another chunk
RESET = "reset"  # takes the batch, then resets the connection: the ambiguous failure
REFUSE = "refuse"  # closes the connection and takes nothing
GARBAGE = "garbage"  # answers as another protocol would
PIECES = "pieces"  # acknowledges, a byte at a time
CLOSE_AFTER = "close-after"  # acknowledges and closes

SERVER_NAME = "destination"
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Event:
    """One event, in the order of arrival."""

    tag: str
    seconds: int
    nanoseconds: int
    record: dict[str, Any]


@dataclass
class Destination:
    """Listens while it is entered as a context. faults: one for each message to come; none left: behaves well."""

    tls: ssl.SSLContext | None = None
    shared_key: str | None = None
    users: dict[str, str] = field(default_factory=dict)
    keepalive: bool = True
    hangs_up_on_wrong_key: bool = False  # as Fluent Bit does, where Fluentd says why
    hangs_up_after_helo: bool = False
    faults: deque[str] = field(default_factory=deque)
    port: int = 0
    events: list[Event] = field(default_factory=list)
    chunks: list[str] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    pings: list[list[Any]] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        """Listen, on the same port as before where there was one."""
        self._stopping = False
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything and wait for the threads."""
        self._stopping = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    @property
    def address(self) -> str:
        """Return it as it stands in a config."""
        return f"127.0.0.1:{self.port}"

    @property
    def ids(self) -> list[str]:
        """Return the ids of all events, in the order of arrival."""
        return [event.record["standpipe"]["id"] for event in self.events]

    def _accept(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        try:
            plain.settimeout(PATIENCE_SECONDS)
            if self.tls is not None:
                connection = self.tls.wrap_socket(plain, server_side=True)
                self._open.add(connection)
            if self.shared_key is not None and not self._shake_hands(connection):
                return
            while (message := _message(connection)) is not None:
                if not self._answer(connection, message):
                    return
        except (OSError, AssertionError, msgspec.DecodeError):
            return
        finally:
            self._open -= {plain, connection}
            connection.close()

    def _shake_hands(self, connection: socket.socket) -> bool:
        nonce, salt = os.urandom(16), os.urandom(16)
        _send(connection, ["HELO", {"nonce": nonce, "auth": salt, "keepalive": self.keepalive}])
        if self.hangs_up_after_helo:
            return False
        ping = _message(connection)
        assert isinstance(ping, list)
        assert [str] * 6 == [type(part) for part in ping]
        self.pings.append(ping)
        _, hostname, their_salt, digest, user, password = ping
        key = (self.shared_key or "").encode()
        reason = ""
        if digest != sha512(their_salt.encode() + hostname.encode() + nonce + key).hexdigest():
            reason = "shared_key mismatch"
        elif self.users:
            expected = sha512(salt + user.encode() + self.users.get(user, "").encode()).hexdigest()
            reason = "" if user in self.users and expected == password else "username/password mismatch"
        if reason and self.hangs_up_on_wrong_key:
            return False
        if reason:
            _send(connection, ["PONG", False, reason, "", ""])
            return False
        proof = sha512(their_salt.encode() + SERVER_NAME.encode() + nonce + key).hexdigest()
        _send(connection, ["PONG", True, "", SERVER_NAME, proof])
        return True

    def _answer(self, connection: socket.socket, message: object) -> bool:
        """Take a message and answer; False ends the connection."""
        fault = self.faults.popleft() if self.faults else ""
        if fault == REFUSE:
            return False
        if fault == GARBAGE:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return False
        events, option = _events(message)
        self.events += events
        self.options.append(option)
        self.chunks.append(option["chunk"])
        if fault == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if fault == NO_ACK:
            return True
        ack = msgspec.msgpack.encode({"ack": "d3Jvbmc=" if fault == WRONG_ACK else option["chunk"]})
        for start in range(0, len(ack), 1 if fault == PIECES else len(ack)):
            connection.sendall(ack[start : start + (1 if fault == PIECES else len(ack))])
        return fault != CLOSE_AFTER and self.keepalive


def _send(connection: socket.socket, message: list[Any]) -> None:
    connection.sendall(msgspec.msgpack.encode(message))


def _message(connection: socket.socket) -> object:
    """Return the next message, None at the end. A client sends the next one only after the answer."""
    received = bytearray()
    while piece := connection.recv(1 << 16):
        received += piece
        try:
            return msgspec.msgpack.decode(bytes(received))
        except msgspec.DecodeError as error:
            if "truncated" not in str(error):
                raise
    assert not received
    return None


def _events(message: object) -> tuple[list[Event], dict[str, Any]]:
    """Return the events and the options of a PackedForward or CompressedPackedForward message."""
    tag, packed, option = msgspec.convert(message, tuple[str, bytes, dict[str, Any]])
    if option.get("compressed") == "gzip":
        packed = gzip.decompress(packed)
    entries = msgspec.msgpack.decode(b"\xdd" + struct.pack(">I", option["size"]) + packed)
    events = []
    for time, record in entries:
        assert isinstance(time, msgspec.msgpack.Ext)
        assert time.code == 0
        seconds, nanoseconds = struct.unpack(">II", time.data)
        events.append(Event(tag, seconds, nanoseconds, record))
    return events, option
