"""Any HTTP intake that takes JSON lines or a JSON array: one batch, one request.

Order is kept while `in_flight` is 1, the default. Nothing is done record by record in `send`.
"""

from __future__ import annotations

import hmac
import sys
from base64 import b64encode
from typing import TYPE_CHECKING

from standpipe.errors import SinkError
from standpipe.preflight import Check, failed, ok, warning
from standpipe.records.envelope import Envelope
from standpipe.sinks.base import Limits, Retry, Unfit, wished
from standpipe.sinks.gzipping import gzipped
from standpipe.sinks.http_answer import describe
from standpipe.sinks.http_client import HttpClient, http_outcome
from standpipe.sinks.http_token import Token
from standpipe.sinks.parts import parts_of
from standpipe.sinks.secret import read_secret
from standpipe.sinks.tls import tls_options

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.config_sinks import Secret, SinkConfig
    from standpipe.preflight import Result
    from standpipe.records.framing import Record
    from standpipe.sinks.base import Batch, Context, Outcome, Sink

BATCH_BYTES = 1 << 20  # a body of at most 1 MiB: what nginx takes by default (client_max_body_size 1m)
BATCH_RECORDS = 10_000  # of some 100 bytes each they fill the bytes as well
LINGER_SECONDS = 0.03  # with the 20 ms between two looks at the journal half of the 100 ms in which records arrive
ARRAY_FRAME_BYTES = 2  # the brackets; and each record has one separator, but for the first
ZSTD_LEVEL = 1  # see docs/sinks/http.md: higher ones make audit records little smaller and take far longer
TIMEOUT_SECONDS = 30.0
CHECK_NAME = "server"

CONTENT_TYPES = {"lines": "application/x-ndjson", "array": "application/json"}


def open_sink(config: SinkConfig, context: Context) -> Sink:
    """Make the sink; see sinks.base.SinkType."""
    return HttpSink(config, context)


