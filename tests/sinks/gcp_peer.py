"""A Cloud Logging of the tests' own, on Google's published protos, with the documented limits enforced.

Requests are parsed by google.protobuf.json_format into google.logging.v2.WriteLogEntriesRequest, so a member that does
not exist there is refused, as by Google; answers are made from google.rpc and google.logging.v2 messages as well. The
same server plays the metadata server and a token server, which verifies the signature of a service account.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from google.auth import jwt
from google.cloud.logging_v2.types import LogEntry, WriteLogEntriesPartialErrors, WriteLogEntriesRequest
from google.protobuf import any_pb2, json_format
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

REQUEST_BYTES = 10_000_000  # "Size of an entries.write request: 10 MB" (Cloud Logging, Quotas and limits)
ENTRY_BYTES = 256 << 10  # "Size of a LogEntry: 256 KiB"; internal data sizes
AUDIENCE = "https://oauth2.googleapis.com/token"  # of a service account's assertion, wherever it is sent
LABELS = 64
LABEL_KEY_BYTES = 512  # a longer one is cut
LABEL_VALUE_BYTES = 64 << 10
FUTURE = timedelta(days=1)

HTTP = {  # google/rpc/code.proto
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


def status(code: str, message: str, details: list[Any] | None = None) -> tuple[int, bytes]:
    """Return an error as Google's REST front end gives it."""
    packed = []
    for detail in details or []:
        holder = any_pb2.Any()
        holder.Pack(detail)
        packed.append(json_format.MessageToDict(holder))
    error: dict[str, object] = {"code": HTTP[code], "message": message, "status": code}
    if packed:
        error["details"] = packed
    return HTTP[code], json.dumps({"error": error}).encode()


