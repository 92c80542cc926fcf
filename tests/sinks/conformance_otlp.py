"""The otlp sink's row in the conformance suite."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from standpipe.testing import destination as able
from standpipe.testing.destination import Destination, Kind, Received, Wish, received_json
from tests.sinks.conformance_tools import HttpPeerAdapter, server_context
from tests.sinks.otlp_destination import OtlpDestination

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord


class _Counting(OtlpDestination):
    """Knows which request each record came in."""

    def _add(self, record: LogRecord) -> None:
        super()._add(record)
        self.arrivals.append((len(self.plain_bodies), record))

    def __init__(self, wish: Wish) -> None:
        self.arrivals: list[tuple[int, LogRecord]] = []
        super().__init__(server_context(wish))


class OtlpAdapter(HttpPeerAdapter):
    """OtlpDestination as the cases see it."""

    def __init__(self, wish: Wish, peer: _Counting) -> None:
        super().__init__(wish, peer)
        self._peer = peer

    def config(self) -> dict[str, object]:
        """See Destination."""
        # Without compression the sizes in the cases are those of the requests.
        return {"type": "otlp", "endpoint": self.url(), "compression": "none", **self._token.option("token")}

    def received(self) -> list[Received]:
        """See Destination."""
        return [
            received_json(
                record.body.string_value.encode(), payload=record.SerializeToString(deterministic=True), batch=batch
            )
            for batch, record in tuple(self._peer.arrivals)
        ]

    def refuse_unnamed(self, marker: str) -> None:
        """See Destination."""
        self._peer.reject_marker = marker.encode()


@contextmanager
def _open(wish: Wish) -> Iterator[Destination]:
    with _Counting(wish) as peer:
        yield OtlpAdapter(wish, peer)


KIND = Kind(
    "otlp",
    "a server of the tests' own that decodes with OpenTelemetry's published types",
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
            able.REFUSES_UNNAMED,
            able.SIZE_LIMIT,
        }
    ),
    _open,
)
