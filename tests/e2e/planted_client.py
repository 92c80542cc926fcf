"""A client that asks fast, many requests in flight on one connection, and sees that each answer is the right one."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from tests.e2e.openbao import ANSWER_SECONDS, LOOPBACK, ROOT_TOKEN
from tests.e2e.planted_requests import Ask, bulk

if TYPE_CHECKING:
    from collections.abc import Iterable

IN_FLIGHT = 64
"""Requests on their way at once on one connection; the server answers them in order (HTTP/1.1 pipelining)."""


@dataclass
class PlantedClient:
    """One connection. ``asked`` has every request that was answered, in order."""

    port: int
    asked: list[Ask] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=lambda: {"root": ROOT_TOKEN, "wrong": "wrong", "": ""})

    def __post_init__(self) -> None:
        """Connect."""
        self._socket = socket.create_connection((LOOPBACK, self.port), ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb", buffering=1 << 18)

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._answers.close()
        self._socket.close()

    def ask(self, ask: Ask, token: str = "root") -> dict[str, Any]:  # noqa: S107  the name of one
        """Make one request; return the answer's object, empty where there is none."""
        return self.ask_all([(token, ask)])[0]

    def ask_all(self, asks: Iterable[tuple[str, Ask]]) -> list[dict[str, Any]]:
        """Make requests as fast as they are answered; return the last window's answers."""
        answers: list[dict[str, Any]] = []
        remaining = iter(asks)
        while window := list(islice(remaining, IN_FLIGHT)):
            host = f"{LOOPBACK}:{self.port}"
            self._socket.sendall(b"".join(ask.encode(self.tokens[token], host) for token, ask in window))
            answers = [self._answer(ask) for _, ask in window]
        return answers

    def bulk(self, name: str, count: int) -> None:
        """Make the common requests."""
        self.ask_all(bulk(name, count))

    def _answer(self, ask: Ask) -> dict[str, Any]:
        status, body = read_answer(self._answers)
        assert status == ask.right, f"{ask.method} {ask.path}: {status} {body[:300]!r}"
        self.asked.append(ask)
        found: dict[str, Any] = json.loads(body) if body.startswith(b"{") else {}
        return found


def read_answer(stream: Any) -> tuple[int, bytes]:  # noqa: ANN401  what makefile returns
    """Read one HTTP/1.1 answer; return its status and body."""
    head = stream.readline()
    assert head.startswith(b"HTTP/1.1 "), f"no answer: {head!r}"
    length, chunked = 0, False
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.lower().partition(b":")
        if name == b"content-length":
            length = int(value)
        chunked |= name == b"transfer-encoding" and b"chunked" in value
    if not chunked:
        return int(head.split()[1]), stream.read(length)
    body = b""
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return int(head.split()[1]), body
