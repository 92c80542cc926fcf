from __future__ import annotations

import pytest

from standpipe.config_sinks import Secret
from standpipe.sink_keys.http import KEYS, problems

GOOD: dict[str, object] = {
    "url": "https://logs.example/in",
    "token_header": "Authorization",
    "token_scheme": "Bearer",
    "hmac.header": "X-Signature",
    "tls.verify": True,
}
SECRET = Secret(env="TOKEN")


def test_a_plain_set_of_options_has_no_problem() -> None:
    """A URL alone is enough, with or without headers, a token and a signature."""
    assert problems(GOOD) == []
    more = {"token": SECRET, "hmac.key": SECRET, "headers": {"X-Tenant": "audit"}, "tls.cert": "/c", "tls.key": "/k"}
    assert problems(GOOD | more) == []


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"url": "https://user:pw@host/"}, "url"),
        ({"url": "http://host/", "tls.ca": "/ca.pem"}, "tls.ca"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "headers"),
        ({"headers": {"X A": "b"}}, "headers"),
        ({"headers": {"Authorization": "Bearer x"}}, "headers"),
        ({"headers": {"transfer-encoding": "chunked"}}, "headers"),
        ({"token_header": "X Token"}, "token_header"),
        ({"hmac.header": "a:b"}, "hmac.header"),
        ({"token_scheme": "Bearer\n"}, "token_scheme"),
        ({"content_type": "a\nb"}, "content_type"),
        ({"username": "me"}, "username"),
        ({"password": SECRET}, "password"),
        ({"username": "a:b", "password": SECRET}, "username"),
        ({"username": "me", "password": SECRET, "token": SECRET}, "token"),
        ({"tls.key": "/key.pem"}, "tls.key"),
        ({"tls.server_name": ".example"}, "tls.server_name"),
        ({"tls.server_name": "a" * 64}, "tls.server_name"),
    ],
)
def test_what_cannot_work_is_told_with_its_option_and_a_remedy(options: dict[str, object], option: str) -> None:
    """Each mistake is found before anything is sent, and named with the option that holds it."""
    found = problems(GOOD | options)
    assert [option] == [name for name, _, _ in found]
    assert all(message and remedy for _, message, remedy in found)


def test_a_token_in_a_header_of_its_own_goes_with_basic_authentication() -> None:
    """Only two values for one header contradict each other."""
    both = {"username": "me", "password": SECRET, "token": SECRET, "token_header": "X-Api-Key"}
    assert problems(GOOD | both) == []


def test_the_keys_have_names_of_their_own() -> None:
    """No option is declared twice."""
    assert len(KEYS) == len({key.path for key in KEYS})
