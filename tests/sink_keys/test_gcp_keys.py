from __future__ import annotations

import pytest

from standpipe.sink_keys.gcp import problems


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"auth": "none"}, "auth"),
        ({"endpoint": "http://logging.example.com"}, "endpoint"),
        ({"endpoint": "http://localhost.example.com"}, "endpoint"),
        ({"endpoint": "https://logging.googleapis.com/v2"}, "endpoint"),
        ({"endpoint": "ftp://localhost"}, "endpoint"),
        ({"log": "a b"}, "log"),
        ({"project": "projects/x"}, "project"),
        ({"tls.key": "k"}, "tls.key"),
    ],
)
def test_options_that_contradict(options: dict[str, object], name: str) -> None:
    """Records and tokens never go unprotected over a network, and a wrong name is found at the start."""
    assert [name] == [found for found, _, _ in problems(options)]


@pytest.mark.parametrize("endpoint", ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "http://127.9.9.9"])
def test_loopback_may_do_without(endpoint: str) -> None:
    """Tests have a server there, without TLS and tokens."""
    assert [] == problems({"endpoint": endpoint, "auth": "none"})
