from __future__ import annotations

import pytest

from standpipe.sinks.wording import WORDS_CHARACTERS_MAX, one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("as it is", "as it is"),
        ("two\r\nlines", "two lines"),
        ("\x1b[2Jred\x07 \x9b31m", "[2Jred 31m"),
        ("a\u2028b\u202ec\u200bd", "a b c d"),
    ],
)
def test_nothing_drives_a_terminal_or_begins_a_line(text: str, expected: str) -> None:
    """Control characters, other line separators and invisible marks become spaces, and spaces are folded."""
    assert expected == one_line(text)


def test_what_is_long_is_cut() -> None:
    """The end shows that something was left out."""
    assert "x" * WORDS_CHARACTERS_MAX == one_line("x" * WORDS_CHARACTERS_MAX)
    assert "x" * (WORDS_CHARACTERS_MAX - 1) + "…" == one_line("x" * (WORDS_CHARACTERS_MAX + 1))
