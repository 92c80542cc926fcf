from __future__ import annotations

import fcntl
import socket
import termios
import threading
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import SinkError
from standpipe.sinks.base import Retry, Split
from standpipe.sinks.http_client import ANSWER_BYTES, HttpClient, Response, http_outcome
from standpipe.sinks.tls import TlsOptions
from tests.sinks.certificates import make_certificates
from tests.sinks.http_destination import HttpDestination

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

HEADERS = {"Content-Type": "text/plain"}
BIG = b"x" * (16 << 20)  # more than two sockets hold, so that it cannot be sent to somebody who does not read


class RawServer:
    """Takes one connection, reads a request's headers, says something and closes, whatever is left to read.

    drip: it goes on with a byte now and then, or with silence where it has said nothing, until the end.
    """

    def __init__(self, *answers: bytes, tls: ssl.SSLContext | None = None, drip: bool = False) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._answers = answers
        self._tls = tls
        self._go_on = threading.Event()
        self._drip = drip
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        while b"\r\n\r\n" not in connection.recv(65536):
            pass
        for answer in self._answers:
            connection.sendall(answer)
        self._await_arrival(connection)
        while self._drip and not self._go_on.wait(0.01):
            if self._answers:
                connection.sendall(b"x")
        connection.close()

    def _await_arrival(self, connection: socket.socket) -> None:
        """Wait until the other side's kernel has it all: the reset that a close may send could overtake it."""
        unsent = bytearray(4)
        while not self._go_on.wait(0.001):
            fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, unsent)  # tcp(7): not acknowledged yet
            if not any(unsent):
                return

    def close(self) -> None:
        """End it."""
        self._go_on.set()
        self._thread.join()
        self._listener.close()


def client_of(port: int, scheme: str = "http", timeout_seconds: float = 30.0, **tls: str) -> HttpClient:
    """Return a client of a port on loopback."""
    url = f"{scheme}://localhost:{port}/in?a=b"
    return HttpClient(url, tls=TlsOptions(**tls), timeout_seconds=timeout_seconds, connections=1)  # type: ignore[arg-type]


@pytest.fixture
def destination() -> Iterator[HttpDestination]:
    """Return a destination that is up."""
    with HttpDestination() as running:
        yield running


def test_a_body_in_pieces_is_sent_as_one(destination: HttpDestination) -> None:
    """A list of bytes arrives joined, and a path goes behind the URL's own, before its query."""
    client = client_of(destination.port)
    answer = client.post([b'{"standpipe":{"id":"1"}}\n', b'{"standpipe":{"id":"2"}}\n'], HEADERS, path="/logs")
    client.close()
    assert isinstance(answer, Response)
    assert (200, ["1", "2"]) == (answer.status, destination.ids)
    assert destination.requests[0].path == "/in/logs?a=b"
    assert destination.requests[0].headers["content-length"] == "50"


def test_an_early_413_is_understood() -> None:
    """A server that answers and closes before it has read the body is heard, although the sending failed."""
    server = RawServer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    client = client_of(server.port)
    answer = client.post(BIG, HEADERS)
    client.close()
    server.close()
    assert isinstance(answer, Response)
    assert isinstance(http_outcome(answer), Split)


def test_an_early_413_is_understood_over_tls(tmp_path: Path) -> None:
    """Over TLS as well: else too large a batch would be sent again for ever."""
    certificates = make_certificates(tmp_path)
    reply = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    server = RawServer(reply, tls=certificates.server_context(certificates.server))
    client = client_of(server.port, "https", ca=certificates.ca)
    answer = client.post(BIG, HEADERS)
    client.close()
    server.close()
    assert isinstance(answer, Response)
    assert isinstance(http_outcome(answer), Split)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut off",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nab",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_is_tried_again(answer: bytes) -> None:
    """An answer that is cut off, or that is no HTTP, never counts as a success, and raises nothing."""
    server = RawServer(answer)
    client = client_of(server.port)
    outcome = client.post(b"x", HEADERS)
    client.close()
    server.close()
    assert isinstance(outcome, Retry)
    assert not outcome.config_fault
    assert outcome.why.isprintable()


def test_an_answer_that_drips_comes_to_an_end() -> None:
    """A body that never ends is given up after the timeout."""
    server = RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", drip=True)
    client = client_of(server.port, timeout_seconds=0.3)
    outcome = client.post(b"x", HEADERS)
    client.close()
    server.close()
    assert isinstance(outcome, Retry)
    assert "no answer within 0.3 s" in outcome.why


def test_a_server_that_does_not_read_comes_to_an_end() -> None:
    """A body that cannot be sent is given up after the timeout."""
    server = RawServer(drip=True)
    client = client_of(server.port, timeout_seconds=0.3)
    outcome = client.post(BIG, HEADERS)
    client.close()
    server.close()
    assert isinstance(outcome, Retry)
    assert "within 0.3 s" in outcome.why


def test_a_long_answer_is_cut(destination: HttpDestination) -> None:
    """Of a huge error page the first 64 KiB are read, and the next request works all the same."""
    destination.answer(500, 1, body=b"e" * (1 << 20))
    client = client_of(destination.port)
    first = client.post(b"", HEADERS)
    second = client.post(b"", HEADERS)
    client.close()
    assert isinstance(first, Response)
    assert isinstance(second, Response)
    assert (ANSWER_BYTES, 500, 200) == (len(first.body), first.status, second.status)


def test_the_names_of_headers_in_an_answer_are_in_lower_case(destination: HttpDestination) -> None:
    """So whoever reads them need not think of it."""
    destination.answer(202, 1, {"X-Request-ID": "7"})
    client = client_of(destination.port)
    answer = client.post(b"", HEADERS)
    client.close()
    assert isinstance(answer, Response)
    assert answer.headers["x-request-id"] == "7"


def test_a_name_that_is_not_known_may_be_known_later() -> None:
    """Name servers fail for a while, so that is no config fault."""
    client = HttpClient("http://nowhere.invalid/", tls=TlsOptions(), timeout_seconds=30, connections=1)
    outcome = client.post(b"", {})
    assert isinstance(outcome, Retry)
    assert not outcome.config_fault
    assert "name" in outcome.why


@pytest.mark.parametrize("headers", [{"X\r\nY": "z"}, {"X": "y\r\nZ: z"}, {"X": "y\nz"}, {"X": "\u20ac"}, {"": "x"}])
def test_no_header_can_smuggle_in_another(destination: HttpDestination, headers: dict[str, str]) -> None:
    """A name or value that would end the line is refused before anything is sent."""
    client = client_of(destination.port)
    outcome = client.post(b"", headers)
    client.close()
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert destination.requests == []


def test_a_url_that_is_none_is_refused() -> None:
    """With its reason and a remedy, and without the URL itself."""
    with pytest.raises(SinkError, match="user or a password") as caught:
        HttpClient("http://me:s3cret@host/", tls=TlsOptions(), timeout_seconds=1, connections=1)
    assert "s3cret" not in str(caught.value)


def test_messages_show_neither_path_nor_query() -> None:
    """Some intakes have their token in the URL."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"http://127.0.0.1:{port}/s3cret?token=s3cret"
    outcome = HttpClient(url, tls=TlsOptions(), timeout_seconds=30, connections=1).post(b"", {})
    assert isinstance(outcome, Retry)
    assert outcome.why == f"http://127.0.0.1:{port}: no connection: Connection refused"
