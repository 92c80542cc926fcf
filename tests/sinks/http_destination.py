"""An HTTP(S) destination of the tests' own: it stores every record in order, and fails in the ways it is told to."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import threading
import time
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from types import TracebackType

DEADLINE_SECONDS = 60.0  # generous: reached only where something is broken
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: close(2) sends a reset and throws away what was not sent


@dataclass(frozen=True)
class Received:
    """One record as it arrived. id: from its envelope; part: ``2/3`` where it came in parts. raw: its object."""

    id: str
    part: str
    raw: bytes


@dataclass(frozen=True)
class Request:
    """One request that was read whole. headers: names in lower case. body: as it was sent, compressed or not."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int


@dataclass
class _Planned:
    status: int
    times: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def objects_of(body: bytes) -> list[bytes]:
    """Return the raw JSON objects of a body: lines, or the elements of one array."""
    if not body.startswith(b"["):
        return body.splitlines()
    text = body.decode()
    decoder = json.JSONDecoder()
    found: list[bytes] = []
    position = 1
    while text[position] != "]":
        end = decoder.raw_decode(text, position)[1]
        found.append(text[position:end].encode())
        position = end + 1 if text[end] == "," else end
    assert text[position:] == "]"
    return found


def unpacked(body: bytes, encoding: str) -> bytes:
    """Return a body without its Content-Encoding."""
    if not body:  # of a HEAD
        return b""
    if encoding == "gzip":
        return zlib.decompress(body, wbits=31)
    return bytes(zstd.decompress(body)) if encoding == "zstd" else body


def received(raw: bytes) -> Received:
    """Return a record with what its envelope says."""
    envelope = json.loads(raw)["standpipe"]
    return Received(envelope["id"], envelope.get("part", ""), raw)


class HttpDestination:
    """A server on loopback, in threads. Every switch may be changed while it runs; times count requests.

    max_body_bytes: more, as sent, gets 413. marker: a batch with these bytes in it gets 400. token: the bearer token
    that is asked for, else 401. delay_seconds: before each answer. commit_then_reset: so many batches are stored, and
    the connection is reset in place of an answer.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a port of the kernel's choice."""
        self.records: list[Received] = []
        self.requests: list[Request] = []
        self.max_body_bytes: int | None = None
        self.marker: bytes | None = None
        self.token: str | None = None
        self.delay_seconds = 0.0
        self.commit_then_reset = 0
        self._tls = tls
        self._going_down = False
        self._planned: list[_Planned] = []
        self._changed = threading.Condition()
        self._open = threading.Event()
        self._open.set()
        self._connections: set[socket.socket] = set()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        """Return where records go."""
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}/intake"

    @property
    def ids(self) -> list[str]:
        """Return the ids in the order in which they arrived, repeated ones as well."""
        with self._changed:
            return [record.id for record in self.records]

    def answer(self, status: int, times: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Answer the next requests so, and store nothing of them; -1 times: until `answer_normally`."""
        with self._changed:
            self._planned.append(_Planned(status, times, headers or {}, body))

    def answer_normally(self) -> None:
        """Forget what was planned."""
        with self._changed:
            self._planned.clear()

    def hold(self) -> None:
        """Read requests, and neither store nor answer them until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Go on."""
        self._open.set()

    def wait_for(self, condition: Callable[[HttpDestination], bool]) -> None:
        """Wait until a condition holds; it is asked after each request. TimeoutError after the deadline."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), DEADLINE_SECONDS):
                raise TimeoutError(f"after {len(self.requests)} requests and {len(self.records)} records")

    def up(self) -> None:
        """Listen, on the same port as before; nothing where it does already."""
        if self._server is None:
            self._going_down = False
            self._server = _Server(("127.0.0.1", self.port), self)
            self.port = self._server.server_address[1]
            self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
            self._thread.start()

    def down(self) -> None:
        """Refuse new connections, break those that are open, and store nothing of what is held."""
        if self._server is None or self._thread is None:
            return
        self._going_down = True
        self._server.shutdown()
        self._thread.join()
        self._server.socket.close()
        with self._changed:
            for connection in self._connections:
                _shut(connection)
        self._open.set()
        self._server.server_close()  # joins the threads
        self._server = self._thread = None

    def __enter__(self) -> Self:
        """Return itself, listening."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Go down."""
        self.down()

    def _take(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Planned | None:
        """Store a request's records, or not; return how to answer, None for a reset."""
        if self.delay_seconds:
            time.sleep(self.delay_seconds)
        self._open.wait(DEADLINE_SECONDS)
        if self._going_down:
            return None
        plain = unpacked(body, headers.get("content-encoding", ""))
        with self._changed:
            verdict = self._verdict(headers, body, plain)
            reset = False
            if verdict.status // 100 == 2 and method != "HEAD":
                self.records += [received(raw) for raw in objects_of(plain)]
                reset = self.commit_then_reset > 0
                self.commit_then_reset -= reset
            self.requests.append(Request(method, path, headers, body, 0 if reset else verdict.status))
            self._changed.notify_all()
        return None if reset else verdict

    def _verdict(self, headers: Mapping[str, str], body: bytes, plain: bytes) -> _Planned:
        if self._planned:
            planned = self._planned[0]
            planned.times -= 1
            if not planned.times:
                del self._planned[0]
            return planned
        if self.token is not None and headers.get("authorization") != f"Bearer {self.token}":
            return _Planned(401, 1, {"WWW-Authenticate": "Bearer"})
        if self.max_body_bytes is not None and len(body) > self.max_body_bytes:
            return _Planned(413, 1)
        if self.marker is not None and self.marker in plain:
            return _Planned(400, 1, body=b"a record was not understood")
        return _Planned(200, 1)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], destination: HttpDestination) -> None:
        self.destination = destination
        super().__init__(address, _Handler)

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Serve one connection, in its thread; the handshake belongs here, for the client may be slow at it."""
        destination = self.destination
        connection = request
        try:
            if destination._tls is not None:
                connection = destination._tls.wrap_socket(request, server_side=True)
            with destination._changed:
                destination._connections.add(connection)
            _Handler(connection, client_address, self)
        except OSError:  # the client has gone, or the two did not agree; the client's side is what is tested
            pass
        finally:
            with destination._changed:
                destination._connections.discard(connection)
            connection.close()

    def shutdown_request(self, request: object) -> None:
        """Close without a last shutdown: that would end a reset as an orderly close."""
        assert isinstance(request, socket.socket)
        request.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        planned = self.server.destination._take(self.command, self.path, headers, body)
        if planned is None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.close_connection = True
            return
        self.send_response(planned.status)
        for name, value in planned.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(planned.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(planned.body)

    do_POST = do_PUT = do_HEAD = _serve  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has gone already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # SSLSocket's own would take its TLS away from a reader
