"""One connection to a syslog receiver, over TCP or TLS, and what can be known about bytes that nobody acknowledges.

Syslog has no acknowledgement, but the protocols below it tell two things:

- SIOCOUTQ (tcp(7)): how many bytes the peer's kernel has not acknowledged. At 0, all is at least in its receive buffer.
- A close in answer to ours. We send close_notify and FIN and wait. A receiver that reads to the end gets all bytes
  before it sees the end, and closes then. One that closes or dies with bytes unread makes its kernel send a reset
  instead of a FIN (RFC 1122 section 4.2.2.13, RFC 2525 section 2.17; Linux does). So a FIN that follows ours means that
  the receiving program has read everything; and over TLS a close_notify, that it did so in good order. Not that it has
  written it anywhere.

The socket never blocks; every wait ends `timeout_seconds` after the last progress.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import ssl
import struct
import termios
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

READ_BYTES = 16 << 10  # one TLS record; a receiver has nothing to say, so no more is expected
SEND_BYTES = 256 << 10  # one call's worth: OpenSSL encrypts all of it before it looks at the clock
FIRST_LOOK_SECONDS = 0.0005  # nothing wakes us when the send queue becomes empty, so it is looked at: first after the
LAST_LOOK_SECONDS = 0.02  # time of a local network, in the end after half a delayed acknowledgement (40 ms, Linux)
ACCEPTANCE_SECONDS = 1.0  # see wait_for_acceptance

SIOCOUTQ = termios.TIOCOUTQ  # linux/sockios.h: the same number


class PeerClosedError(ConnectionError):
    """The peer ended the connection before we did."""


class NoCloseError(TimeoutError):
    """The peer has all bytes and does not close in answer to our close."""


def _refuse_itself(connection: socket.socket) -> None:
    """Raise where TCP connected a local port to itself, for nobody listens there: we would confirm our own batch."""
    if connection.getsockname() == connection.getpeername():
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


class Stream:
    """A connection that is open. Every method may raise OSError: TimeoutError, ConnectionError, ssl.SSLError."""

    def __init__(
        self, address: tuple[str, int], tls: ssl.SSLContext | None, server_name: str, timeout_seconds: float
    ) -> None:
        """Connect, and greet with TLS where there is a context."""
        self._timeout = timeout_seconds
        plain = socket.create_connection(address, timeout_seconds)
        self._socket: socket.socket = plain
        self._tls: ssl.SSLSocket | None = None
        try:
            _refuse_itself(plain)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if tls is not None:
                self._socket = self._tls = tls.wrap_socket(plain, server_hostname=server_name)
            self._socket.settimeout(0)
        except BaseException:
            self._socket.close()
            raise
        self._fd = self._socket.fileno()

    def unacknowledged_bytes(self) -> int:
        """Return how many bytes, those of TLS included, the peer's kernel has not acknowledged."""
        answer = fcntl.ioctl(self._fd, SIOCOUTQ, bytes(4))
        return int(struct.unpack("i", answer)[0])

    def check_open(self) -> None:
        """Raise PeerClosedError, or what broke the connection, where the peer has ended it. Does not wait."""
        for _ in range(2):  # what TLS itself says (session tickets) comes before what ends it
            events = self._poll(select.POLLIN, 0)
            if not events:
                return
            self._discard()
            if events & select.POLLERR:
                raise ConnectionResetError("the connection broke")
        if self._poll(0, 0):
            raise PeerClosedError("the receiver closed the connection")

    def wait_for_acceptance(self) -> None:
        """Wait until a server has said whether it takes our certificate, or a second.

        In TLS 1.3 the client's side of the handshake ends before the server has looked at the client's certificate.
        A refusal comes as an alert or a close; most servers that accept send session tickets at the same point.
        """
        if self._tls is not None and self._tls.version() == "TLSv1.3":
            self._poll(select.POLLIN, ACCEPTANCE_SECONDS)
            self.check_open()

    def send(self, data: bytes) -> None:
        """Give all bytes to the kernel."""
        view = memoryview(data)
        deadline = time.monotonic() + self._timeout
        while view:
            sent = self._now(lambda: self._socket.send(view[:SEND_BYTES]))  # noqa: B023 - called at once
            if sent:
                view = view[sent:]
                deadline = time.monotonic() + self._timeout
            elif time.monotonic() > deadline:
                raise TimeoutError(f"the receiver has taken nothing for {self._timeout:g} seconds")
            else:
                self._poll(select.POLLOUT, max(0.0, deadline - time.monotonic()))
                self.check_open()

    def wait_for_kernel(self) -> None:
        """Wait until the peer's kernel has acknowledged all, and see that the peer has not closed."""
        self._wait_for_acknowledgement(self.check_open)
        self.check_open()

    def finish(self, patience_seconds: float) -> bool:
        """End the connection in good order and wait until the peer does the same; say whether it used close_notify.

        When this returns, the receiving program has read every byte. Over TCP the answer is False.
        """
        self.check_open()
        notified = self._tls is not None and self._end_tls(self._tls)
        socket.socket.shutdown(self._socket, socket.SHUT_WR)  # the socket's own: SSLSocket's would forget TLS
        if self._tls is not None and notified is None:
            notified = self._wait_for_notify(self._tls, patience_seconds)
        while True:
            self._await_answer(patience_seconds)
            data = self._now(lambda: socket.socket.recv(self._socket, READ_BYTES))
            if data == b"":
                break
        # A peer that closed too early answers our last bytes with a reset, which comes after its FIN.
        self._wait_for_acknowledgement(self._check_error)
        self._check_error()
        return bool(notified)

    def last_words(self) -> ssl.SSLError | None:
        """Return the alert with which a peer broke the connection, where it sent one: the reason that errno hides."""
        try:
            self._discard()
        except ssl.SSLError as error:
            return error
        except OSError:
            return None
        return None

    def close(self) -> None:
        """Give the connection up; what was not confirmed stays so.

        What the peer said is read first: a close with unread bytes would send a reset, and that can take from the peer
        what it had not read yet, bytes that counted as delivered among them.
        """
        with suppress(OSError, ValueError):  # ValueError: TLS has been taken off already
            self._discard()
        self._socket.close()

    def _wait_for_acknowledgement(self, check: Callable[[], None]) -> None:
        pause = FIRST_LOOK_SECONDS
        left = self.unacknowledged_bytes()
        deadline = time.monotonic() + self._timeout
        while left:
            check()
            self._poll(0, pause)
            pause = min(2 * pause, LAST_LOOK_SECONDS)
            now_left = self.unacknowledged_bytes()
            if now_left < left:
                deadline = time.monotonic() + self._timeout
            elif time.monotonic() > deadline:
                raise TimeoutError(f"the receiver has acknowledged nothing for {self._timeout:g} seconds")
            left = now_left

    def _check_error(self) -> None:
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))

    def _end_tls(self, tls: ssl.SSLSocket) -> bool | None:
        """Send close_notify; say whether the peer did, None where it has not answered.

        False where it closed without: one that is quick does so before our FIN.
        """
        try:
            return True if self._now(tls.unwrap) is not None else None
        except ssl.SSLEOFError:
            return False

    def _wait_for_notify(self, tls: ssl.SSLSocket, patience_seconds: float) -> bool:
        """Wait for the peer's close_notify; False where it closes without."""
        while True:
            self._await_answer(patience_seconds)
            notified = self._end_tls(tls)
            if notified is not None:
                return notified

    def _await_answer(self, patience_seconds: float) -> None:
        """Wait until the peer says something, as long as its kernel goes on taking bytes."""
        left = self.unacknowledged_bytes()
        while not self._poll(select.POLLIN, patience_seconds):
            now_left = self.unacknowledged_bytes()
            if now_left == 0:
                raise NoCloseError("the receiver has everything and does not close in answer to our close")
            if now_left >= left:
                raise TimeoutError(f"the receiver has acknowledged nothing for {patience_seconds:g} seconds")
            left = now_left

    def _discard(self) -> None:
        """Read what the peer says; it has nothing to say, but TLS does. Raises where it says that this is the end."""
        while (data := self._now(lambda: self._socket.recv(READ_BYTES))) is not None:
            if data == b"":
                raise PeerClosedError("the receiver closed the connection")

    @staticmethod
    def _now(call: Callable[[], Result]) -> Result | None:
        """Return what a call gives, None where it would have to wait."""
        try:
            return call()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def _poll(self, events: int, seconds: float) -> int:
        poll = select.poll()
        poll.register(self._fd, events | select.POLLRDHUP)
        found = poll.poll(1000 * seconds)
        return found[0][1] if found else 0
