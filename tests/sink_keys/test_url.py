from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.sink_keys.url import Url, header_problem, parse_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://logs.example", Url("https", "logs.example", 443, "/", "")),
        ("HTTP://127.0.0.1:8080/in/x?y=1", Url("http", "127.0.0.1", 8080, "/in/x", "?y=1")),
        ("https://[::1]:9/", Url("https", "::1", 9, "/", "")),
        ("http://my_service.ns.svc?a=b/c", Url("http", "my_service.ns.svc", 80, "/", "?a=b/c")),
    ],
)
def test_a_url_comes_apart(text: str, expected: Url) -> None:
    """Scheme, host, port, path and query are found, with the defaults filled in."""
    assert expected == parse_url(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("ftp://host/", "http"),
        ("host:8080/", "http"),
        ("https://", "host"),
        ("https://user:s3cret@host/", "user"),
        ("https://host/#s3cret", "fragment"),
        ("https://host:0/", "port"),
        ("https://host:99999/", "port"),
        ("https://host/a b", "space"),
        ("https://host/\r\nX: s3cret", "space"),
        ("https://höst/", "ASCII"),
        ("https://a..b/", "host"),
        (f"https://{'a' * 64}.example/", "host"),
        ("https://host\\@other/", "user"),
    ],
)
def test_what_cannot_be_sent_to_is_told_without_showing_it(text: str, reason: str) -> None:
    """The reason is given, and what may be a token is not repeated."""
    told = parse_url(text)
    assert isinstance(told, str)
    assert reason in told
    assert "s3cret" not in told


def test_for_messages_there_is_the_server_alone() -> None:
    """Path and query may hold a token, so messages name scheme, host and port."""
    url = parse_url("https://[::1]/in/s3cret?token=s3cret")
    assert isinstance(url, Url)
    assert url.server == "https://[::1]:443"


@given(st.text())
def test_any_text_is_a_url_or_not(text: str) -> None:
    """No text raises."""
    assert isinstance(parse_url(text), Url | str)


@given(st.text(), st.text())
def test_a_header_that_passes_is_one_line(name: str, value: str) -> None:
    """Nothing that could begin another header, or end the headers, passes."""
    if not header_problem(name, value):
        line = f"{name}: {value}"
        assert not any(character in line for character in "\r\n\0")
        assert ":" not in name
        assert line.encode("latin-1")


def test_a_refused_header_does_not_show_its_value() -> None:
    """The value may be a secret, so the reason names the header only."""
    assert "s3cret" not in header_problem("X-Token", "s3cret\r\nX-Other: 1")
    assert "X-Token" in header_problem("X-Token", "s3cret\n")
