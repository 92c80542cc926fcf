"""What is wrong with a config: one problem, all of them as one error, and values made safe to show. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SHOWN_CHARACTERS = 60  # of a value or name: enough to recognise it, short enough for one line
MAX_SHOWN_BITS = 128  # of a whole number; Python refuses to print very long ones

SECRET_NAME = re.compile(r"token|secret|passw|credential|auth|key|dsn|cookie|private", re.IGNORECASE)
SECRET_VALUE = re.compile(r"://[^/\s]*@")  # an address with a user and a password in it
PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
KIND_NAMES = {dict: "a map", list: "a list", tuple: "a list", set: "a list", type(None): "nothing"}  # may be huge
NOT_SHOWN = "the value (not shown)"


def quote(text: str) -> str:
    """Return text in double quotes on one line: shortened, and with control characters made visible."""
    shown = repr(text[:MAX_SHOWN_CHARACTERS])[1:-1]
    return f'"{shown}{"…" if len(text) > MAX_SHOWN_CHARACTERS else ""}"'


def show_value(name: str, value: object) -> str:
    """Return how a message names a value; never its content where the key's name or the value looks secret."""
    if not isinstance(value, str | int | float):
        return KIND_NAMES.get(type(value), f"a {type(value).__name__}")
    if SECRET_NAME.search(name) or (isinstance(value, str) and SECRET_VALUE.search(value)):
        return NOT_SHOWN
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int) and value.bit_length() > MAX_SHOWN_BITS:
        return "a very large number"
    return str(value).lower() if isinstance(value, bool) else str(value)


def show_name(name: object) -> str:
    """Return one step of a path: plain where it is plain, else quoted."""
    if isinstance(name, str):
        return name if PLAIN_NAME.fullmatch(name) else quote(name)
    return show_value("", name)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    ``path`` and ``value`` are already safe to show; ``value`` is empty where the value does not matter.
    """

    path: str
    value: str
    message: str
    remedy: str

    def __str__(self) -> str:
        """Return ``path: value message. remedy`` on one line."""
        subject = f"{self.value} " if self.value else ""
        return f"{self.path}: {subject}{self.message}. {self.remedy}{'' if self.remedy.endswith('?') else '.'}"


class ConfigError(UsageError):
    """The config cannot be used. ``problems`` holds everything that is wrong with it, not just the first."""

    def __init__(self, problems: Sequence[Problem], where: str = "") -> None:
        """Make the message: one line a problem, each with the file's name in front where there is a file."""
        self.problems = tuple(problems)
        self.where = where
        start = f"{show_file(where)}: " if where else ""
        super().__init__("\n".join(f"{start}{problem}" for problem in self.problems))


def show_file(path: str) -> str:
    """Return a file's name with control characters made visible."""
    return repr(path)[1:-1]
