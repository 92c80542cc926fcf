from __future__ import annotations

import pytest

from standpipe.config_sinks import Secret
from standpipe.sink_keys.address import parse_address
from standpipe.sink_keys.fluent import KEYS, problems

GOOD: dict[str, object] = {"address": "fluentd.example.com:24224", "transport": "tls", "tag": "vault.audit"}
SECRET = Secret(env="NAME")


def test_good_options() -> None:
    """Options that are right together have no problem."""
    assert [] == problems(GOOD)
    users = {"shared_key": SECRET, "username": "bob", "password": SECRET}
    assert [] == problems(GOOD | users)
    assert len(KEYS) == len({key.path for key in KEYS})


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"address": "a:b:c"}, ["address"]),
        ({"address": ""}, ["address"]),
        ({"tag": ""}, ["tag"]),
        ({"transport": "tcp", "tls.ca": "/ca", "tls.server_name": "n"}, ["tls.ca", "tls.server_name"]),
        ({"tls.key": "/key"}, ["tls.key"]),
        ({"shared_key": SECRET, "password": SECRET}, ["password"]),
        ({"shared_key": SECRET, "username": "bob"}, ["username"]),
        ({"username": "bob", "password": SECRET}, ["username"]),
    ],
)
def test_problems(change: dict[str, object], names: list[str]) -> None:
    """What only the options together show is told by the option's name, with a remedy."""
    found = problems(GOOD | change)
    assert names == [name for name, _, _ in found]
    assert all(message and remedy for _, message, remedy in found)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("host", "host", 24224),
        ("host:1", "host", 1),
        ("10.0.0.1:65535", "10.0.0.1", 65535),
        ("[::1]", "::1", 24224),
        ("[fe80::1]:99", "fe80::1", 99),
    ],
)
def test_address(text: str, host: str, port: int) -> None:
    """Host and port are read; a port that is not given is the default."""
    assert (host, port) == parse_address(text, 24224)


@pytest.mark.parametrize(
    "text",
    ["", ":1", "host:", "host:0", "host:65536", "host:-1", "host:٣", "::1", "[::1", "[::1]x", "a b", "tcp://h:1"],
)
def test_no_address(text: str) -> None:
    """What is no address is refused with a sentence that shows it."""
    with pytest.raises(ValueError, match=r"names no host|no port|brackets"):
        parse_address(text, 24224)
