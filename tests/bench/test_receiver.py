from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from bench.receiver import ANSWER, CONTINUE, body_of, delays
from bench.receiving import receiving

if TYPE_CHECKING:
    from pathlib import Path

    from bench.receiving import Receiving


def connect(receiver: Receiving) -> socket.socket:
    """Return a connection to a receiver."""
    address = urlsplit(receiver.url)
    assert address.port is not None
    return socket.create_connection((address.hostname or "", address.port), 60)


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes."""
    found = b""
    while len(found) < size and (piece := connection.recv(size - len(found))):
        found += piece
    return found


def post(connection: socket.socket, body: bytes) -> bytes:
    """Send a request; return the answer."""
    connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    return read_exactly(connection, len(ANSWER))


@pytest.mark.parametrize("name", [b"Content-Length", b"content-length", b"CONTENT-LENGTH"])
def test_the_length_of_a_body(name: bytes) -> None:
    """The header's name may be written in any case."""
    assert (17, False) == body_of(b"POST / HTTP/1.1\r\n" + name + b": 17\r\n\r\n")


def test_a_sender_that_waits() -> None:
    """A peer built on libcurl asks before it sends a large body."""
    assert (9, True) == body_of(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n"]
)
def test_a_request_that_cannot_be_counted(head: bytes) -> None:
    """Without a length, or with one beyond all bounds, nothing is guessed."""
    with pytest.raises(ValueError, match="Content-Length"):
        body_of(head)


def test_how_late_each_record_is() -> None:
    """Its `time` is read to the nanosecond; the times of a seal and of an envelope's other members are not meant."""
    body = (
        b'{"standpipe":{"id":"x"},"time":"1970-01-01T00:00:05.250000000Z","type":"request"}\n'
        b'{"seal":{"first_time":"1970-01-01T00:00:01.000000000Z"}}\n'
        b'{"time":"1970-01-02T00:00:00.000000001Z"}\n'
    )
    assert [(5.25, 86402 - 5.25), (86400 + 1e-9, 86402 - (86400 + 1e-9))] == delays(body, 86402)


def test_what_was_received_is_counted(tmp_path: Path) -> None:
    """Requests, records and bytes of all connections, also of a body that is larger than the buffer."""
    with receiving(str(tmp_path)) as receiver, connect(receiver) as one, connect(receiver) as other:
        assert not receiver.counts.first_at
        assert ANSWER == post(one, b"a\nb\n")
        assert ANSWER == post(other, b"c\n")
        assert ANSWER == post(one, (b"x" * 999 + b"\n") * 3000)
        found = receiver.counts
        assert (3, 3003, 3_000_006) == (found.requests, found.records, found.body_bytes)
        assert found.first_at <= found.last_at


def test_a_large_body_is_asked_for(tmp_path: Path) -> None:
    """A sender that waits for 100 Continue gets it, and then its answer."""
    with receiving(str(tmp_path)) as receiver, connect(receiver) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert CONTINUE == read_exactly(connection, len(CONTINUE))
        connection.sendall(b"a\n")
        assert ANSWER == read_exactly(connection, len(ANSWER))
        assert 1 == receiver.counts.records


def test_the_delays_are_told_at_the_end(tmp_path: Path) -> None:
    """One for each record, in the order of receipt."""
    record = b'{"time":"1970-01-01T00:00:0%d.000000000Z"}\n'
    with receiving(str(tmp_path), stamps=True) as receiver, connect(receiver) as connection:
        post(connection, record % 2 + record % 1)
        post(connection, record % 3)
        assert [2.0, 1.0, 3.0] == [at for at, _ in receiver.delays()]