class HttpSink:
    """Batches of JSON to one URL."""

    def __init__(self, config: SinkConfig, context: Context) -> None:
        """Read the settings. Connects to nothing; raises SinkError for a URL that is none."""
        self._array = config.text("format") == "array"
        separator_bytes = 1 if self._array else 0  # counted for each record, and the last one has none
        frame_bytes = ARRAY_FRAME_BYTES if self._array else 0
        self._limits = wished(
            Limits(BATCH_BYTES, BATCH_RECORDS, LINGER_SECONDS, record_overhead_bytes=separator_bytes),
            config.batch,
            frame_bytes=frame_bytes - separator_bytes,
        )
        self._client = HttpClient(
            config.text("url") or "",
            tls=tls_options(config),
            timeout_seconds=config.seconds("timeout") or TIMEOUT_SECONDS,
            connections=self._limits.in_flight,
        )
        self._method = config.text("method") or "POST"
        envelope = Envelope(context.journal_id, config.labels)
        self._whole = envelope.object if self._array else envelope.line
        self._envelope = envelope
        self._max_record_bytes = config.number("max_record_size") or self._limits.batch_bytes - separator_bytes
        self._may_part = config.text("oversize") != "dead-letter"
        self._compression = config.text("compression") or "none"
        self._headers = self._fixed_headers(config)
        self._credentials = _Credentials(config)

    @property
    def limits(self) -> Limits:
        """How much may go at once."""
        return self._limits

    def encode(self, record: Record, after: int) -> bytes | Sequence[bytes]:
        """Return the record with its envelope, or its parts; see sinks.base.Sink."""
        if len(record.body) <= self._max_record_bytes:
            payload = self._whole(record, after)
            if len(payload) <= self._max_record_bytes:
                return payload
        if not self._may_part:
            raise Unfit(f"it is larger than max_record_size, {self._max_record_bytes} bytes, with its envelope")
        if self._array:
            return parts_of(self._envelope, record, after, self._max_record_bytes)
        return parts_of(self._envelope, record, after, self._max_record_bytes - len(b"\n"), _as_line)

    def send(self, batch: Batch) -> Outcome:
        """Send one request; see sinks.base.Sink."""
        payloads = batch.payloads
        body = b"[%b]" % b",".join(payloads) if self._array else b"".join(payloads)
        if self._compression == "gzip":
            body = gzipped((body,))
        elif self._compression == "zstd":
            body = zstd.compress(body, ZSTD_LEVEL)
        try:
            headers, secrets = self._credentials.headers(body)
        except SinkError as error:
            return Retry(str(error), config_fault=True)
        answer = self._client.request(self._method, body, self._headers | headers, redact=secrets)
        return answer if isinstance(answer, Retry) else http_outcome(answer)

    def checks(self) -> list[Check]:
        """Return the check that the server answers us; nothing is delivered."""
        return [Check(CHECK_NAME, lambda: [self._look()])]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _fixed_headers(self, config: SinkConfig) -> dict[str, str]:
        content_type = config.text("content_type") or CONTENT_TYPES["array" if self._array else "lines"]
        headers = {"Content-Type": content_type, **config.labels_of("headers")}
        if self._compression != "none":
            headers["Content-Encoding"] = self._compression
        return headers

    def _look(self) -> Result:
        """Ask with HEAD, which delivers nothing: name, port, TLS and, often, the credentials are seen to work."""
        headers, secrets = self._credentials.headers(b"")
        fixed = {name: value for name, value in self._headers.items() if not name.lower().startswith("content-")}
        answer = self._client.request("HEAD", b"", fixed | headers, redact=secrets)
        name, server = CHECK_NAME, self._client.server
        if isinstance(answer, Retry):
            return failed(name, answer.why, "See that it runs, that its address is right and that it may be reached")
        status = answer.status
        if status in (401, 403, 407) or status // 100 == 3:  # noqa: PLR2004 - the class of redirects
            return failed(name, describe(answer), "Correct the sink's credentials or its url")
        if status == 404 or status // 100 == 5:  # noqa: PLR2004 - not found; the class of the server's own failures
            remedy = "Some intakes answer so to HEAD; if records do not arrive either, correct the url"
            return warning(name, f"{describe(answer)} to HEAD", remedy)
        if weakness := self._client.weakness:
            return warning(name, *weakness)
        return ok(name, f"{server} answers ({status} to HEAD); the first batch shows whether it takes records")


class _Credentials:
    """The headers that hold secrets; these are read anew for each request, so that a renewed one is taken up."""

    def __init__(self, config: SinkConfig) -> None:
        what = f"of sink {config.name}"
        self._token = Token(config)
        self._username = config.text("username") or ""
        self._password = (config.secret("password"), f"the password {what}")
        self._hmac_key = (config.secret("hmac.key"), f"the HMAC key {what}")
        self._hmac_header = config.text("hmac.header") or "X-Standpipe-Signature"

    def headers(self, body: bytes) -> tuple[dict[str, str], list[str]]:
        """Return the headers for a body, and the secrets that are in them. Raises SinkError, without a secret."""
        headers: dict[str, str] = {}
        secrets: list[str] = []
        if password := _read(self._password):
            pair = b64encode(f"{self._username}:{password}".encode()).decode()  # RFC 7617
            headers["Authorization"] = f"Basic {pair}"
            secrets += [pair, password]
        token_headers, tokens = self._token.headers()
        headers |= token_headers
        secrets += tokens
        if key := _read(self._hmac_key):
            headers[self._hmac_header] = f"sha256={hmac.digest(key.encode(), body, 'sha256').hex()}"
            secrets.append(key)
        return headers, secrets


def _as_line(part: bytes, _number: str) -> bytes:
    return part + b"\n"


def _read(place: tuple[Secret | None, str]) -> str:
    secret, what = place
    return "" if secret is None else read_secret(secret, what)