def retry_info(seconds: int) -> error_details_pb2.RetryInfo:
    """Return a google.rpc.RetryInfo."""
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromSeconds(seconds)
    return info


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    peer: Peer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that a test breaks."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._reply(*self.server.peer.post(self.path, self.headers.get("Authorization", ""), body))

    def do_GET(self) -> None:
        self._reply(*self.server.peer.get(self.path, self.headers.get("Metadata-Flavor", "")))

    def _reply(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        if not code:
            self.close_connection = True
            return
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Peer:
    """The server and what it has. All members may be set by a test."""

    projects: tuple[str, ...] = ("proj",)
    tokens: set[str] = field(default_factory=lambda: {"good"})
    stored: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    """Entries by project, time stamp and insertId: of several with the same, Logging shows one."""
    requests: list[bytes] = field(default_factory=list)
    answers: list[Callable[[], tuple[int, bytes]]] = field(default_factory=list)
    """What the next requests get instead of being looked at."""
    break_next: int = 0
    """How many of the next requests are carried out, and then the connection is broken."""
    metadata: dict[str, str] = field(default_factory=dict)
    flavor: str = "Google"
    token_requests: int = 0
    account_key: bytes = b""
    """The public key, PEM, of the service account that gets tokens."""
    token_answers: list[tuple[int, bytes]] = field(default_factory=list)
    base: str = ""

    def start(self, context: ssl.SSLContext | None = None) -> None:
        """Listen on loopback."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.peer = self
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.base = f"http{'s' if context else ''}://localhost:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def entries(self) -> list[LogEntry]:
        """Return what is stored, as google-cloud-logging's own type, ordered by insertId."""
        return [LogEntry.wrap(self.stored[key]) for key in sorted(self.stored, key=lambda key: key[2])]

    def get(self, path: str, flavor: str) -> tuple[int, bytes, dict[str, str]]:
        """Answer as the metadata server: https://cloud.google.com/compute/docs/metadata/querying-metadata."""
        headers = {"Metadata-Flavor": self.flavor}
        parts = urlsplit(path)
        name = parts.path.removeprefix("/computeMetadata/v1/")
        if flavor != "Google":
            return 403, b"Missing Metadata-Flavor:Google header.", headers
        if name.endswith("/token") and name in self.metadata:
            self.token_requests += 1
            assert ["https://www.googleapis.com/auth/logging.write"] == parse_qs(parts.query)["scopes"]
        if name not in self.metadata:
            return 404, b"", headers
        return 200, self.metadata[name].encode(), headers

    def post(self, path: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        """Answer as the API or the token server."""
        if path == "/token":
            return self._token(body)
        if path != "/v2/entries:write":
            return 404, b"<html>Not Found</html>"
        self.requests.append(body)
        if self.answers:
            return self.answers.pop(0)()
        answer = self._write(authorization, body)
        if self.break_next:
            self.break_next -= 1
            return 0, b""
        return answer

    def _token(self, body: bytes) -> tuple[int, bytes]:
        """Answer RFC 7523: a signed assertion for a token."""
        self.token_requests += 1
        if self.token_answers:
            return self.token_answers.pop(0)
        form = parse_qs(body.decode())
        if form["grant_type"] != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
            return 400, b'{"error":"unsupported_grant_type"}'
        try:
            claims = jwt.decode(form["assertion"][0], certs=self.account_key, audience=AUDIENCE)  # type: ignore[no-untyped-call]
        except ValueError:
            return 400, b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}'
        assert claims["scope"] == "https://www.googleapis.com/auth/logging.write"
        token = f"token-{self.token_requests}"
        self.tokens = {token}
        return 200, json.dumps({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}).encode()

    def _write(self, authorization: str, body: bytes) -> tuple[int, bytes]:
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return status("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if len(body) > REQUEST_BYTES:
            return status("INVALID_ARGUMENT", f"Request payload size exceeds the limit: {REQUEST_BYTES} bytes.")
        request = WriteLogEntriesRequest.pb(WriteLogEntriesRequest())
        try:
            json_format.Parse(_checked(body), request)
            request = type(request).FromString(request.SerializeToString())  # nesting is limited in binary
        except (json_format.ParseError, DecodeError, ValueError, RecursionError) as error:
            return status("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}"[:300])
        return self._take(request)

    def _take(self, request: Any) -> tuple[int, bytes]:  # noqa: ANN401 - a class made from a descriptor
        if not request.entries:
            return status("INVALID_ARGUMENT", "No entries")
        faults: dict[int, tuple[str, str]] = {}
        good: list[tuple[tuple[str, str, str], Any]] = []
        for index, entry in enumerate(request.entries):
            filled = _filled(request, entry)
            fault = self._fault(filled)
            if fault is not None:
                faults[index] = fault
            else:
                stamp = filled.timestamp.ToJsonString()
                good.append(((filled.log_name.split("/")[1], stamp, filled.insert_id), filled))
        if faults and not request.partial_success:
            return status(*next(iter(faults.values())))
        if not request.dry_run:
            self.stored.update(good)
        if not faults:
            return 200, b"{}"
        code, message = next(iter(faults.values()))
        if not good:  # "Failed requests for which no entries are written will not include per-entry errors"
            return status(code, message)
        errors = WriteLogEntriesPartialErrors.pb(WriteLogEntriesPartialErrors())
        for index, (code, message) in faults.items():
            errors.log_entry_errors[index].code = code_pb2.Code.Value(code)
            errors.log_entry_errors[index].message = message
        return status(code, message, [errors])

    def _fault(self, entry: Any) -> tuple[str, str] | None:  # noqa: ANN401 - as above
        projects, project, logs, log = [*entry.log_name.split("/"), "", "", "", ""][:4]
        size = entry.ByteSize()
        message = ""
        if (projects, logs) != ("projects", "logs") or not log or entry.log_name.count("/") != 3:
            message = "Log name is not of the form projects/[PROJECT_ID]/logs/[LOG_ID]"
        elif project not in self.projects:
            return "PERMISSION_DENIED", "Permission 'logging.logEntries.create' denied on resource."
        elif not entry.resource.type:
            message = "Resource type is required"
        elif len(entry.labels) > LABELS:
            message = f"Log entry has more than {LABELS} labels"
        elif size > ENTRY_BYTES:
            message = f"Log entry with size {size / 1024:.1f}K exceeds maximum size of 256.0K"
        elif entry.timestamp.ToDatetime(UTC) > datetime.now(UTC) + FUTURE:
            message = "Log entry timestamp is more than 1 day in the future"
        return ("INVALID_ARGUMENT", message) if message else None


def _checked(body: bytes) -> str:
    """Refuse a number beyond a double's range, as protobuf's JSON parser in C++ does; Python's would take infinity."""

    def finite(text: str) -> float:
        if float(text) in (float("inf"), float("-inf")):
            raise ValueError(f"number out of range: {text}")
        return float(text)

    text = body.decode()
    json.loads(text, parse_float=finite)
    return text


def _filled(request: Any, entry: Any) -> Any:  # noqa: ANN401 - as above
    """Return an entry with the request's defaults: "copied into those log entries that do not include values"."""
    filled = type(entry)()
    filled.CopyFrom(entry)
    filled.log_name = entry.log_name or request.log_name
    if not entry.resource.type:
        filled.resource.CopyFrom(request.resource)
    for key, value in request.labels.items():
        if key not in filled.labels:
            filled.labels[key] = value
    for key, value in list(filled.labels.items()):
        if len(key.encode()) > LABEL_KEY_BYTES or len(value.encode()) > LABEL_VALUE_BYTES:
            del filled.labels[key]
            cut = key.encode()[:LABEL_KEY_BYTES].decode("utf-8", "ignore")
            filled.labels[cut] = value.encode()[:LABEL_VALUE_BYTES].decode("utf-8", "ignore")
    if not entry.HasField("timestamp"):
        filled.timestamp.GetCurrentTime()
    filled.insert_id = entry.insert_id or "server-made"
    return filled
