"""An HTTP server that costs little: it takes every request and counts. A program of its own: its CPU is its own.

    python -m bench.receiver COUNTS MARKER [stamps]

Listens at a free port of the loopback, a thread a connection. A body must have a Content-Length; it is received into
one buffer, and MARKER is counted in it: what each record has once. COUNTS is a file of COUNTS_BYTES, which the
benchmark maps as well. With `stamps`, SIGTERM ends it with one JSON list on stdout: for each record, in the order of
receipt, its own `time`, and how much later its request had been received whole, both in seconds.
"""

from __future__ import annotations

import calendar
import contextlib
import json
import mmap
import re
import signal
import socket
import struct
import sys
import threading
import time
from dataclasses import astuple, dataclass

HOST = "127.0.0.1"
HEAD_END = b"\r\n\r\n"
HEAD_BYTES_MAX = 64 << 10
BUFFER_BYTES = 2 << 20  # of one request at first; grows with what comes
BODY_BYTES_MAX = 64 << 20
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # libcurl asks for it before a body above 1 MiB

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_STAMP = re.compile(rb'"time":"([0-9-]{10}T[0-9:]{8})\.([0-9]{9})Z"')
_SECONDS = "%Y-%m-%dT%H:%M:%S"


@dataclass(slots=True)
class Counts:
    """What was received so far. first_at: of the first byte, last_at: of the last whole body (CLOCK_MONOTONIC)."""

    port: int = 0
    requests: int = 0
    records: int = 0
    body_bytes: int = 0
    first_at: float = 0.0
    last_at: float = 0.0


COUNTS = struct.Struct("=qqqqdd")


def read_counts(mapped: mmap.mmap) -> Counts:
    """Return what stands in the file."""
    return Counts(*COUNTS.unpack_from(mapped))


def body_of(head: bytes) -> tuple[int, bool]:
    """Return how long the body after a head is, and whether its sender waits for a `100 Continue`.

    head: with its empty line. Raises ValueError where the length is not told, or too large.
    """
    found = _LENGTH.search(head)
    if found is None or int(found[1]) > BODY_BYTES_MAX:
        raise ValueError(f"a request without a usable Content-Length: {head[:200]!r}")
    return int(found[1]), _EXPECT.search(head) is not None


def delays(body: bytes, received_at: float) -> list[tuple[float, float]]:
    """Return each record's `time` and how much later received_at is (both of the wall clock)."""
    seconds: dict[bytes, int] = {}
    result = []
    for second, nanoseconds in _STAMP.findall(body):
        whole = seconds.get(second)
        if whole is None:
            whole = seconds[second] = calendar.timegm(time.strptime(second.decode(), _SECONDS))
        written_at = whole + int(nanoseconds) / 1e9
        result.append((written_at, received_at - written_at))
    return result


class Receiver:
    """All connections and what they brought."""

    def __init__(self, mapped: mmap.mmap, marker: bytes, *, stamps: bool) -> None:
        self._mapped = mapped
        self._marker = marker
        self._stamps = stamps
        self._lock = threading.Lock()
        self._counts = Counts()
        self.delays: list[tuple[float, float]] = []

    def serve(self, listener: socket.socket) -> None:
        """Take connections for ever."""
        self._counts.port = listener.getsockname()[1]
        self._publish()
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _publish(self) -> None:
        COUNTS.pack_into(self._mapped, 0, *astuple(self._counts))

    def _take(self, connection: socket.socket) -> None:
        """Take the requests of one connection, one after another, until it is closed."""
        buffer = bytearray(BUFFER_BYTES)
        with connection, contextlib.suppress(ConnectionError):
            while filled := connection.recv_into(buffer):
                if not self._counts.first_at:
                    self._counts.first_at = time.monotonic()
                while (end := buffer.find(HEAD_END, 0, filled)) < 0:
                    filled += _receive(connection, buffer, filled, HEAD_BYTES_MAX)
                start = end + len(HEAD_END)
                length, expects = body_of(bytes(buffer[:start]))
                if expects:
                    connection.sendall(CONTINUE)
                if start + length > len(buffer):
                    buffer.extend(bytes(start + length - len(buffer)))
                while filled < start + length:
                    filled += _receive(connection, buffer, filled, start + length)
                self._count(buffer, start, start + length)
                connection.sendall(ANSWER)

    def _count(self, buffer: bytearray, start: int, end: int) -> None:
        found = delays(bytes(buffer[start:end]), time.time()) if self._stamps else []
        records = buffer.count(self._marker, start, end)
        with self._lock:
            self._counts.last_at = time.monotonic()
            self._counts.requests += 1
            self._counts.records += records
            self._counts.body_bytes += end - start
            self.delays += found
            self._publish()


def _receive(connection: socket.socket, buffer: bytearray, filled: int, end: int) -> int:
    """Receive once behind what is there, up to an end. Raises ConnectionError where nothing more comes."""
    with memoryview(buffer) as view:
        count = connection.recv_into(view[filled:end])
    if not count:
        raise ConnectionResetError(f"the request ended, or was full, after {filled} bytes")
    return count


def main(arguments: list[str]) -> None:
    """Be the program."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stamps = "stamps" in arguments[2:]
    with open(arguments[0], "r+b") as file:
        mapped = mmap.mmap(file.fileno(), COUNTS.size)
    receiver = Receiver(mapped, arguments[1].encode(), stamps=stamps)
    try:
        with socket.create_server((HOST, 0)) as listener:
            receiver.serve(listener)
    finally:
        if stamps:
            print(json.dumps([(round(at, 6), round(took, 6)) for at, took in receiver.delays]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
