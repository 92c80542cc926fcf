"""The syslog sink's row in the conformance suite."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from standpipe.testing import destination as able
from standpipe.testing.destination import Destination, Kind, Received, Wish, received_json
from tests.sinks.conformance_tools import server_context
from tests.sinks.syslog_destination import SyslogDestination

if TYPE_CHECKING:
    from collections.abc import Iterator


class SyslogAdapter(Destination):
    """SyslogDestination as the cases see it."""

    def __init__(self, wish: Wish, peer: SyslogDestination) -> None:
        self._wish = wish
        self._peer = peer
        self.port = peer.port

    def config(self) -> dict[str, object]:
        """See Destination."""
        transport = "tls" if self._wish.tls else "tcp"
        return {"type": "syslog", "address": f"localhost:{self._wish.port}", "transport": transport}

    def received(self) -> list[Received]:
        """See Destination."""
        return [received_json(message.text, payload=message.raw) for message in tuple(self._peer.messages)]


@contextmanager
def _open(wish: Wish) -> Iterator[Destination]:
    with SyslogDestination(server_context(wish)) as peer:
        yield SyslogAdapter(wish, peer)


KIND = Kind(
    "syslog",
    "a receiver of the tests' own, stricter than RFC 5424 and RFC 6587",
    frozenset({able.RECORDS, able.NETWORK, able.ORDER, able.TLS, able.CLIENT_CERTIFICATE}),
    _open,
)
