"""The fluent sink's row in the conformance suite."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from standpipe.testing import destination as able
from standpipe.testing.destination import Destination, Kind, Received, Wish, received_members
from tests.sinks import fluent_destination
from tests.sinks.conformance_tools import Token, server_context

if TYPE_CHECKING:
    from collections.abc import Iterator


class FluentAdapter(Destination):
    """The server of the forward protocol as the cases see it."""

    def __init__(self, wish: Wish, peer: fluent_destination.Destination, token: Token) -> None:
        self._wish = wish
        self._peer = peer
        self.port = peer.port
        self._token = token
        self.secrets = token.seen

    def config(self) -> dict[str, object]:
        """See Destination."""
        transport = "tls" if self._wish.tls else "tcp"
        where = {"address": f"localhost:{self._wish.port}", "transport": transport}
        return {"type": "fluent", **where, **self._token.option("shared_key")}

    def received(self) -> list[Received]:
        """See Destination; a batch is a message, which says how many events it has."""
        events = tuple(self._peer.events)
        batches = [number for number, option in enumerate(tuple(self._peer.options)) for _ in range(option["size"])]
        batches += [len(batches)] * (len(events) - len(batches))  # of a message that is being taken
        return [
            received_members(
                event.record,
                payload=msgspec.msgpack.encode((event.tag, event.seconds, event.nanoseconds, event.record)),
                batch=batch,
            )
            for event, batch in zip(events, batches, strict=False)
        ]

    def expire_credentials(self) -> None:
        """See Destination."""
        self._peer.shared_key = "another"

    def renew_credentials(self) -> None:
        """See Destination."""
        self._peer.shared_key = self._token.renew()


@contextmanager
def _open(wish: Wish) -> Iterator[Destination]:
    token = Token(wish)
    with fluent_destination.Destination(tls=server_context(wish), shared_key=token.text or None) as peer:
        yield FluentAdapter(wish, peer, token)


KIND = Kind(
    "fluent",
    "a server of the tests' own, written from the protocol's specification",
    frozenset(
        {
            able.RECORDS,
            able.NETWORK,
            able.ORDER,
            able.BATCHES,
            able.TLS,
            able.CLIENT_CERTIFICATE,
            able.CREDENTIALS,
        }
    ),
    _open,
)
