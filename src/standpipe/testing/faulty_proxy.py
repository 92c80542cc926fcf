"""A TCP proxy on loopback that fails as it is told to, in front of any real peer, without the peer's cooperation.

One thread carries everything, so a command is complete when it returns. Times only pace what is throttled.
"""

from __future__ import annotations

import os
import queue
import select
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
PIECE_BYTES = 64 << 10
HELD_BYTES = 1 << 20  # of answers that are held back, a connection; no protocol here answers with more
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: close(2) sends a reset and throws away what was not sent
PACE_SECONDS = 0.02
COMMAND_SECONDS = 60.0


class _Link:
    """A client's connection and ours to the server. up: what goes to the server; down: to the client."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.up = bytearray()
        self.down = bytearray()
        self.client_ended = self.server_ended = False  # has said that nothing follows
        self.told_server = self.told_client = False  # has been told so
        self.spared = False


class FaultyProxy:
    """Forwards what comes to `port`. Commands may be given from any one thread."""

    def __init__(self) -> None:
        """Listen; nothing is accepted before `forward_to`."""
        self._target = 0
        self.connections = 0
        self.cuts = 0
        self._rate: int | None = None  # bytes a second towards the server; None: as fast as it takes them
        self._budget = 0.0
        self._paced_at = time.monotonic()
        self._cut_after: int | None = None
        self._answers_held = False
        self._spared: bytes | None = None
        self._links: list[_Link] = []
        self._commands: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = False
        self._listening = True
        self._listener = _bound(0)
        self.port = int(self._listener.getsockname()[1])
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._run, name="faulty proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        self._do(self._stop)
        self._thread.join(COMMAND_SECONDS)
        os.close(self._wake)

    # Commands.

    def forward_to(self, port: int) -> None:
        """Say where the server listens, on loopback."""
        self._do(lambda: setattr(self, "_target", port))

    def spare(self, marker: bytes) -> None:
        """Carry connections whose client has sent these bytes without a fault: the suite's own reader, say."""
        self._do(lambda: setattr(self, "_spared", marker))

    def down(self) -> None:
        """Refuse new connections and reset those that are open. The port stays ours."""
        self._do(self._close_port)

    def up(self) -> None:
        """Listen again."""
        self._do(self._open_port)

    def reset(self) -> None:
        """Reset every connection towards the client; what was held of answers is gone. The server sees an end."""
        self._do(lambda: self._reset_all(spare=True))

    def hold_answers(self) -> None:
        """Let everything through to the server, and nothing back, not even the end of a connection."""
        self._do(lambda: setattr(self, "_answers_held", True))

    def release_answers(self) -> None:
        """Let answers through again, also those that were held."""
        self._do(lambda: setattr(self, "_answers_held", False))

    def throttle(self, bytes_a_second: int | None) -> None:
        """Let so much through to the server, over all connections; 0: nothing; None: everything."""

        def change() -> None:
            self._rate = bytes_a_second
            self._budget = 0.0
            self._paced_at = time.monotonic()

        self._do(change)

    def cut_after(self, size_bytes: int) -> None:
        """After so many more bytes towards the server, reset the connection they came on, once; counted in `cuts`."""
        self._do(lambda: setattr(self, "_cut_after", size_bytes))

    def _do(self, command: Callable[[], None]) -> None:
        done = threading.Event()
        self._commands.put((command, done))
        os.eventfd_write(self._wake, 1)
        if not done.wait(COMMAND_SECONDS):
            raise TimeoutError("the proxy does not react")

    # The thread.

    def _run(self) -> None:
        while not self._stopping:
            self._wait()
            while not self._commands.empty():
                command, done = self._commands.get()
                command()
                done.set()
            if self._stopping:
                return
            self._accept()
            self._pace()
            for link in tuple(self._links):
                try:
                    self._carry(link)
                except OSError:
                    self._end(link, reset=True)

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._target and self._listening:
            poll.register(self._listener, select.POLLIN)
        for link in self._links:
            wants = {link.client: 0, link.server: 0}
            if not link.client_ended and len(link.up) < PIECE_BYTES:
                wants[link.client] |= select.POLLIN
            if not link.server_ended and len(link.down) < HELD_BYTES:
                wants[link.server] |= select.POLLIN
            if link.up and self._may_send(link):
                wants[link.server] |= select.POLLOUT
            if link.down and self._may_answer(link):
                wants[link.client] |= select.POLLOUT
            for side, events in wants.items():
                if events:  # without: POLLHUP would be told over and over
                    poll.register(side, events)
        ready = poll.poll(PACE_SECONDS * 1000 if self._rate else None)
        if any(descriptor == self._wake for descriptor, _ in ready):
            os.eventfd_read(self._wake)

    def _may_send(self, link: _Link) -> bool:
        return self._rate is None or self._budget >= 1 or link.spared

    def _may_answer(self, link: _Link) -> bool:
        return not self._answers_held or link.spared

    def _pace(self) -> None:
        if self._rate is not None:
            now = time.monotonic()
            self._budget = min(self._budget + self._rate * (now - self._paced_at), max(1.0, self._rate * PACE_SECONDS))
            self._paced_at = now

    def _accept(self) -> None:
        while self._target and self._listening:
            try:
                client = self._listener.accept()[0]
            except OSError:  # nobody is there, or no more
                return
            self.connections += 1
            try:
                server = socket.create_connection((HOST, self._target), timeout=COMMAND_SECONDS)
            except OSError:
                _close(client, reset=True)
                continue
            for side in (client, server):
                side.settimeout(0)
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._links.append(_Link(client, server))

    def _carry(self, link: _Link) -> None:
        """Move what can be moved. Raises OSError where a side has gone."""
        if not link.client_ended and len(link.up) < PIECE_BYTES:
            link.client_ended = _read(link.client, link.up)
            link.spared = link.spared or (self._spared is not None and self._spared in link.up)
        if not link.server_ended and len(link.down) < HELD_BYTES:
            link.server_ended = _read(link.server, link.down)
        if link.up and link.spared:
            _send(link.server, link.up, len(link.up))
        elif link.up and self._may_send(link):
            self._send_up(link)
        if link not in self._links:
            return
        if link.down and self._may_answer(link):
            _send(link.client, link.down, len(link.down))
        if link.client_ended and not link.up and not link.told_server:
            link.server.shutdown(socket.SHUT_WR)
            link.told_server = True
        if link.server_ended and not link.down and not link.told_client and self._may_answer(link):
            link.client.shutdown(socket.SHUT_WR)
            link.told_client = True
        if link.told_client and link.told_server:
            self._end(link, reset=False)

    def _send_up(self, link: _Link) -> None:
        size = len(link.up) if self._rate is None else min(len(link.up), int(self._budget))
        if self._cut_after is not None:
            size = min(size, self._cut_after)
        sent = _send(link.server, link.up, size)
        if self._rate is not None:
            self._budget -= sent
        if self._cut_after is not None:
            self._cut_after -= sent
            if self._cut_after <= 0:
                self._cut_after = None
                self.cuts += 1
                self._end(link, reset=True)

    def _end(self, link: _Link, *, reset: bool) -> None:
        _close(link.client, reset=reset)
        _close(link.server, reset=False)  # the peer sees an end inside a request, as behind a load balancer
        if link in self._links:
            self._links.remove(link)

    def _reset_all(self, *, spare: bool = False) -> None:
        for link in tuple(self._links):
            if not (spare and link.spared):
                self._end(link, reset=True)

    def _open_port(self) -> None:
        self._listener.listen(64)
        self._listening = True

    def _close_port(self) -> None:
        self._listening = False
        self._listener.close()
        self._listener = _bound(self.port)  # bound, and not listening: connections are refused
        self._reset_all()

    def _stop(self) -> None:
        self._stopping = True
        self._reset_all()
        self._listener.close()


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    made.settimeout(0)
    return made


def _read(side: socket.socket, into: bytearray) -> bool:
    """Read what is there; say whether it has ended."""
    try:
        data = side.recv(PIECE_BYTES)
    except BlockingIOError:
        return False
    into += data
    return not data


def _send(side: socket.socket, data: bytearray, size: int) -> int:
    try:
        sent = side.send(bytes(memoryview(data)[:size]))
    except BlockingIOError:
        return 0
    del data[:sent]
    return sent


def _close(side: socket.socket, *, reset: bool) -> None:
    if reset:
        with suppress(OSError):
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    side.close()
