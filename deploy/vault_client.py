"""A dummy Vault client for deploy/pod.yaml: logs in, writes, reads, lists and is denied, once a second, for ever.

Standard library only, so that it runs in the server's image. Each round makes six requests: a login, and five under
the token that it gives. The audit log shows two records, request and response, for each of them. Stops at SIGTERM.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import sys
import threading
import urllib.error
import urllib.request
from typing import Any

REQUEST_TIMEOUT_SECONDS = 10.0
START_PATIENCE_SECONDS = 60.0  # the server starts beside us
USER = "demo"
PASSWORD = "a-demonstration-is-no-secret"  # noqa: S105  # of a user in a server that lives in memory
POLICY = """
path "secret/*"              { capabilities = ["create", "update", "read", "list"] }
path "secret/data/forbidden" { capabilities = ["deny"] }
"""

OK, NO_CONTENT, FORBIDDEN = 200, 204, 403


class Client:
    """One token on one server."""

    def __init__(self, address: str, token: str = "") -> None:
        self.address = address
        self.token = token

    def call(self, method: str, path: str, body: object = None, *, expect: int = OK) -> dict[str, Any]:
        """Make one request and return its answer; RuntimeError for another status than expected."""
        request = urllib.request.Request(f"{self.address}/v1/{path}", method=method)  # noqa: S310  # http, by its flag
        if self.token:
            request.add_header("X-Vault-Token", self.token)
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=REQUEST_TIMEOUT_SECONDS) as response:  # noqa: S310
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        if status != expect:
            raise RuntimeError(f"{method} {path}: expected {expect}, got {status}: {content.decode(errors='replace')}")
        answer: dict[str, Any] = json.loads(content) if content else {}
        return answer


def wait_for_server(client: Client, stop: threading.Event) -> None:
    """Return once the server answers; the last error after a minute."""
    for attempt in itertools.count(1):
        try:
            client.call("GET", "sys/health")
        except (OSError, RuntimeError):
            if attempt >= START_PATIENCE_SECONDS or stop.wait(1):
                raise
        else:
            return


def prepare(root: Client) -> None:
    """Make the user and its policy; harmless when they are there already."""
    if "userpass/" not in root.call("GET", "sys/auth"):
        root.call("POST", "sys/auth/userpass", {"type": "userpass"}, expect=NO_CONTENT)
    root.call("PUT", f"sys/policies/acl/{USER}", {"policy": POLICY}, expect=NO_CONTENT)
    user = {"password": PASSWORD, "token_policies": [USER], "token_ttl": "5m"}
    root.call("PUT", f"auth/userpass/users/{USER}", user, expect=NO_CONTENT)


def make_round(address: str, number: int) -> None:
    """Make one round of requests."""
    login = Client(address).call("POST", f"auth/userpass/login/{USER}", {"password": PASSWORD})
    client = Client(address, login["auth"]["client_token"])
    client.call("POST", f"secret/data/round-{number % 10}", {"data": {"number": number}})
    client.call("GET", f"secret/data/round-{number % 10}")
    client.call("LIST", "secret/metadata/")
    client.call("GET", "secret/data/forbidden", expect=FORBIDDEN)
    client.call("POST", "auth/token/revoke-self", expect=NO_CONTENT)


def main() -> int:
    """Make rounds until SIGTERM, or as many as asked for."""
    parser = argparse.ArgumentParser(description="Make requests of every kind to a demonstration server.")
    parser.add_argument("--address", default=os.environ.get("BAO_ADDR", "http://127.0.0.1:8200"))
    parser.add_argument("--rounds", type=int, default=0, help="0 means no end (the default)")
    parser.add_argument("--pause", type=float, default=1.0, metavar="SECONDS", help="between two rounds (default 1)")
    options = parser.parse_args()
    root_token = os.environ.get("BAO_DEV_ROOT_TOKEN_ID")
    if not root_token:
        parser.error("set BAO_DEV_ROOT_TOKEN_ID to the demonstration server's root token")

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    root = Client(options.address, root_token)
    wait_for_server(root, stop)
    prepare(root)
    for number in itertools.count(1):
        make_round(options.address, number)
        print(f"vault-client: round {number} done", flush=True)
        if number == options.rounds or stop.wait(options.pause):
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
