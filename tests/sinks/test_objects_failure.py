from __future__ import annotations

import pytest

from standpipe.sinks.objects_failure import failure
from standpipe.sinks.wording import WORDS_CHARACTERS_MAX

ANSWER = "Generic S3 error: Error performing PUT https://s/archive/k in 3ms - Server returned non-2xx status code: "


def s3(status: str, code: str) -> Exception:
    """Return what obstore raises for an answer of S3."""
    return RuntimeError(f"{ANSWER}{status}: <Error><Code>{code}</Code><Message>m</Message></Error>\n\nDebug source:\nx")


def cause(debug: str) -> Exception:
    """Return what obstore raises where there was no answer."""
    head = "Generic S3 error: Error performing PUT https://s/archive/k in 3ms - HTTP error: error sending request"
    return RuntimeError(f"{head}\n\nDebug source:\n{debug}")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("503 Service Unavailable", "SlowDown"),
        ("500 Internal Server Error", "InternalError"),
        ("429 Too Many Requests", "ServerBusy"),
        ("409 Conflict", "ConditionalRequestConflict"),
        ("400 Bad Request", "RequestTimeout"),
    ],
)
def test_what_may_pass_is_tried_again_soon(status: str, code: str) -> None:
    """A store that is overloaded or broken is nobody's configuration."""
    retry = failure(s3(status, code), "k cannot be created")
    assert not retry.config_fault
    assert retry.why == f"k cannot be created: HTTP {status[:3]} {code}"


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ("403 Forbidden", "AccessDenied", "let these credentials"),
        ("403 Forbidden", "RequestTimeTooSkewed", "clock"),
        ("401 Unauthorized", "InvalidToken", "let these credentials"),
        ("404 Not Found", "NoSuchBucket", "create it"),
        ("400 Bad Request", "ExpiredToken", "ExpiredToken"),
        ("301 Moved Permanently", "PermanentRedirect", "PermanentRedirect"),
    ],
)
def test_what_only_a_person_can_mend_is_a_fault_of_the_configuration(status: str, code: str, said: str) -> None:
    """The sentence says what to do where that is known."""
    retry = failure(s3(status, code), "k cannot be created")
    assert retry.config_fault
    assert said in retry.why


@pytest.mark.parametrize(
    ("debug", "said", "lasting"),
    [
        ("error: InvalidCertificate(\n   UnknownIssuer,\n)", "UnknownIssuer", True),
        ("kind: Builder, source: BadScheme", "http://", True),
        ("kind: Timeout, source: TimedOut", "no answer", False),
        ('message: "Connection refused"', "connection refused", False),
        ('"dns error"', "cannot be resolved", False),
        ("something new", "error sending request", False),
    ],
)
def test_without_an_answer_the_chain_of_causes_tells(debug: str, said: str, *, lasting: bool) -> None:
    """What nobody foresaw is taken for something that may pass."""
    retry = failure(cause(debug), "k cannot be created")
    assert lasting == retry.config_fault
    assert said in retry.why


def test_missing_credentials_are_told_as_such() -> None:
    """A failure to reach the instance's credential service means that there are none."""
    error = RuntimeError(
        "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1s - timeout"
    )
    retry = failure(error, "k cannot be created")
    assert retry.config_fault
    assert "no credentials could be had" in retry.why


def test_options_that_obstore_refuses_are_a_fault_of_the_configuration() -> None:
    """It raises ValueError for them."""
    assert failure(ValueError("No certificates found"), "k cannot be created").config_fault


def test_a_page_of_html_is_cut_and_stays_on_one_line() -> None:
    """The sentence goes to status and the log."""
    error = RuntimeError(f"{ANSWER}418 I'm a teapot: <html>\n" + "line\n" * 10_000)
    why = failure(error, "k").why
    assert "\n" not in why
    assert len(why) <= 2 * WORDS_CHARACTERS_MAX
