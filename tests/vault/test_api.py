from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import ServerError
from standpipe.vault.api import open_api
from tests.e2e.openbao import LOOPBACK, ROOT_TOKEN, Client, bao_path, free_port, running_openbao
from tests.sinks.certificates import make_certificates

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "s.never-shown"  # noqa: S105 - of no server


def hash_of(address: str, device: str = "test/", **variables: str) -> str:
    """Ask a server for a hash."""
    api = open_api({"VAULT_ADDR": address, "VAULT_TOKEN": TOKEN, **variables})
    try:
        return api.audit_hash(device, "value")
    finally:
        api.close()


def test_a_real_server_hashes_as_its_log_does(tmp_path: Path) -> None:
    """The hash is the one in the log; an unknown device, a bad token and a stopped server each have their remedy."""
    log = tmp_path / "audit.log"
    with running_openbao(tmp_path, bao=bao_path(), audit_path=log) as bao:
        address = f"http://{LOOPBACK}:{bao.port}"
        home = tmp_path / "of-a-person"
        home.mkdir()
        (home / ".vault-token").write_text(f"{ROOT_TOKEN}\n")
        api = open_api({"BAO_ADDR": address, "HOME": str(home)})
        found = api.audit_hash("test", "a secret value")
        api.close()
        client = Client(bao.port)
        client.exchange("POST", "secret/data/x", {"data": {"a": "a secret value"}}, ROOT_TOKEN)
        client.close()
        paths = [json.loads(line)["request"]["path"] for line in log.read_text().splitlines() if found in line]
        assert ["sys/audit-hash/test", "sys/audit-hash/test", "secret/data/x", "secret/data/x"] == paths
        with pytest.raises(ServerError, match=r"HTTP 400; unknown audit backend.*--device"):
            hash_of(address, "nope/", VAULT_TOKEN=ROOT_TOKEN)
        with pytest.raises(ServerError, match=r"HTTP 403; permission denied.*capabilities") as caught:
            hash_of(address)
        assert TOKEN not in str(caught.value)


def test_nobody_there_is_said() -> None:
    """A port that nobody listens on is a ServerError with a remedy."""
    with pytest.raises(ServerError, match=r"cannot be asked: .*VAULT_ADDR"):
        hash_of(f"http://{LOOPBACK}:{free_port()}")


class _Answer(BaseHTTPRequestHandler):
    """Answers as the server attribute `answer` says, and counts."""

    server: _Server

    def do_POST(self) -> None:
        """Answer."""
        self.server.asked.append(dict(self.headers))
        status, headers, body = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(HTTPServer):
    answer: tuple[int, dict[str, str], bytes] = (200, {}, b'{"data":{"hash":"hmac-sha256:0"}}')
    asked: list[dict[str, str]]


def serve(context: ssl.SSLContext | None = None) -> Iterator[_Server]:
    """Run a server in a thread."""
    server = _Server((LOOPBACK, 0), _Answer)
    server.asked = []
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(name="server")
def _server() -> Iterator[_Server]:
    yield from serve()


def test_the_namespace_goes_along(server: _Server) -> None:
    """Token and namespace are headers; Vault's answer and OpenBao's without `data` are both read."""
    address = f"http://{LOOPBACK}:{server.server_port}"
    assert "hmac-sha256:0" == hash_of(address, VAULT_NAMESPACE="team/")
    asked = server.asked[0]
    assert (TOKEN, "team/") == (asked["X-Vault-Token"], asked["X-Vault-Namespace"])
    server.answer = (200, {}, b'{"hash":"hmac-sha256:1"}')
    assert "hmac-sha256:1" == hash_of(address)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (307, b"", "HTTP 307"),
        (503, b'{"errors":["Vault is sealed"]}', "Vault is sealed.*Unseal"),
        (200, b"<html>a proxy</html>", "HTTP 200"),
        (200, b'{"data":{"hash":"md5:1"}}', "HTTP 200"),
    ],
)
def test_other_answers_are_refused(server: _Server, status: int, body: bytes, words: str) -> None:
    """A sealed server, a proxy's page, and a redirect, which the token does not follow."""
    server.answer = (status, {"Location": f"http://{LOOPBACK}:{server.server_port}/other"}, body)
    with pytest.raises(ServerError, match=words):
        hash_of(f"http://{LOOPBACK}:{server.server_port}")
    assert 1 == len(server.asked)


def test_a_server_without_tls_is_said(server: _Server) -> None:
    """https:// to a server of plain HTTP has nothing to do with trust."""
    with pytest.raises(ServerError, match=r"does not speak TLS.*http://"):
        hash_of(f"https://{LOOPBACK}:{server.server_port}")
    assert [] == server.asked


def test_a_certificate_is_verified(tmp_path: Path) -> None:
    """Only the authority that was named is trusted, and no token goes to another."""
    certificates = make_certificates(tmp_path)
    for server in serve(certificates.server_context(certificates.server)):
        address = f"https://localhost:{server.server_port}"
        with pytest.raises(ServerError, match="VAULT_CACERT"):
            hash_of(address)
        assert [] == server.asked
        assert "hmac-sha256:0" == hash_of(address, VAULT_CACERT=certificates.ca)
        with pytest.raises(ServerError, match="cannot be read"):
            hash_of(address, VAULT_CACERT=str(tmp_path / "missing.pem"))
