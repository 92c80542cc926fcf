"""The gcp sink's row in the conformance suite."""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from google.cloud.logging_v2.types import LogEntry

from standpipe.testing import destination as able
from standpipe.testing.destination import Destination, Kind, Received, Wish, received_members
from tests.sinks.conformance_tools import server_context
from tests.sinks.gcp_peer import Peer, _filled
from tests.sinks.gcp_readback import payload
from tests.sinks.gcp_rig import new_account

if TYPE_CHECKING:
    from collections.abc import Iterator

LABELS = {"location": "z", "cluster_name": "c", "namespace_name": "n", "pod_name": "p"}


class _Noting(Peer):
    """Notes each entry that it stores, with the request that it came in; refuses those with a marker."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: list[tuple[int, Any]] = []
        self._numbers = count()  # of requests: two may be here at the same time
        self.marker: bytes | None = None

    def _take(self, request: Any) -> tuple[int, bytes]:  # noqa: ANN401 - see Peer
        answer = super()._take(request)
        faults = [self._fault(_filled(request, entry)) for entry in request.entries]
        if not request.dry_run and (request.partial_success or not any(faults)):
            number = next(self._numbers)
            good = [entry for entry, fault in zip(request.entries, faults, strict=True) if fault is None]
            self.arrivals += [(number, entry) for entry in good]
        return answer

    def _fault(self, entry: Any) -> tuple[str, str] | None:  # noqa: ANN401 - see Peer
        if self.marker is not None and self.marker in entry.SerializeToString():
            return "INVALID_ARGUMENT", "Log entry is not to our taste"
        return super()._fault(entry)


class GcpAdapter(Destination):
    """The tests' Cloud Logging as the cases see it."""

    def __init__(self, wish: Wish, peer: _Noting) -> None:
        self._wish = wish
        self._peer = peer
        self.port = peer.port
        self._key_path = os.path.join(wish.directory, "key.json")
        if wish.credentials:
            self.renew_credentials()
        else:
            peer.tokens = {""}

    def config(self) -> dict[str, object]:
        """See Destination."""
        scheme = "https" if self._wish.tls else "http"
        found: dict[str, object] = {
            "type": "gcp",
            "project": "proj",
            "endpoint": f"{scheme}://localhost:{self._wish.port}",
            "resource": {"type": "k8s_container", "labels": LABELS},
            "retention": "3650d",
        }
        return found | ({"credentials": {"file": self._key_path}} if self._wish.credentials else {"auth": "none"})

    def received(self) -> list[Received]:
        """See Destination."""
        return [_received(number, entry) for number, entry in tuple(self._peer.arrivals)]

    def expire_credentials(self) -> None:
        """See Destination: the key is deleted, and the token that was made with it, withdrawn."""
        new_account(self._peer)
        self._peer.tokens = set()

    def renew_credentials(self) -> None:
        """See Destination."""
        text = new_account(self._peer)
        with open(f"{self._key_path}.new", "w", encoding="ascii") as file:
            file.write(text)
        os.replace(f"{self._key_path}.new", self._key_path)
        self.secrets += (text.partition("BEGIN PRIVATE KEY")[2][40:80], "token-1", "token-2", "token-3")

    def refuse_records(self, marker: str) -> None:
        """See Destination; the answer names each entry."""
        self._peer.marker = marker.encode()


def _received(number: int, entry: Any) -> Received:  # noqa: ANN401 - see Peer
    """Return an entry; `exact` in its envelope tells of numbers that a double cannot hold, and the cases have none."""
    return received_members(
        payload(LogEntry.wrap(entry)), payload=entry.SerializeToString(deterministic=True), batch=number
    )


@contextmanager
def _open(wish: Wish) -> Iterator[Destination]:
    peer = _Noting()
    peer.start(server_context(wish))
    try:
        yield GcpAdapter(wish, peer)
    finally:
        peer.stop()


KIND = Kind(
    "gcp",
    "a server of the tests' own on Google's published protos, with the documented limits",
    frozenset(
        {
            able.RECORDS,
            able.NETWORK,
            able.ORDER,
            able.SEVERAL_IN_FLIGHT,
            able.BATCHES,
            able.TLS,
            able.CREDENTIALS,
            able.REFUSES_RECORDS,
        }
    ),
    _open,
)
