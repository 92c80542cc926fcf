from __future__ import annotations

import pytest

from standpipe.sink_keys.kafka import MAY_NOT, problems

GOOD: dict[str, object] = {"brokers": ("a:9092",), "topic": "audit", "transport": "tls", "sasl": "none"}
LOGIN: dict[str, object] = {"sasl": "SCRAM-SHA-512", "username": "vault", "password": object()}


@pytest.mark.parametrize(
    "more",
    [{}, LOGIN, {"transport": "tcp"}, {**LOGIN, "transport": "tcp"}, {"properties": {"linger.ms": "50"}}],
)
def test_a_good_config_has_no_problems(more: dict[str, object]) -> None:
    """TLS or not, a login or not, and harmless properties are all right."""
    assert [] == problems({**GOOD, **more})


@pytest.mark.parametrize(
    ("more", "option"),
    [
        ({"username": "vault"}, "username"),
        ({"password": object()}, "password"),
        ({"sasl": "PLAIN", "username": "vault"}, "password"),
        ({"sasl": "PLAIN", "password": object()}, "username"),
        ({**LOGIN, "sasl": "PLAIN", "transport": "tcp"}, "sasl"),
        ({"transport": "tcp", "tls.ca": "/ca"}, "tls.ca"),
        ({"tls.key": "/key"}, "tls.key"),
    ],
)
def test_options_that_do_not_go_together_are_told(more: dict[str, object], option: str) -> None:
    """Half a login, a password in the clear and TLS files without TLS are each named."""
    assert [option] == [name for name, _, _ in problems({**GOOD, **more})]


@pytest.mark.parametrize("name", [*MAY_NOT, "ssl.key.password", "sasl.oauthbearer.client.secret", "ssl.key.pem"])
def test_properties_cannot_break_the_promise_or_hold_a_secret(name: str) -> None:
    """Each setting that would is refused by name."""
    ((option, message, _),) = problems({**GOOD, "properties": {name: "x"}})
    assert ("properties", True) == (option, name in message)
