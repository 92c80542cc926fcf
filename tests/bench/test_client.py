from __future__ import annotations

import pytest

from bench.client import is_whole


def test_an_answer_is_whole_when_its_body_has_come() -> None:
    """The length in the header says where it ends."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    assert [False] * (len(answer) - 1) == [is_whole(answer[:end]) for end in range(1, len(answer))]
    assert is_whole(answer)


def test_an_answer_without_a_body() -> None:
    """204 has no length."""
    assert is_whole(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_a_refused_request_ends_the_measurement() -> None:
    """Errors are quick; they must not pass for good latency."""
    with pytest.raises(RuntimeError, match="403"):
        is_whole(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
