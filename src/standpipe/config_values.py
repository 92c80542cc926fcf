"""What single values of the config must be, by the kind of their key: parsed, or what is wrong with them. Pure."""

from __future__ import annotations

import re

from standpipe.config_keys import SINK, Key, Kind, Table
from standpipe.config_problem import SECRET_VALUE
from standpipe.config_sinks import Secret
from standpipe.units import parse_duration, parse_size

# What a wrong value should have been, and the remedy.
WANTED: dict[Kind, tuple[str, str]] = {
    Kind.TEXT: ("text", "Put it in quotes"),
    Kind.PATH: ("a path", "Put it in quotes"),
    Kind.SIZE: ("a size", "Write a number and B, KiB, MiB, GiB or TiB, such as 64MiB"),
    Kind.DURATION: ("a time", "Write a number and ms, s, m, h or d, such as 20s"),
    Kind.LABELS: ("a map of labels", 'Write {label: "value"}'),
    Kind.BOOLEAN: ("true or false", "Write true or false"),
    Kind.INTEGER: ("a whole number", "Write digits alone, without quotes"),
    Kind.TEXTS: ("a list of texts", 'Write ["one", "two"]'),
    Kind.SECRET: ("a place of a secret", "Write {file: PATH} or {env: NAME}"),
}
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # POSIX: portable names of environment variables


def one_of(choices: tuple[str, ...]) -> str:
    """Return ``a, b or c``."""
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))


def wanted(key: Key) -> tuple[str, str]:
    """Return what the key's value should be, and the remedy where it is not."""
    if key.kind is Kind.CHOICE:
        return one_of(key.choices), "Use one of these" if len(key.choices) > 1 else f"Use {key.choices[0]}"
    return WANTED[key.kind]


def parse_number(kind: Kind, value: object) -> float | None:
    """Return bytes, seconds or a whole number, or None where the value is not what the kind wants.

    Sizes and times are texts in which a unit must be written, though flags need none: YAML reads a bare 010 as 8 and
    1:30 as 90.
    """
    if kind is Kind.INTEGER:
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if not isinstance(value, str) or not value[-1:].isalpha():
        return None
    try:
        return parse_size(value) if kind is Kind.SIZE else parse_duration(value)
    except ValueError:
        return None


def written_number(kind: Kind, text: str) -> float | None:
    """Return the number of a default or bound of the table of keys, None where it is empty."""
    if not text:
        return None
    return int(text) if kind is Kind.INTEGER else parse_number(kind, text)


def text_problem(key: Key, text: str) -> tuple[str, str] | None:
    """Return message and remedy of a text that cannot be used, or None."""
    if key.choices:
        return None if text in key.choices else (f"is not {one_of(key.choices)}", "Use one of these")
    if not is_encodable(text):
        return "holds half a character (a lone surrogate)", "Write the whole character"
    if key.kind is Kind.PATH and not text:
        return "is empty", "Give a path, or delete the line"
    if key.kind is Kind.PATH and "\0" in text:
        return "holds a NUL, which no path can", "Give a path"
    if key.kind is not Kind.PATH and "\n" in text:
        return "holds a line break", "Write it on one line"
    return None


def address_problem(text: str, table: Table) -> tuple[str, str] | None:
    """Return message and remedy of an address with user or password in it, or None. table: has the keys for secrets."""
    if not SECRET_VALUE.search(text):
        return None
    secrets = tuple(key.path.removeprefix(f"{SINK}.") for key in table.keys.values() if key.kind is Kind.SECRET)
    remedy = f"Delete them there, and use {one_of(secrets)}" if secrets else "Delete them there"
    return "is an address with a user or a password in it", remedy


def is_encodable(text: str) -> bool:
    """Tell whether a text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_secret(value: object) -> Secret | tuple[str, str]:
    """Return where a secret is, or message and remedy of what stands there instead. Neither shows any of it."""
    remedy = WANTED[Kind.SECRET][1]
    if not isinstance(value, dict):
        return "is the secret itself", f"Put it into a file or an environment variable. {remedy}"
    if set(value) not in ({"file"}, {"env"}):
        return "does not name one file or one environment variable", remedy
    (name, place), *_ = value.items()
    if not isinstance(place, str) or not is_encodable(place) or not place or "\0" in place:
        return f"names no {name}", remedy
    if name == "env" and not ENV_NAME.fullmatch(place):
        return "names no environment variable: they have letters, digits and _ only", remedy
    return Secret(file=place) if name == "file" else Secret(env=place)
