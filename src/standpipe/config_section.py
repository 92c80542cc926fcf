"""One map of the config, read by the table of keys: every getter checks, reports what is wrong, and goes on. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from standpipe.config_keys import KEYS_BY_PATH, NOT_IN_THIS_RELEASE, Key, Kind, child_names
from standpipe.config_problem import Problem, show_name, show_value
from standpipe.units import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a wrong value should have been, and the remedy.
WANTED: dict[Kind, tuple[str, str]] = {
    Kind.TEXT: ("text", "Put it in quotes"),
    Kind.PATH: ("a path", "Put it in quotes"),
    Kind.SIZE: ("a size", "Write a number and B, KiB, MiB, GiB or TiB, such as 64MiB"),
    Kind.DURATION: ("a time", "Write a number and ms, s, m, h or d, such as 20s"),
    Kind.LABELS: ("a map of labels", 'Write {label: "value"}'),
}


def join(path: str, name: str) -> str:
    """Return the path of a key below a section; '' is the whole file."""
    return f"{path}.{name}" if path else name


def one_of(choices: tuple[str, ...]) -> str:
    """Return ``a, b or c``."""
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))


def parse_number(kind: Kind, text: str) -> float | None:
    """Return bytes or seconds, or None where the text is neither size nor time.

    A unit must be written, though flags need none: YAML reads a bare 010 as 8 and 1:30 as 90.
    """
    if not text[-1:].isalpha():
        return None
    try:
        return parse_size(text) if kind is Kind.SIZE else parse_duration(text)
    except ValueError:
        return None


def _wanted(key: Key) -> tuple[str, str]:
    if key.kind is Kind.CHOICE:
        return one_of(key.choices), "Use one of these" if len(key.choices) > 1 else f"Use {key.choices[0]}"
    return WANTED[key.kind]


def _text_problem(key: Key, text: str) -> tuple[str, str] | None:
    """Return message and remedy of a text that cannot be used, or None."""
    if key.choices:
        return None if text in key.choices else (f"is not {one_of(key.choices)}", _wanted(key)[1])
    if not _is_encodable(text):
        return "holds half a character (a lone surrogate)", "Write the whole character"
    if key.kind is Kind.PATH and not text:
        return "is empty", "Give a path, or delete the line"
    if key.kind is Kind.PATH and "\0" in text:
        return "holds a NUL, which no path can", "Give a path"
    if key.kind is Kind.TEXT and "\n" in text:
        return "holds a line break, which would cut the records", "Write it on one line"
    return None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(slots=True)
class Section:
    """One map of the file. A getter that finds a problem reports it and returns the default."""

    path: str  # as the file writes it
    template: str  # as the table of keys writes it
    values: Mapping[object, object]
    problems: list[Problem] = field(default_factory=list)  # of the whole file; shared with the sections below

    def report(self, name: object, value: str, message: str, remedy: str) -> None:
        """Add a problem of the key ``name``."""
        self.problems.append(Problem(join(self.path, show_name(name)), value, message, remedy))

    def report_value(self, name: str, value: object, wanted: str, remedy: str) -> None:
        """Add a problem: the value is missing, or is not what is wanted."""
        if value is None:
            self.report(name, "", "has no value", f"{remedy}, or delete the line")
        else:
            self.report(name, show_value(name, value), f"is not {wanted}", remedy)

    def check_names(self) -> None:
        """Report every key that is unknown, or known but not in this release."""
        known = child_names(self.template)
        for name in self.values:
            if not isinstance(name, str) or name not in known:
                near = get_close_matches(name, known, n=1) if isinstance(name, str) else []
                usable = [name for name in known if join(self.template, name) not in NOT_IN_THIS_RELEASE]
                remedy = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(usable)}"
                self.report(name, "", "is not a key of the config", remedy)
            elif join(self.template, name) in NOT_IN_THIS_RELEASE:
                self.report(name, "", "is not in this release", "Delete the key")

    def below(self, name: str, template: str = "") -> Section:
        """Return the section below; an empty one where it is missing or no map."""
        values = self.values.get(name, {})
        if not isinstance(values, dict):
            self.report_value(name, values, "a section", "Write its keys below it")
            values = {}
        return Section(join(self.path, show_name(name)), template or join(self.template, name), values, self.problems)

    def text(self, name: str) -> str | None:
        """Return a text, path or choice."""
        key = self._key(name)
        if name not in self.values:
            return key.default
        value = self.values[name]
        if not isinstance(value, str):
            self.report_value(name, value, *_wanted(key))
            return key.default
        problem = _text_problem(key, value)
        if problem:
            self.report(name, show_value(name, value), *problem)
            return key.default
        return value

    def size_bytes(self, name: str) -> int | None:
        """Return a size in bytes, or None where it is missing and the default depends on the disk."""
        number = self._number(name)
        return None if number is None else int(number)

    def seconds(self, name: str) -> float:
        """Return a time in seconds."""
        return float(self._number(name) or 0)

    def labels(self, name: str) -> dict[str, str]:
        """Return a map of text to text."""
        key = self._key(name)
        values = self.values.get(name, {})
        if not isinstance(values, dict):
            self.report_value(name, values, *_wanted(key))
            return {}
        section = Section(join(self.path, name), key.path, values, self.problems)
        labels: dict[str, str] = {}
        for label, value in values.items():
            if not (isinstance(label, str) and label and _is_encodable(label)):
                section.report(label, "", "is not a label", "Name the label with a text in quotes")
            elif not (isinstance(value, str) and _is_encodable(value)):
                section.report_value(label, value, *WANTED[Kind.TEXT])
            else:
                labels[label] = value
        return labels

    def _key(self, name: str) -> Key:
        return KEYS_BY_PATH[join(self.template, name)]

    def _number(self, name: str) -> float | None:
        key = self._key(name)
        default = None if key.default is None else parse_number(key.kind, key.default)
        if name not in self.values:
            return default
        value = self.values[name]
        number = parse_number(key.kind, value) if isinstance(value, str) else None
        if number is None:
            self.report_value(name, value, *_wanted(key))
        elif key.minimum and number < (parse_number(key.kind, key.minimum) or 0):
            self.report(name, show_value(name, value), f"is less than {key.minimum}", f"Use {key.minimum} or more")
        elif key.maximum and number > (parse_number(key.kind, key.maximum) or 0):
            self.report(name, show_value(name, value), f"is more than {key.maximum}", f"Use {key.maximum} or less")
        else:
            return number
        return default
