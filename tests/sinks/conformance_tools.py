"""What several rows of the conformance suite need."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Protocol

from standpipe.testing.destination import Destination

if TYPE_CHECKING:
    from standpipe.testing.destination import Wish


def server_context(wish: Wish) -> ssl.SSLContext | None:
    """Return a server's context with the certificate that is wished for; None for plain TCP."""
    if not wish.tls:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(wish.tls)
    if wish.client_ca:
        made.load_verify_locations(wish.client_ca)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


class Token:
    """A secret in a file, if one is wished for; `text` is what it is now. seen: all that it ever was."""

    def __init__(self, wish: Wish) -> None:
        self._path = os.path.join(wish.directory, "token")
        self.text = ""
        self.seen: tuple[str, ...] = tuple(f"hush-{number}-nobody-may-see-this" for number in range(4))
        self._unused = list(self.seen)
        if wish.credentials:
            self.renew()

    def renew(self) -> str:
        """Put another one into the file, in one step, and return it."""
        self.text = self._unused.pop()
        with open(f"{self._path}.new", "w", encoding="ascii") as file:
            file.write(f"{self.text}\n")
        os.replace(f"{self._path}.new", self._path)
        return self.text

    def option(self, name: str) -> dict[str, object]:
        """Return the option of the config that names the file; nothing where there is none."""
        return {name: {"file": self._path}} if self.text else {}


class HttpPeer(Protocol):
    """A server that takes HTTP requests, and what it refuses. marker: a request with these bytes in it."""

    port: int
    token: str | None
    marker: bytes | None
    max_body_bytes: int | None


class HttpPeerAdapter(Destination):
    """Such a server as the cases see it."""

    def __init__(self, wish: Wish, peer: HttpPeer) -> None:
        self._http_peer = peer
        self._wish = wish
        self.port = peer.port
        self._token = Token(wish)
        self.secrets = self._token.seen
        peer.token = self._token.text or None

    def url(self, path: str = "") -> str:
        """Return the address that goes into the config."""
        return f"{'https' if self._wish.tls else 'http'}://localhost:{self._wish.port}{path}"

    def expire_credentials(self) -> None:
        """See Destination."""
        self._http_peer.token = "another"  # noqa: S105

    def renew_credentials(self) -> None:
        """See Destination."""
        self._http_peer.token = self._token.renew()

    def refuse_records(self, marker: str) -> None:
        """See Destination; the whole request is refused, and nothing says which record is meant."""
        self._http_peer.marker = marker.encode()

    def refuse_larger_than(self, size_bytes: int) -> None:
        """See Destination; of the body as it was sent."""
        self._http_peer.max_body_bytes = size_bytes
