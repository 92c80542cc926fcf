"""Who signed what: certificates for servers and clients on loopback, good and bad."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import trustme

from standpipe.testing import destination

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


class Certificates(destination.Certificates):
    """The cases' certificates, for servers of the tests' own."""

    __slots__ = ()

    def server_context(self, chain: str, *, client_required: bool = False) -> ssl.SSLContext:
        """Return a context for a server with one of the certificates."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        if client_required:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_certificates(directory: Path) -> Certificates:
    """Write all of them."""
    ours, others = trustme.CA(), trustme.CA()

    def write(name: str, blob: trustme.Blob) -> str:
        path = str(directory / f"{name}.pem")
        blob.write_to_path(path)
        return path

    def issue(name: str, authority: trustme.CA, host: str, not_after: datetime | None = None) -> str:
        return write(name, authority.issue_cert(host, not_after=not_after).private_key_and_cert_chain_pem)

    return Certificates(
        ca=write("ca", ours.cert_pem),
        server=issue("server", ours, "localhost"),
        expired=issue("expired", ours, "localhost", LONG_AGO),
        other_name=issue("other_name", ours, "elsewhere.example"),
        client=issue("client", ours, "standpipe.example"),
        other_ca=write("other_ca", others.cert_pem),
        stranger=issue("stranger", others, "localhost"),
    )
