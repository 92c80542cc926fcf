from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from standpipe.testing.faulty_proxy import FaultyProxy
from tests.processes.front_door import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 30.0


class Echo:
    """A server that answers with what it got, connection by connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.got: list[bytes] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self.got.append(b"")
            with connection, suppress(ConnectionError):  # the proxy leaves with answers unread
                while data := connection.recv(1 << 16):
                    self.got[-1] += data
                    connection.sendall(data)


@pytest.fixture
def echo() -> Iterator[Echo]:
    """Return a server."""
    server = Echo()
    yield server
    server.stop()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultyProxy]:
    """Return a proxy before it."""
    with FaultyProxy() as made:
        made.forward_to(echo.port)
        yield made


def connect(proxy: FaultyProxy) -> socket.socket:
    """Return a client's connection."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS)


def test_it_carries_both_ways_and_the_end(proxy: FaultyProxy, echo: Echo) -> None:
    """Bytes and ends arrive on either side."""
    data = bytes(range(256)) * 4096
    with connect(proxy) as client:

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        got = b""
        while piece := client.recv(1 << 16):
            got += piece
        sender.join()
    assert data == got == echo.got[0]


def test_down_refuses_and_resets_and_up_listens_on_the_same_port(proxy: FaultyProxy) -> None:
    """A connection that is open is reset, a new one refused, until it is up."""
    with connect(proxy) as client:
        client.sendall(b"x")
        assert b"x" == client.recv(1)
        proxy.down()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.up()
    with connect(proxy) as client:
        client.sendall(b"y")
        assert b"y" == client.recv(1)


def test_held_answers_and_a_reset(proxy: FaultyProxy, echo: Echo) -> None:
    """The server has the request, the client gets nothing but a reset; the next one gets its answer."""
    proxy.hold_answers()
    with connect(proxy) as client:
        client.sendall(b"committed")
        wait_until(lambda: echo.got == [b"committed"], "the server has it")
        client.settimeout(0)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        client.settimeout(SECONDS)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with connect(proxy) as client:
        client.sendall(b"late")
        wait_until(lambda: echo.got[-1] == b"late", "the server has it")
        proxy.release_answers()
        assert b"late" == client.recv(4)


def test_a_cut_lets_exactly_so_much_through(proxy: FaultyProxy, echo: Echo) -> None:
    """The server gets that many bytes and an end, the client a reset, once."""
    proxy.cut_after(5)
    with connect(proxy) as client:
        client.sendall(b"0123456789")
        with pytest.raises(ConnectionResetError):
            client.makefile("rb").read()
    wait_until(lambda: echo.got == [b"01234"], "the server has five bytes")
    assert 1 == proxy.cuts
    with connect(proxy) as client:
        client.sendall(b"0123456789")
        assert b"0" == client.recv(1)


def test_a_throttle_of_zero_lets_nothing_through(proxy: FaultyProxy, echo: Echo) -> None:
    """Until it is more; and a connection that is spared is carried all the same."""
    proxy.spare(b"reader")
    proxy.throttle(0)
    with connect(proxy) as client:
        client.sendall(b"slow")
        with connect(proxy) as other:
            wait_until(lambda: proxy.connections == 2, "both are accepted")
        wait_until(lambda: echo.got != [], "the one that is not spared reaches the server")
        assert [b""] == echo.got
        proxy.throttle(1000)
        assert b"s" == client.recv(1)
    proxy.throttle(0)
    proxy.hold_answers()
    with connect(proxy) as client:
        client.sendall(b"reader")
        assert b"r" == client.recv(1)
        proxy.reset()
        client.sendall(b"!")
        assert b"eader!" == client.recv(5) + client.recv(1)
    assert other.fileno() == -1
