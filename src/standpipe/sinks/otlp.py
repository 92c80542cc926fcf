"""OTLP/HTTP: records as LogRecords in protobuf, to an OpenTelemetry Collector or whatever takes its protocol.

The protocol has no identity for a record and says that a retry may duplicate; so each carries `log.record.uid`, and its
bytes are the same at every try. https://opentelemetry.io/docs/specs/otlp/
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from standpipe import __version__, preflight
from standpipe.errors import SinkError
from standpipe.records.envelope import Envelope, entry_id
from standpipe.records.fields import Fields, parse_fields
from standpipe.sinks import otlp_message as message
from standpipe.sinks.base import Delivered, Limits, PerRecord, Poison, Retry, Split, Unfit, wished
from standpipe.sinks.downward_api import CLUSTER_NAME, CONTAINER_NAME, NODE_NAME, POD_NAME, POD_NAMESPACE
from standpipe.sinks.gzipping import gzipped
from standpipe.sinks.http_answer import Response, describe, excerpt, retry_after_seconds
from standpipe.sinks.http_client import HttpClient
from standpipe.sinks.http_token import Token
from standpipe.sinks.otlp_answer import Partial, UnreadableError, partial_success, status_message
from standpipe.sinks.parts import parts_of
from standpipe.sinks.timestamp import record_unix_nanoseconds
from standpipe.sinks.tls import tls_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from standpipe.config_sinks import SinkConfig
    from standpipe.preflight import Check, Result
    from standpipe.records.framing import Record
    from standpipe.sinks.base import Batch, Context, Outcome

LOGS_PATH = "/v1/logs"
PROTOBUF = "application/x-protobuf"
BATCH_RECORDS = 8192  # the largest batch that the Collector's own batch processor makes by default
LINGER_SECONDS = 0.2
TIMEOUT_SECONDS = 30.0
REQUEST_BYTES = 4 << 20
CHECK_NAME = "receiver"
ATTRIBUTES_BYTES = 4096  # of room for a part's attributes: thirteen, ten of them texts up to the next limit
ATTRIBUTE_BYTES_MAX = 256  # a longer path or id is in the body alone
SUCCESS, BAD_REQUEST, TOO_LARGE, SERVER_FAULT = 200, 400, 413, 500
PASSING = frozenset({408, 425, 429, 502, 503, 504})  # the specification names the last four; the others say it
CONFIG_FAULTS = frozenset({401, 403, 404, 405, 407, 415, 501, 505})

UID = message.TextAttribute("log.record.uid", ATTRIBUTE_BYTES_MAX)
JOURNAL = message.TextAttribute("standpipe.journal", ATTRIBUTE_BYTES_MAX)
OFFSET = message.IntegerAttribute("standpipe.offset")
LENGTH = message.IntegerAttribute("standpipe.length")
AFTER = message.IntegerAttribute("standpipe.after")
KIND = message.TextAttribute("standpipe.kind", ATTRIBUTE_BYTES_MAX)
PART = message.TextAttribute("standpipe.part", ATTRIBUTE_BYTES_MAX)
TYPE = message.TextAttribute("vault.type", ATTRIBUTE_BYTES_MAX)
OPERATION = message.TextAttribute("vault.request.operation", ATTRIBUTE_BYTES_MAX)
PATH = message.TextAttribute("vault.request.path", ATTRIBUTE_BYTES_MAX)
REQUEST_ID = message.TextAttribute("vault.request.id", ATTRIBUTE_BYTES_MAX)
MOUNT_TYPE = message.TextAttribute("vault.mount.type", ATTRIBUTE_BYTES_MAX)
MOUNT_POINT = message.TextAttribute("vault.mount.point", ATTRIBUTE_BYTES_MAX)
NAMESPACE = message.TextAttribute("vault.namespace.path", ATTRIBUTE_BYTES_MAX)

DOWNWARD = {
    POD_NAME: "k8s.pod.name",
    POD_NAMESPACE: "k8s.namespace.name",
    NODE_NAME: "k8s.node.name",
    CONTAINER_NAME: "k8s.container.name",
    CLUSTER_NAME: "k8s.cluster.name",
}
"""Attributes of https://opentelemetry.io/docs/specs/semconv/resource/k8s/ by the variable that says them."""


