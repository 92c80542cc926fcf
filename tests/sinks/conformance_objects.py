"""The objects sink's rows in the conformance suite: a store that speaks S3, one that speaks Azure's, a directory."""

from __future__ import annotations

import io
import json
import os
import ssl
import threading
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from backports import zstd
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from obstore.store import AzureStore, LocalStore, S3Store
from werkzeug.serving import make_server

from standpipe.journal.layout import COMPRESSED_SUFFIX, SEAL_SUFFIX
from standpipe.testing import destination as able
from standpipe.testing.destination import Destination, Kind, Received, Wish
from standpipe.testing.journals import JOURNAL_ID
from tests.sinks.conformance_tools import server_context
from tests.sinks.objects_peer import AZURE_ACCOUNT, AZURE_KEY, BUCKET, REGION, AzurePeer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "long/term/blue/node-1"
WRONG_KEY = AZURE_KEY[::-1]
TIMEOUT = "20s"
S3_SECRET = "hush-nobody-may-see-this-key"  # noqa: S105
NUMBERS = count()


class ObjectsAdapter(Destination):
    """A store as the cases see it; asked directly, without the proxy."""

    def __init__(self, section: dict[str, object], store: obstore.store.ObjectStore, port: int = 0) -> None:
        self._section = section
        self._store = store
        self.port = port
        self._seen: dict[str, list[bytes]] = {}

    def config(self) -> dict[str, object]:
        """See Destination."""
        return {"type": "objects", "cluster": "blue", "timeout": TIMEOUT, **self._section}

    def received(self) -> list[Received]:
        """See Destination; an object that is another one than it was comes once more."""
        for page in obstore.list(self._store, ROOT):
            for meta in page:
                key = str(meta["path"])
                if not key.endswith((SEAL_SUFFIX, COMPRESSED_SUFFIX)):  # the check's probe, or an unfinished file
                    continue
                content = bytes(obstore.get(self._store, key).bytes())
                versions = self._seen.setdefault(key, [])
                if not versions or versions[-1] != content:
                    versions.append(content)
        return [_received(key, content) for key in sorted(self._seen) for content in self._seen[key]]


def _received(key: str, content: bytes) -> Received:
    """Return an object as what its name says that it is."""
    name = key.rpartition("/")[2]
    seal = name.endswith(SEAL_SUFFIX)
    stem = name.removesuffix(SEAL_SUFFIX).removesuffix(COMPRESSED_SUFFIX)
    base, end = (int(digits) for digits in stem.split("-"))
    return Received(
        id=f"{JOURNAL_ID}-{base:020d}{'-seal' if seal else ''}",
        offset=base,
        length=end - base,
        after=None,
        part="",
        payload=key.encode() + b"\n" + content,
        content={"seal": json.loads(content)} if seal else zstd.ZstdFile(io.BytesIO(content)).read(),
        seal=seal,
    )


# S3.


def _make_bucket(port: int, bucket: str, *, tls: bool) -> None:
    """Create it, whatever certificate the server has."""
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    client = HTTPSConnection("127.0.0.1", port, context=blind) if tls else HTTPConnection("127.0.0.1", port)
    body = f"<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
    client.request("PUT", f"/{bucket}", body, {"Content-Type": "application/octet-stream"})
    answer = client.getresponse()
    assert answer.status == 200, answer.read()
    client.close()


@contextmanager
def _open_s3(wish: Wish) -> Iterator[Destination]:
    """Run moto's server in a thread."""
    context = server_context(wish)
    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True, ssl_context=context
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        bucket = f"{BUCKET}-{next(NUMBERS)}"
        scheme = "https" if context else "http"
        there = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": S3_SECRET}
        store = S3Store(
            bucket,
            endpoint=f"{scheme}://127.0.0.1:{server.port}",
            region=REGION,
            access_key_id=there["access_key_id"],
            secret_access_key=there["secret_access_key"],
            client_options={"allow_http": True, "allow_invalid_certificates": True},
        )
        section: dict[str, object] = {
            "url": f"s3://{bucket}/long/term",
            "endpoint": f"{scheme}://localhost:{wish.port}",
            "region": REGION,
        }
        for name, text in there.items():
            path = os.path.join(wish.directory, name)
            Path(path).write_text(text, encoding="ascii")
            section[name] = {"file": path}
        _make_bucket(server.port, bucket, tls=context is not None)
        adapter = ObjectsAdapter(section, store, server.port)
        adapter.secrets = (S3_SECRET,)
        yield adapter
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# Azure.


class AzureAdapter(ObjectsAdapter):
    """Azurite has one account key, so the sink's copy of it is what goes bad and is mended."""

    secrets = (AZURE_KEY, WRONG_KEY)

    def __init__(self, wish: Wish, peer: AzurePeer) -> None:
        self._key_path = os.path.join(wish.directory, "account_key")
        store = AzureStore(
            BUCKET,
            endpoint=peer.endpoint,
            account_name=AZURE_ACCOUNT,
            account_key=AZURE_KEY,
            client_options={"allow_http": True},
        )
        section: dict[str, object] = {
            "url": f"az://{BUCKET}/long/term",
            "endpoint": f"http://127.0.0.1:{wish.port}/{AZURE_ACCOUNT}",
            "account_name": AZURE_ACCOUNT,
            "account_key": {"file": self._key_path},
        }
        self._write(AZURE_KEY)
        super().__init__(section, store, urlsplit(peer.endpoint).port or 0)

    def expire_credentials(self) -> None:
        """See Destination."""
        self._write(WRONG_KEY)

    def renew_credentials(self) -> None:
        """See Destination."""
        self._write(AZURE_KEY)

    def _write(self, key: str) -> None:
        with open(f"{self._key_path}.new", "w", encoding="ascii") as file:
            file.write(f"{key}\n")
        os.replace(f"{self._key_path}.new", self._key_path)


@contextmanager
def _open_azure(wish: Wish) -> Iterator[Destination]:
    peer = AzurePeer(Path(wish.directory))
    try:
        yield AzureAdapter(wish, peer.make_bucket())
    finally:
        peer.stop()


# A directory.


class DirectoryAdapter(ObjectsAdapter):
    """A mounted directory that can go away."""

    def __init__(self, wish: Wish) -> None:
        self._mounted = os.path.join(wish.directory, "mounted")
        os.makedirs(os.path.join(self._mounted, "long", "term"))
        super().__init__({"url": f"file://{self._mounted}/long/term"}, LocalStore(self._mounted))

    def go_away(self) -> None:
        """See Destination."""
        os.rename(self._mounted, f"{self._mounted}.away")

    def come_back(self) -> None:
        """See Destination."""
        os.rename(f"{self._mounted}.away", self._mounted)


@contextmanager
def _open_directory(wish: Wish) -> Iterator[Destination]:
    yield DirectoryAdapter(wish)


S3 = Kind("objects s3", "moto's server", frozenset({able.SEGMENTS, able.NETWORK, able.TLS}), _open_s3)
AZURE = Kind("objects az", "Azurite", frozenset({able.SEGMENTS, able.NETWORK, able.CREDENTIALS}), _open_azure)
DIRECTORY = Kind("objects file", "a directory", frozenset({able.SEGMENTS, able.GOES_AWAY}), _open_directory)
