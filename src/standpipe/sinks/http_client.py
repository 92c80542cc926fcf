"""One server spoken to over HTTP: connections kept alive, one try a request, failures as a sink answers them.

The proxy variables of the environment (HTTP_PROXY and so on) are not looked at: where the audit log goes is what the
config says, and nothing that a base image or a cluster puts into the environment may change it.
"""

from __future__ import annotations

import ssl
import threading
import time
from typing import TYPE_CHECKING

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from standpipe import __version__
from standpipe.errors import SinkError
from standpipe.sink_keys.address import is_loopback
from standpipe.sink_keys.url import URL_REMEDY, Url, header_problem, parse_url
from standpipe.sinks import http_answer, tls
from standpipe.sinks.base import Retry
from standpipe.sinks.http_answer import Response
from standpipe.sinks.http_pool import make_pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from standpipe.sinks.base import Outcome
    from standpipe.sinks.tls import FileMark, TlsOptions

__all__ = ["HttpClient", "Response", "http_outcome"]

CONNECT_TIMEOUT_SECONDS = 10.0  # a host that is up answers within two retransmissions (1 s, 2 s)
ANSWER_BYTES = 64 << 10  # of an answer's body; the words of an error, or which records were refused
USER_AGENT = f"standpipe/{__version__}"
REDACTED = b"[redacted]"
SHORTEST_REDACTED = 4  # a shorter secret is no secret, and would blot out ordinary words


def http_outcome(response: Response) -> Outcome:
    """Return what an answer means for the batch; see http_answer.outcome."""
    return http_answer.outcome(response, time.time())


class HttpClient:
    """A pool of connections to the server of one URL. May be used by several threads at once."""

    def __init__(self, url: str, *, tls: TlsOptions, timeout_seconds: float, connections: int) -> None:
        """Take the settings; nothing is connected, and no file is read, before the first request.

        timeout_seconds: for the sending of a body, for each wait for the answer, and for all of the answer's body.
        connections: how many are kept open. Raises SinkError for a URL that is none.
        """
        parsed = parse_url(url)
        if not isinstance(parsed, Url):
            raise SinkError(f"The URL cannot be used: {parsed}", URL_REMEDY)
        self._url = parsed
        self.server = parsed.server
        """For messages: without path and query, which may hold a token."""
        self._tls = tls
        self._timeout_seconds = timeout_seconds
        self._timeout = urllib3.Timeout(connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), read=timeout_seconds)
        self._connections = connections
        self._lock = threading.Lock()
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._marks: tuple[FileMark, ...] = ()

    @property
    def weakness(self) -> tuple[str, str] | None:
        """Return in words what does not protect the way to the server, and a remedy; None where nothing is amiss."""
        if self._url.scheme == "https":
            if self._tls.verify:
                return None
            return f"{self.server} answers, but its certificate is not verified", "Set tls.ca instead of tls.verify"
        if is_loopback(self._url.host):
            return None
        return f"{self.server} answers, but without TLS anybody on the way can read the log", "Use https://"

    def post(
        self, body: bytes | list[bytes], headers: Mapping[str, str], path: str = "", *, redact: Sequence[str] = ()
    ) -> Response | Retry:
        """Send a POST; see request."""
        return self.request("POST", body, headers, path, redact=redact)

    def request(
        self,
        method: str,
        body: bytes | list[bytes],
        headers: Mapping[str, str],
        path: str = "",
        *,
        redact: Sequence[str] = (),
    ) -> Response | Retry:
        """Send a request once and return the answer, or why there is none. Raises nothing.

        path: appended to the URL's own. redact: secrets; a server that repeats them in its answer has them blotted out.
        A redirect is returned like any answer. Retry has config_fault where certificates or the settings are at fault.
        """
        headers = {"User-Agent": USER_AGENT, **headers}
        for name, value in headers.items():
            if problem := header_problem(name, value):
                return Retry(f"nothing was sent to {self.server}: {problem}", config_fault=True)
        try:
            pool = self._current_pool()
        except SinkError as error:
            return Retry(str(error), config_fault=True)
        target = self._url.path.rstrip("/") + path if path else self._url.path
        try:
            answer = pool.urlopen(
                method,
                target + self._url.query,
                body=b"".join(body) if isinstance(body, list) else body,
                headers=headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except (HTTPError, OSError) as error:
            return self._failure(error)
        return self._read(answer, redact)

    def close(self) -> None:
        """Close the connections; no request is under way."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _current_pool(self) -> urllib3.HTTPConnectionPool:
        """Return the pool; a new one where a file of certificates was renewed. Raises SinkError."""
        marks = tls.file_marks(self._tls) if self._url.scheme == "https" else ()
        with self._lock:
            if self._pool is None or marks != self._marks:
                made = make_pool(self._url, self._connections, self._tls)
                if self._pool is not None:
                    self._pool.close()  # closes the idle ones; the others are closed when their request is over
                self._pool, self._marks = made, marks
            return self._pool

    def _read(self, answer: urllib3.BaseHTTPResponse, redact: Iterable[str]) -> Response | Retry:
        deadline = time.monotonic() + self._timeout_seconds
        body = bytearray()
        try:
            while len(body) < ANSWER_BYTES and (piece := answer.read1(ANSWER_BYTES - len(body))):
                body += piece
                if time.monotonic() > deadline:
                    raise TimeoutError
        except (HTTPError, OSError) as error:
            answer.close()
            if answer.status // 100 == 2:  # noqa: PLR2004 - a success whose words are not known
                return self._failure(error)
        if answer.length_remaining:
            answer.close()  # a connection with a rest in it cannot be used again
        else:
            answer.release_conn()
        return Response(
            answer.status,
            {name.lower(): value for name, value in answer.headers.items()},
            _redacted(bytes(body), redact),
            self.server,
        )

    def _failure(self, error: Exception) -> Retry:
        """Return in words what went wrong; nothing of a request is in it."""
        cause = _innermost(error)
        if isinstance(cause, ssl.SSLError):
            lasting = tls.is_lasting(cause)
            return Retry(f"{self.server}: {tls.words(cause)}", config_fault=lasting)
        if isinstance(error, NameResolutionError):
            return Retry(f"{self.server}: the host's name is not known, or no name server answers")
        if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
            return Retry(f"{self.server}: no connection within {self._timeout.connect_timeout:g} s")
        if isinstance(error, ReadTimeoutError | TimeoutError) or isinstance(cause, TimeoutError):
            why = f"{self.server}: no answer within {self._timeout_seconds:g} s; it may have the batch or not"
            return Retry(why, timed_out=True)
        if isinstance(error, NewConnectionError):
            reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else "failed"
            return Retry(f"{self.server}: no connection: {reason}")
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else "it was closed without an answer"
        return Retry(f"{self.server}: the connection broke ({reason}); it may have the batch or not")


def _innermost(error: Exception) -> BaseException:
    """Return what urllib3 wrapped, however deep."""
    found: BaseException = error
    while True:
        inner = next((part for part in found.args if isinstance(part, Exception)), None)
        if inner is None and isinstance(found, NewConnectionError | SSLError | ProtocolError):
            inner = found.__cause__ or found.__context__  # type: ignore[assignment]
        if inner is None or inner is found:
            return found
        found = inner


def _redacted(body: bytes, secrets: Iterable[str]) -> bytes:
    for secret in secrets:
        if len(secret) >= SHORTEST_REDACTED:
            body = body.replace(secret.encode(), REDACTED)
    return body
