"""An OTLP/HTTP receiver of the tests' own: it decodes with the published types, strictly, and fails as it is told."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from tests.sinks.http_destination import HttpDestination, Received, Request, _Planned, unpacked

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

PROTOBUF = "application/x-protobuf"


def plain_value(value: AnyValue) -> object:
    """Return what an AnyValue holds; lists of keys and values as pairs, so that order and types can be seen."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "kvlist_value":
        return [(pair.key, plain_value(pair.value)) for pair in value.kvlist_value.values]
    if kind == "array_value":
        return tuple(plain_value(item) for item in value.array_value.values)
    return getattr(value, kind)


def attributes_of(record: LogRecord) -> dict[str, object]:
    """Return a record's attributes; a key that is there twice fails."""
    found = {pair.key: plain_value(pair.value) for pair in record.attributes}
    assert len(found) == len(record.attributes)
    return found


def status_body(message: str) -> bytes:
    """Return a google.rpc.Status (code, message) as the specification wants it with every 4xx and 5xx."""
    return b"\x08\x03\x12%c%b" % (len(message), message.encode())


class OtlpDestination(HttpDestination):
    """See HttpDestination. A request that is not exactly what the published types write gets 400.

    reject_marker: records with these bytes in their body are left out, and a partial success counts them.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a port of the kernel's choice."""
        self.log_records: list[LogRecord] = []
        self.resources: list[dict[str, object]] = []
        self.plain_bodies: list[bytes] = []
        self.reject_marker: bytes | None = None
        super().__init__(tls)

    @property
    def endpoint(self) -> str:
        """Return what the sink's option wants."""
        return self.url.removesuffix("/intake")

    def _take(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Planned | None:
        plain = unpacked(body, headers.get("content-encoding", ""))
        with self._changed:
            verdict = self._verdict(headers, body, plain)
            reset = False
            if verdict.status // 100 == 2 and not verdict.body:
                verdict = self._store(method, path, headers, plain)
                reset = verdict.status == 200 and self.commit_then_reset > 0
                self.commit_then_reset -= reset
            self.requests.append(Request(method, path, headers, body, 0 if reset else verdict.status))
            self._changed.notify_all()
        return None if reset else verdict

    def _store(self, method: str, path: str, headers: Mapping[str, str], plain: bytes) -> _Planned:
        if (method, path) != ("POST", "/v1/logs"):
            return _Planned(404, 1)
        if headers.get("content-type") != PROTOBUF:
            return _Planned(415, 1)
        try:
            request = ExportLogsServiceRequest.FromString(plain)
        except DecodeError:
            return _Planned(400, 1, {"Content-Type": PROTOBUF}, status_body("cannot be decoded"))
        if request.SerializeToString() != plain:  # unknown fields, odd order, long varints
            return _Planned(400, 1, {"Content-Type": PROTOBUF}, status_body("is not in canonical form"))
        self.plain_bodies.append(plain)
        rejected = 0
        for resource_logs in request.resource_logs:
            self.resources.append({pair.key: plain_value(pair.value) for pair in resource_logs.resource.attributes})
            for scope_logs in resource_logs.scope_logs:
                for record in scope_logs.log_records:
                    if self.reject_marker is not None and self.reject_marker in record.SerializeToString():
                        rejected += 1
                    else:
                        self._add(record)
        answer = ExportLogsServiceResponse()
        if rejected:
            answer.partial_success.rejected_log_records = rejected
            answer.partial_success.error_message = "not to my taste"
        return _Planned(200, 1, {"Content-Type": PROTOBUF}, answer.SerializeToString())

    def _add(self, record: LogRecord) -> None:
        attributes = attributes_of(record)
        self.log_records.append(record)
        raw = record.body.string_value.encode()
        self.records.append(Received(str(attributes["log.record.uid"]), str(attributes.get("standpipe.part", "")), raw))


@contextlib.contextmanager
def oteltap() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run OtelTap, a receiver written in Rust that we did not write; yield its endpoint and its process.

    It prints one JSON line for each record that it decoded.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-u", "-m", "oteltap", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Listening")
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.kill()
