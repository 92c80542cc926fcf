"""One connection to a server of Fluent's forward protocol, over TCP or TLS: handshake, a message, its reply."""

from __future__ import annotations

import socket
import ssl
import time

from standpipe.sinks.fluent_handshake import Login, RefusedError, check_pong, is_helo, is_pong, ping, read_helo
from standpipe.sinks.fluent_reply import IncompleteError, ProtocolError, Reply, read_reply

READ_BYTES = 16 << 10  # one TLS record; replies are far smaller
SEND_BYTES = 256 << 10  # one call's worth: the timeout is for each call, so a slow line that moves is no dead one


class ClosedError(ConnectionError):
    """The server ended the connection."""


class Connection:
    """A connection that is open. Every method may raise OSError: TimeoutError, ConnectionError, ssl.SSLError.

    keepalive: whether the server takes another message on it.
    """

    def __init__(
        self, address: tuple[str, int], tls: ssl.SSLContext | None, server_name: str, timeout_seconds: float
    ) -> None:
        """Connect, and greet with TLS where there is a context."""
        self._timeout = timeout_seconds
        self._received = b""
        self.keepalive = True
        try:
            self._socket: socket.socket = socket.create_connection(address, timeout_seconds)
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {timeout_seconds:g} s") from error
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if tls is not None:
                self._socket = tls.wrap_socket(self._socket, server_hostname=server_name)
        except TimeoutError as error:
            self._socket.close()
            raise TimeoutError(f"no answer to TLS within {timeout_seconds:g} s, as if it spoke TCP alone") from error
        except BaseException:
            self._socket.close()
            raise

    def shake_hands(self, login: Login, salt: str) -> None:
        """Wait for HELO, send PING, check PONG.

        Raises RefusedError where a person has to look at it, ProtocolError where the server speaks another protocol.
        """
        try:
            helo = read_helo(self._read())
        except TimeoutError as error:
            raise TimeoutError(f"{error}: it sends no HELO, as if it had no shared key or wanted TLS") from error
        self._send(ping(helo, login, salt))
        try:
            reply = self._read()
        except ConnectionError as error:  # Fluent Bit closes, where Fluentd says why
            raise RefusedError("the server closes the connection after our PING: the shared key is wrong") from error
        check_pong(reply, helo, login, salt)
        self.keepalive = helo.keepalive

    def is_over(self) -> bool:
        """Tell whether the server has ended it since the last reply, or said what nobody asked for. Does not wait."""
        self._socket.settimeout(0)
        try:
            self._received += self._socket.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            return True
        return True

    def ask(self, message: bytes) -> Reply:
        """Send a message and return the reply to it.

        Raises RefusedError where the server wants a handshake, ProtocolError where it speaks another protocol.
        """
        try:
            self._send(message)
        except (ConnectionError, ssl.SSLEOFError) as error:
            reply = self._last_words()
            if reply is None:
                raise ClosedError("the server closes the connection while we send") from error
        else:
            reply = self._read()
        if is_helo(reply) or is_pong(reply):
            raise RefusedError("the server asks for a shared key (it sends HELO), and none is configured")
        return reply

    def close(self) -> None:
        """Close it; nothing is under way."""
        self._socket.close()

    def _send(self, message: bytes) -> None:
        self._socket.settimeout(self._timeout)
        view = memoryview(message)
        for start in range(0, len(view), SEND_BYTES):
            try:
                self._socket.sendall(view[start : start + SEND_BYTES])
            except TimeoutError as error:
                raise TimeoutError(f"the server takes nothing for {self._timeout:g} s") from error

    def _read(self) -> Reply:
        """Return the next reply, waiting for it at most the timeout from now."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                reply, size = read_reply(self._received)
            except IncompleteError:
                self._receive(deadline)
            else:
                self._received = self._received[size:]
                return reply

    def _receive(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError  # noqa: TRY301 - the same as a recv that waited that long
            self._socket.settimeout(left)
            piece = self._socket.recv(READ_BYTES)
        except TimeoutError as error:
            raise TimeoutError(f"the server does not answer within {self._timeout:g} s") from error
        if not piece:
            raise ClosedError("the server closes the connection without an answer")
        self._received += piece

    def _last_words(self) -> Reply:
        """Return what the server said before it closed the connection, None for nothing.

        Raises ssl.SSLError where TLS said why: TLS 1.3 refuses a certificate of ours only after our own first bytes.
        """
        try:
            return self._read()
        except (ConnectionError, TimeoutError, ssl.SSLEOFError, ProtocolError):
            return None
