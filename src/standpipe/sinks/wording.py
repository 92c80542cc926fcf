"""Words of a destination in a message of ours: one line, printable, and no longer than a person reads. Pure.

Whatever a server says may end up on a terminal or in a log: it must not drive the one, nor forge a line of the other.
"""

from __future__ import annotations

WORDS_CHARACTERS_MAX = 200  # of a destination's own words in a message


def one_line(text: str, characters_max: int = WORDS_CHARACTERS_MAX) -> str:
    """Return a text on one line, with what is not printable as a space; a longer one is cut, and ends with ``…``."""
    text = text[: 8 * characters_max]  # the rest is not looked at, and this much may be white space
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= characters_max else line[: characters_max - 1] + "…"
