from __future__ import annotations

import pytest

from standpipe.sink_keys.address import parse_address
from standpipe.sink_keys.syslog import DEFAULT_PORTS, TCP, TLS, problems


@pytest.mark.parametrize(
    ("text", "transport", "expected"),
    [
        ("logs.example.com", TLS, ("logs.example.com", 6514)),
        ("logs.example.com", TCP, ("logs.example.com", 601)),
        ("logs.example.com:10514", TLS, ("logs.example.com", 10514)),
        ("192.0.2.1:1", TCP, ("192.0.2.1", 1)),
        ("[2001:db8::1]", TLS, ("2001:db8::1", 6514)),
        ("[2001:db8::1]:65535", TLS, ("2001:db8::1", 65535)),
    ],
)
def test_an_address_has_a_host_and_the_transports_port_unless_it_names_one(
    text: str, transport: str, expected: tuple[str, int]
) -> None:
    """IPv6 addresses stand in brackets."""
    assert expected == parse_address(text, DEFAULT_PORTS[transport])


@pytest.mark.parametrize(
    "text",
    ["", ":6514", "host:", "host:0", "host:65536", "host:6514x", "2001:db8::1", "[2001:db8::1", "[::1]6514", "a b:1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """The message quotes it or says what is missing."""
    with pytest.raises(ValueError, match=r"."):
        parse_address(text, DEFAULT_PORTS[TLS])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"address": "a:1", "transport": "tls", "app_name": "vault"}, []),
        ({"address": "a:x", "transport": "tls"}, ["address"]),
        ({"address": "a", "transport": "tls", "tls.key": "/k"}, ["tls.key"]),
        ({"address": "a", "transport": "tcp", "tls.ca": "/c"}, ["tls.ca"]),
        ({"address": "a", "transport": "tls", "app_name": "x" * 48, "hostname": "h" * 255}, []),
        ({"address": "a", "transport": "tls", "app_name": "x" * 49, "hostname": "h" * 256}, ["app_name", "hostname"]),
        ({"address": "a", "transport": "tls", "app_name": "two words"}, ["app_name"]),
        ({"address": "a", "transport": "tls", "hostname": "hôte"}, ["hostname"]),
    ],
)
def test_problems_name_the_option(options: dict[str, object], expected: list[str]) -> None:
    """What a header cannot hold and what does not go together is told before anything is sent."""
    assert expected == [name for name, _, _ in problems(options)]
