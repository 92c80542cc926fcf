from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.sinks.base import Delivered, Poison, Retry, Split
from standpipe.sinks.http_answer import MAX_RETRY_AFTER_SECONDS, Response, excerpt, outcome, retry_after_seconds

NOW = datetime(2026, 11, 23, 15, 0, 0, tzinfo=UTC).timestamp()


def answer(status: int, body: bytes = b"", **headers: str) -> Response:
    """Return an answer of a server."""
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, "http://there:80")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_is_delivered(status: int) -> None:
    """Any status of the 2xx class says that the batch is there."""
    assert Delivered() == outcome(answer(status), NOW)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507])
def test_what_may_pass_is_tried_again(status: int) -> None:
    """Overload, a time-out and the server's own failures are nobody's configuration."""
    assert Retry(f"http://there:80 answered {status}") == outcome(answer(status), NOW)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 405, 407, 409, 410, 415, 418, 431])
def test_what_only_a_person_can_mend_is_a_config_fault(status: int) -> None:
    """Credentials, a wrong path and a redirect are told loudly, and no record is given up for them."""
    told = outcome(answer(status), NOW)
    assert isinstance(told, Retry)
    assert told.config_fault


def test_too_large_is_split() -> None:
    """413 asks for smaller batches."""
    assert isinstance(outcome(answer(413), NOW), Split)


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_content_is_poison_but_not_certain(status: int) -> None:
    """A 400 may mean one record or the whole set-up, so it is not taken for certain."""
    assert Poison(f"http://there:80 answered {status} (no such field)") == outcome(
        answer(status, b"no such field"), NOW
    )


@given(st.integers(min_value=200, max_value=599), st.binary(max_size=300), st.text(max_size=50))
def test_no_answer_raises(status: int, body: bytes, text: str) -> None:
    """Whatever a server says, there is an outcome, and its words are one line of printable text."""
    told = outcome(Response(status, {"retry-after": text, "location": text}, body, "http://there:80"), NOW)
    assert getattr(told, "why", "").isprintable()


def test_retry_after_in_seconds() -> None:
    """Retry-After: 7 is seven seconds."""
    assert Retry("http://there:80 answered 429", 7.0) == outcome(answer(429, retry_after="7"), NOW)


def test_retry_after_as_a_date() -> None:
    """Retry-After may be an HTTP date, which is counted from now."""
    date = format_datetime(datetime(2026, 11, 23, 15, 1, 30, tzinfo=UTC), usegmt=True)
    assert Retry("http://there:80 answered 503", 90.0) == outcome(answer(503, retry_after=date), NOW)


@pytest.mark.parametrize("text", ["", "soon", "-3", "1.5", "٣", "Mon, 99 Nov 2026 99:00:00 GMT", "Mon"])
def test_a_retry_after_that_cannot_be_read_is_none(text: str) -> None:
    """Nonsense in Retry-After leaves the waiting time to us."""
    assert retry_after_seconds(text, NOW) is None


@pytest.mark.parametrize("text", ["99999999999999999999", "Sun, 23 Nov 2036 15:00:00 GMT"])
def test_retry_after_has_a_maximum(text: str) -> None:
    """A server that asks for years is asked again after an hour."""
    assert MAX_RETRY_AFTER_SECONDS == retry_after_seconds(text, NOW)


def test_retry_after_in_the_past_is_now() -> None:
    """A date that has passed asks for no waiting."""
    assert retry_after_seconds("Mon, 23 Nov 2020 15:00:00 GMT", NOW) == 0.0


def test_a_redirect_names_its_host_alone() -> None:
    """The path of a redirect's target may hold a token, so the message stops at the host."""
    told = outcome(answer(302, location="https://other.example:8443/in/s3cret?token=s3cret"), NOW)
    assert isinstance(told, Retry)
    assert told.why == (
        "http://there:80 answered 302, a redirect, which is not followed (to https://other.example:8443)"
    )


def test_a_redirect_with_a_user_in_it_is_not_repeated() -> None:
    """Credentials before the host of a redirect's target are left out with the host."""
    told = outcome(answer(302, location="https://user:s3cret@other.example/"), NOW)
    assert isinstance(told, Retry)
    assert "s3cret" not in told.why


def test_the_excerpt_leaves_markup_and_controls_out() -> None:
    """An HTML page and terminal controls become one short line of words."""
    assert excerpt(b"<html><h1>413 Request\r\n Too Large</h1>\x1b[31m</html>") == "413 Request Too Large [31m"
    assert len(excerpt(b"word " * 1000)) == 200
