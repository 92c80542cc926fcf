"""Connections to one server, kept alive: urllib3's pools, with what they lack over TLS."""

from __future__ import annotations

import errno
import os
import ssl
from typing import TYPE_CHECKING

import urllib3
from urllib3.connection import HTTPSConnection

from standpipe.sinks import tls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standpipe.sink_keys.url import Url
    from standpipe.sinks.tls import TlsOptions


class _TlsConnection(HTTPSConnection):
    """One that reads the answer of a server which stopped reading us, as urllib3 does without TLS.

    Such an answer is a 413 that came before the whole body was sent, or the alert by which a TLS 1.3 server refuses our
    certificate after the handshake. Where a socket says EPIPE, the ssl module says SSLEOFError.
    """

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **options: bool,
    ) -> None:
        try:
            super().request(method, url, body, headers, **options)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error


class _UnverifiedConnection(_TlsConnection):
    """One that does not warn at each request: the config asked for it, and `standpipe check` says what it means."""

    def connect(self) -> None:
        super().connect()
        self.is_verified = True


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection  # type: ignore[assignment]  # a protocol that it meets


class _UnverifiedPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _UnverifiedConnection  # type: ignore[assignment]  # as above


def make_pool(url: Url, connections: int, options: TlsOptions) -> urllib3.HTTPConnectionPool:
    """Return a pool that keeps so many connections, and connects to nothing yet. Raises SinkError for its PEM files."""
    if url.scheme == "http":
        return urllib3.HTTPConnectionPool(url.host, url.port, maxsize=connections, retries=False)
    kind = _TlsPool if options.verify else _UnverifiedPool
    return kind(
        url.host,
        url.port,
        maxsize=connections,
        retries=False,
        ssl_context=tls.context(options),
        server_hostname=options.server_name,
    )
