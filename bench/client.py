"""A client for OpenBao that costs little: keep-alive connections, requests made beforehand, one thread.

    python -m bench.client PORT TOKEN CONNECTIONS SECONDS

Each connection sends its next request as soon as the last one is answered: one write of a kv secret, then two reads.
For SECONDS; then it waits for the answers that are due and prints one JSON list: for each request, when it
was answered (CLOCK_MONOTONIC) and how long that took, in seconds.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

HOST = "127.0.0.1"
KEYS = 50  # secrets that are written and read in turn
ANSWER_BYTES_MAX = 64 << 10
ANSWER_SECONDS_MAX = 60.0  # an answer that takes longer never comes
HEADER_END = b"\r\n\r\n"
LENGTH = b"content-length:"


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """Return one HTTP/1.1 request."""
    head = (
        f"{method} /v1/{path} HTTP/1.1\r\nHost: {HOST}\r\nX-Vault-Token: {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def mix(token: str, worker: int) -> list[bytes]:
    """Return one connection's requests, to be sent in turn: write, read, read, and so for each key."""
    result = []
    for key in range(KEYS):
        path = f"secret/data/bench/{worker}-{key}"
        body = json.dumps({"data": {"user": f"user-{key}", "password": f"secret-{worker}-{key}"}}).encode()
        result += [request("POST", path, token, body), request("GET", path, token), request("GET", path, token)]
    return result


def is_whole(answer: bytes) -> bool:
    """Whether an answer has come to its end. Raises RuntimeError where it is not 2xx."""
    end = answer.find(HEADER_END)
    if end < 0:
        return False
    if not answer.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(f"OpenBao answered {answer[:end].splitlines()[0]!r}")
    head = answer[:end].lower()
    start = head.find(LENGTH)
    length = int(head[start + len(LENGTH) :].split(None, 1)[0]) if start >= 0 else 0
    return len(answer) >= end + len(HEADER_END) + length


class Connection:
    """One connection and what it waits for."""

    def __init__(self, port: int, requests: list[bytes]) -> None:
        self.socket = socket.create_connection((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._next = 0
        self._answer = b""
        self._sent_at = 0.0

    def send(self) -> None:
        """Send the next request."""
        self._sent_at = time.monotonic()
        self.socket.sendall(self._requests[self._next])
        self._next = (self._next + 1) % len(self._requests)
        self._answer = b""

    def receive(self) -> tuple[float, float] | None:
        """Take what came; return when the request was answered, and after how long, once it was."""
        piece = self.socket.recv(ANSWER_BYTES_MAX)
        if not piece:
            raise RuntimeError("OpenBao closed the connection")
        self._answer += piece
        if not is_whole(self._answer):
            return None
        now = time.monotonic()
        return now, now - self._sent_at


def load(port: int, token: str, count: int, seconds: float) -> list[tuple[float, float]]:
    """Ask for so long on so many connections; return every answer."""
    connections = [Connection(port, mix(token, worker)) for worker in range(count)]
    by_descriptor = {connection.socket.fileno(): connection for connection in connections}
    poll = select.epoll()
    deadline = time.monotonic() + seconds
    for connection in connections:
        poll.register(connection.socket, select.EPOLLIN)
        connection.send()
    answers = []
    waiting = count
    while waiting:
        ready = poll.poll(ANSWER_SECONDS_MAX)
        if not ready:
            raise RuntimeError(f"no answer for {ANSWER_SECONDS_MAX:g} s")
        for descriptor, _ in ready:
            connection = by_descriptor[descriptor]
            answer = connection.receive()
            if answer is None:
                continue
            answers.append(answer)
            if answer[0] < deadline:
                connection.send()
            else:
                waiting -= 1
    return answers


def main(arguments: list[str]) -> None:
    """Be the program."""
    answers = load(int(arguments[0]), arguments[1], int(arguments[2]), float(arguments[3]))
    print(json.dumps([(round(at, 6), round(took, 7)) for at, took in answers]))


if __name__ == "__main__":
    main(sys.argv[1:])
