from __future__ import annotations

from typing import Any

import pytest

from standpipe.analysis.tail_filter import Filter, Wish
from standpipe.analysis.tail_pairs import Exchange
from tests.analysis.tail_records import half

REQUEST = {"path": "secret/data/prod/db", "namespace": {"id": "x", "path": "team/"}, "client_id": "c-77"}


def exchange(**members: Any) -> Exchange:  # noqa: ANN401 - members of a record
    """Return an answered request."""
    return Exchange(half("request", 1, request=REQUEST), half("response", 1, second=1, request=REQUEST, **members))


@pytest.mark.parametrize(
    ("wish", "passes"),
    [
        (Wish(), True),
        (Wish(paths=("secret/*",)), True),
        (Wish(paths=("/secret/",)), True),
        (Wish(paths=("team/secret/data/*",)), True),
        (Wish(paths=("secret/data/prod/d?",)), True),
        (Wish(paths=("secret/data/prod",)), False),
        (Wish(paths=("data/*", "sys/*")), False),
        (Wish(paths=("sys/*", "secret/*")), True),
        (Wish(who=("BOB",)), True),
        (Wish(who=("e12345",)), True),
        (Wish(who=("dev",)), True),
        (Wish(who=("10.0.0.",)), True),
        (Wish(who=("c-77",)), True),
        (Wish(who=("alice",)), False),
        (Wish(operations=("list", "read")), True),
        (Wish(operations=("READ",)), True),
        (Wish(operations=("rea",)), False),
        (Wish(errors=True), False),
        (Wish(since=1772359200 * 10**9), True),
        (Wish(since=1772359200 * 10**9 + 1), False),
        (Wish(paths=("secret/*",), operations=("list",)), False),
    ],
)
def test_a_request_must_pass_each_question(wish: Wish, *, passes: bool) -> None:
    """Any one of a question's answers will do; `since` goes by the request's time, not its response's."""
    assert passes is Filter(wish).wants(exchange())


def test_errors_are_what_failed_or_lacks_a_half() -> None:
    """A denied request, and one without a response, but not one that is waiting, and not a seal."""
    wants = Filter(Wish(errors=True)).wants
    assert wants(exchange(error="permission denied"))
    assert wants(Exchange(half("request", 1), None))
    assert wants(Exchange(None, half("response", 1)))
    assert not wants(Exchange(half("request", 1), None, waits=True))
    assert not wants(Exchange(half("request", 1, request={"path": "sys/seal"}), None))
