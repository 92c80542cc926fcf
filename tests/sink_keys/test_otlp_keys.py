from __future__ import annotations

import pytest

from standpipe.sink_keys.otlp import problems

GOOD: dict[str, object] = {"endpoint": "https://collector:4318", "headers": {"X-Scope-OrgID": "a"}}


@pytest.mark.parametrize("more", [{}, {"endpoint": "http://localhost:4318/prefix"}, {"token": object()}])
def test_a_good_config_has_no_problems(more: dict[str, object]) -> None:
    """An endpoint with or without TLS or path, and a secret, are all right."""
    assert [] == problems({**GOOD, **more})


@pytest.mark.parametrize(
    ("more", "option"),
    [
        ({"endpoint": "collector:4318"}, "endpoint"),
        ({"endpoint": "https://collector:4318/v1/logs"}, "endpoint"),
        ({"endpoint": "https://collector:4318/?key=1"}, "endpoint"),
        ({"endpoint": "http://collector:4318", "tls.ca": "/ca"}, "tls.ca"),
        ({"token_header": "not one"}, "token_header"),
        ({"token_scheme": "a\nb"}, "token_scheme"),
        ({"headers": {"X": "a\nb"}}, "headers"),
        ({"headers": {"Content-Type": "text/plain"}}, "headers"),
        ({"headers": {"Authorization": "Bearer x"}}, "headers"),
        ({"tls.key": "/key"}, "tls.key"),
    ],
)
def test_what_cannot_work_or_shows_a_secret_is_told(more: dict[str, object], option: str) -> None:
    """Each is named by its option."""
    assert [option] == [name for name, _, _ in problems({**GOOD, **more})]