def resource_attributes(config: SinkConfig, context: Context, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the resource's attributes; what comes later takes precedence.

    The defaults, the downward API, OTEL_RESOURCE_ATTRIBUTES (``key=value,…``, values percent-encoded;
    https://opentelemetry.io/docs/specs/otel/resource/sdk/), the config's `add`, its `service_…`, its `resource`.
    """
    found = {"service.name": "vault", "service.instance.id": context.node, "host.name": context.node}
    found |= {key: environment[name] for name, key in DOWNWARD.items() if environment.get(name)}
    for pair in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, equals, value = pair.partition("=")
        if equals and key.strip():
            found[key.strip()] = unquote(value.strip())
    found |= config.labels
    own = {"service.name": config.text("service_name"), "service.instance.id": config.text("service_instance")}
    if own["service.name"] == "vault" and found["service.name"] != "vault":
        own["service.name"] = None  # the default yields to the environment
    return found | {key: text for key, text in own.items() if text} | dict(config.labels_of("resource"))


class OtlpSink:
    """One receiver of OTLP/HTTP."""

    def __init__(self, config: SinkConfig, context: Context) -> None:
        """Take the settings; nothing is connected. Raises SinkError for an endpoint that is no URL."""
        self._config = config
        self._journal_id = context.journal_id
        self._envelope = Envelope(context.journal_id, config.labels)
        self._as_fields = config.text("body") == "fields"
        self._in_parts = config.text("oversize") != "dead-letter"
        self._gzip = config.text("compression") == "gzip"
        self._journal = JOURNAL.frame(context.journal_id.encode())
        self._resource = message.resource(resource_attributes(config, context, os.environ))
        self._scope = message.scope("standpipe", __version__)
        request_bytes = config.number("max_request_size") or REQUEST_BYTES
        head_bytes = len(self._resource) + len(self._scope) + message.REQUEST_HEAD_BYTES_MAX
        self._room = request_bytes - head_bytes
        if self._room < 2 * ATTRIBUTES_BYTES:
            raise SinkError(
                "The resource attributes leave no room for a record in a request of max_request_size",
                "Make max_request_size larger, or the attributes fewer",
            )
        self._limits = wished(
            Limits(request_bytes, BATCH_RECORDS, LINGER_SECONDS),
            config.batch,
            bytes_max=request_bytes,
            frame_bytes=head_bytes,
        )
        self._token = Token(config)
        self._client = HttpClient(
            (config.text("endpoint") or "").rstrip("/"),
            tls=tls_options(config),
            timeout_seconds=config.seconds("timeout") or TIMEOUT_SECONDS,
            connections=self._limits.in_flight,
        )

    @property
    def limits(self) -> Limits:
        """How much may go at once; a payload is a LogRecord with the tag and length that it has in a request."""
        return self._limits

    def encode(self, record: Record, after: int) -> bytes | Sequence[bytes]:
        """Return the framed LogRecord, or those of the parts. Raises Unfit. See Sink."""
        plain = record.torn or record.is_seal
        fields = Fields() if plain else parse_fields(record.body)
        whole = self._envelope.object(record, after)
        framed = self._log_record(record, after, fields, self._body(whole))
        if len(framed) <= self._room:
            return framed
        if not self._in_parts:
            raise Unfit(f"its LogRecord has {len(framed)} bytes, and a request has room for {self._room}")

        def framed_part(part: bytes, number: str) -> bytes:
            return self._log_record(record, after, fields, message.text_value(part), number)

        return parts_of(self._envelope, record, after, self._room - ATTRIBUTES_BYTES, framed_part)

    def _body(self, whole: bytes) -> bytes:
        if self._as_fields:
            try:
                return message.json_value(whole)
            except message.NotExactError:
                pass  # as text it is exact
        return message.text_value(whole)

    def _log_record(self, record: Record, after: int, fields: Fields, body: bytes, part: str = "") -> bytes:
        severity = message.WARN if record.torn else message.ERROR if fields.has_error else message.INFO
        uid = entry_id(record, self._journal_id)
        attributes = (
            UID.frame((f"{uid}-{part}" if part else uid).encode()),
            self._journal,
            OFFSET.frame(record.offset),
            LENGTH.frame(record.length),
            KIND.frame(b"seal") if record.is_seal else AFTER.frame(after),
            PART.frame(part.encode()),
            TYPE.frame(fields.type.encode()),
            OPERATION.frame(fields.operation.encode()),
            PATH.frame(fields.path.encode()),
            REQUEST_ID.frame(fields.request_id.encode()),
            MOUNT_TYPE.frame(fields.mount_type.encode()),
            MOUNT_POINT.frame(fields.mount_point.encode()),
            NAMESPACE.frame(fields.namespace_path.encode()),
        )
        return message.log_record(record_unix_nanoseconds(record, fields.time), severity, body, attributes)

    def send(self, batch: Batch) -> Outcome:
        """Try once to deliver a batch; see Sink."""
        answer = self._post(message.export_request(self._resource, self._scope, batch.payloads))
        return answer if isinstance(answer, Retry) else self._outcome(answer, len(batch))

    def _post(self, pieces: list[bytes]) -> Response | Retry:
        headers = {
            "Content-Type": PROTOBUF,
            **self._config.labels_of("headers"),
        }
        try:
            token_headers, secrets = self._token.headers()
        except SinkError as error:
            return Retry(str(error), config_fault=True)
        headers |= token_headers
        if self._gzip:
            headers["Content-Encoding"] = "gzip"
            pieces = [gzipped(pieces)]
        return self._client.post(pieces, headers, LOGS_PATH, redact=secrets)

    def _outcome(self, answer: Response, count: int) -> Outcome:
        """Return what an answer means, by the protocol's own table where it differs from HTTP's.

        A 500 would be final there, as Collectors give it for what will never pass; but they give it in an outage as
        well, and what may pass is never given up here. Every other answer that is not named is final: a refused request
        is halved until the record is found, and the pump believes it once another record has passed.
        """
        if answer.status // 100 == SUCCESS // 100:
            return _success(answer, count)
        words = status_message(answer.body, answer.headers.get("content-type", ""))
        why = describe(Response(answer.status, answer.headers, words, answer.server))
        if answer.status in PASSING:
            return Retry(why, retry_after_seconds(answer.headers.get("retry-after", ""), time.time()))
        if answer.status == TOO_LARGE:
            return Split(why)
        if answer.status in CONFIG_FAULTS or answer.status < BAD_REQUEST:
            return Retry(why, config_fault=True)
        if answer.status // 100 == SERVER_FAULT // 100:
            return Retry(why)
        return Poison(why)

    def checks(self) -> list[Check]:
        """Return the check that sends an empty request, which delivers nothing."""
        return [preflight.Check(CHECK_NAME, lambda: [self._look()])]

    def _look(self) -> Result:
        answer = self._post([b""])
        outcome = answer if isinstance(answer, Retry) else self._outcome(answer, 0)
        if isinstance(outcome, Delivered):
            if weakness := self._client.weakness:
                return preflight.warning(CHECK_NAME, *weakness)
            return preflight.ok(CHECK_NAME, f"{self._client.server} takes OTLP logs")
        why = outcome.why if isinstance(outcome, Retry | Poison | Split) else "an empty request was refused in part"
        remedy = "Look at endpoint, token and the TLS options of this sink, and at the receiver's own log"
        return preflight.failed(CHECK_NAME, why, remedy)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _success(answer: Response, count: int) -> Outcome:
    try:
        partial = partial_success(answer.body, answer.headers.get("content-type", ""))
    except UnreadableError as error:
        return Retry(f"{answer.server} answered {answer.status}, but {error}", config_fault=True)
    if partial.rejected:
        return _rejected(partial, count, answer.server)
    return Delivered(excerpt(partial.message.encode()))  # taken, with a warning


def _rejected(partial: Partial, count: int, server: str) -> PerRecord:
    """Return the dead letters of a partial success.

    The protocol forbids to try such a request again, and says how many were rejected but not which. So all of them
    become dead letters: nothing is lost, and the reason says that most may have been taken.
    """
    words = excerpt(partial.message.encode())
    why = f"{server} rejected {partial.rejected} of the {count} records of this request, and does not say which"
    why += f" ({words})" if words else ""
    return PerRecord(dict.fromkeys(range(count), Poison(why, certain=True)))


def open_sink(config: SinkConfig, context: Context) -> OtlpSink:
    """Make the sink; see base.SinkType."""
    return OtlpSink(config, context)
