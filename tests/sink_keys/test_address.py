from __future__ import annotations

import pytest

from standpipe.sink_keys.address import address_text, is_loopback, parse_address


@pytest.mark.parametrize("text", ["host:1", "192.0.2.1:65535", "[2001:db8::1]:80"])
def test_an_address_is_written_as_it_was_given(text: str) -> None:
    """An IPv6 address stands in brackets."""
    assert text == address_text(*parse_address(text, 9))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(("localhost", True), ("LocalHost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True)),
        *(("localhost.example.com", False), ("127.example.com", False), ("10.0.0.1", False), ("", False)),
    ],
)
def test_loopback(host: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """A name that only begins like one of this machine is another machine's."""
    assert expected == is_loopback(host)
