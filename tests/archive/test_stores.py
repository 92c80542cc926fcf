"""Archives in other people's stores than S3, opened with the credentials of the environment."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from standpipe.archive.location import ArchiveOptions
from standpipe.archive.reading import open_archive
from standpipe.errors import ArchiveError
from tests.archive.archived import SEGMENT_BYTES, archive_all, make_sealed
from tests.sinks.objects_peer import AZURE_ACCOUNT, AZURE_KEY, AzurePeer, GcsPeer, Peer

if TYPE_CHECKING:
    from pathlib import Path


def assert_reads_back(tmp_path: Path, peer: Peer, options: ArchiveOptions) -> None:
    """Archive a journal, and read as many bytes of it as were sealed; a stranger's object is seen."""
    archive_all(make_sealed(tmp_path / "n-1", "n-1"), peer.config())
    peer.store().put("long/term/notes.txt", b"hello")
    archive = open_archive(peer.url, options)
    listing = archive.list()
    (node,) = archive.nodes_of(listing)
    assert listing.foreign == ("notes.txt",)
    blocks = [block for segment in node.segments() for block in node.blocks(segment)]
    assert sum(map(len, blocks)) == 3 * SEGMENT_BYTES
    assert {segment.problem for segment in node.segments()} == {""}


def test_azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azurite verifies the signature of each request."""
    peer = AzurePeer(tmp_path)
    try:
        peer.make_bucket()
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY)
        assert_reads_back(tmp_path, peer, ArchiveOptions(endpoint=peer.endpoint, account_name=AZURE_ACCOUNT))
    finally:
        peer.stop()


def test_google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fake-gcs-server looks at no credentials."""
    peer = GcsPeer(tmp_path)
    try:
        peer.make_bucket()
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", peer.account())
        assert_reads_back(tmp_path, peer, ArchiveOptions(endpoint=peer.endpoint))
    finally:
        peer.stop()


class Tired(ThreadingHTTPServer):
    """An S3 that answers 503 to its first requests, and then that it is empty."""

    daemon_threads = True

    def __init__(self, refusals: int) -> None:
        super().__init__(("127.0.0.1", 0), TiredHandler)
        self.refusals = refusals


class TiredHandler(BaseHTTPRequestHandler):
    """One request; see Tired."""

    server: Tired

    def do_GET(self) -> None:
        """Refuse, or list nothing."""
        self.server.refusals -= 1
        body = b"<ListBucketResult/>"
        self.send_response(503 if self.server.refusals >= 0 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("refusals", "heard"), [(2, True), (1000, False)])
def test_a_store_that_is_busy_is_asked_again(monkeypatch: pytest.MonkeyPatch, refusals: int, *, heard: bool) -> None:
    """One answer of 503 among thousands is no verdict; nothing else than 503 is told in the end."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    server = Tired(refusals)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        archive = open_archive("s3://b", ArchiveOptions(endpoint=f"http://127.0.0.1:{server.server_port}"))
        if heard:
            assert archive.list().nodes == ()
        else:
            with pytest.raises(ArchiveError, match="HTTP 503"):
                archive.list()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
