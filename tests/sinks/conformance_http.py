"""The http sink's row in the conformance suite."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from standpipe.testing import destination as able
from standpipe.testing.destination import Destination, Kind, Received, Wish, received_json
from tests.sinks.conformance_tools import HttpPeerAdapter, server_context
from tests.sinks.http_destination import HttpDestination, objects_of, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator


class HttpAdapter(HttpPeerAdapter):
    """HttpDestination as the cases see it."""

    def __init__(self, wish: Wish, peer: HttpDestination) -> None:
        super().__init__(wish, peer)
        self._peer = peer

    def config(self) -> dict[str, object]:
        """See Destination."""
        return {"type": "http", "url": self.url("/intake"), **self._token.option("token")}

    def received(self) -> list[Received]:
        """See Destination."""
        found: list[Received] = []
        for number, request in enumerate(tuple(self._peer.requests)):
            if request.method != "HEAD" and request.status in (0, 200):
                plain = unpacked(request.body, request.headers.get("content-encoding", ""))
                found += [received_json(text, batch=number) for text in objects_of(plain)]
        return found


@contextmanager
def _open(wish: Wish) -> Iterator[Destination]:
    with HttpDestination(server_context(wish)) as peer:
        yield HttpAdapter(wish, peer)


KIND = Kind(
    "http",
    "a server of the tests' own",
    frozenset(
        {
            able.RECORDS,
            able.NETWORK,
            able.ORDER,
            able.BATCHES,
            able.TLS,
            able.CLIENT_CERTIFICATE,
            able.CREDENTIALS,
            able.REFUSES_RECORDS,
            able.SIZE_LIMIT,
        }
    ),
    _open,
)
