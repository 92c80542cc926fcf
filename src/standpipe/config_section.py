"""One map of the config, read by the table of keys: every getter checks, reports what is wrong, and goes on. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeGuard

from standpipe.config_keys import TABLE, Key, Kind, Table
from standpipe.config_problem import Problem, show_name, show_value
from standpipe.config_sinks import Secret
from standpipe.config_values import (
    WANTED,
    address_problem,
    is_encodable,
    parse_number,
    parse_secret,
    text_problem,
    wanted,
    written_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def join(path: str, name: str) -> str:
    """Return the path of a key below a section; '' is the whole file."""
    return f"{path}.{name}" if path else name


@dataclass(slots=True)
class Section:
    """One map of the file. A getter that finds a problem reports it and returns the default."""

    path: str  # as the file writes it
    template: str  # as the table of keys writes it
    values: Mapping[object, object]
    problems: list[Problem] = field(default_factory=list)  # of the whole file; shared with the sections below
    table: Table = TABLE

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
        """Report every key that is unknown, or known and refused."""
        known = self.table.child_names(self.template)
        usable = [name for name in known if self.takes(name)]
        for name in self.values:
            if not isinstance(name, str) or name not in known:
                near = get_close_matches(name, usable, n=1) if isinstance(name, str) else []
                remedy = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(usable)}"
                self.report(name, "", "is not a key of the config", remedy)
            elif name not in usable:
                self.report(name, "", *self.table.refused[join(self.template, name)])

    def takes(self, name: str) -> bool:
        """Tell whether a known key is not refused here."""
        return join(self.template, name) not in self.table.refused

    def below(self, name: str, template: str = "") -> Section:
        """Return the section below; an empty one where it is missing or no map."""
        values = self.values.get(name, {})
        if not isinstance(values, dict):
            self.report_value(name, values, "a section", "Write its keys below it")
            values = {}
        template = template or join(self.template, name)
        return Section(join(self.path, show_name(name)), template, values, self.problems, self.table)

    def value(self, name: str) -> object:
        """Return a value of whatever kind its key says; None, or an empty tuple or dict, where there is none."""
        getters: dict[Kind, Callable[[str], object]] = {
            Kind.SIZE: self.integer,
            Kind.INTEGER: self.integer,
            Kind.DURATION: self.number,
            Kind.BOOLEAN: self.flag,
            Kind.LABELS: self.labels,
            Kind.TEXTS: self.texts,
            Kind.SECRET: self.secret,
        }
        return getters.get(self._key(name).kind, self.text)(name)

    def text(self, name: str) -> str | None:
        """Return a text, path or choice."""
        key = self._key(name)
        if name not in self.values:
            return key.default
        value = self.values[name]
        return value if self._is_text(value, key, name) else key.default

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        key = self._key(name)
        default = tuple(key.default.split(", ")) if key.default else ()
        if name not in self.values:
            return default
        values = self.values[name]
        if not isinstance(values, list):
            self.report_value(name, values, *wanted(key))
            return default
        if not values or "" in values:
            message = "has an empty text in it" if values else "is empty"
            self.report(name, "", message, "Name what it should have, or delete the line")
            return default
        texts = [value for value in values if self._is_text(value, key, name)]
        return tuple(texts) if len(texts) == len(values) else default

    def flag(self, name: str) -> bool | None:
        """Return true or false, None where the default depends on something else."""
        key = self._key(name)
        default = None if key.default is None else key.default == "true"
        if name not in self.values:
            return default
        value = self.values[name]
        if isinstance(value, bool):
            return value
        self.report_value(name, value, *wanted(key))
        return default

    def integer(self, name: str) -> int | None:
        """Return a size in bytes or a whole number, None where it is missing and the default is no fixed one."""
        number = self.number(name)
        return None if number is None else int(number)

    def seconds(self, name: str) -> float:
        """Return a time in seconds."""
        return float(self.number(name) or 0)

    def secret(self, name: str) -> Secret | None:
        """Return where a secret is. Nothing of a wrong value is ever shown: it may be the secret."""
        if name not in self.values:
            return None
        value = self.values[name]
        if value is None:
            self.report_value(name, value, *wanted(self._key(name)))
            return None
        found = parse_secret(value)
        if isinstance(found, Secret):
            return found
        self.report(name, "", *found)
        return None

    def labels(self, name: str) -> dict[str, str]:
        """Return a map of text to text."""
        key = self._key(name)
        values = self.values.get(name, {})
        if not isinstance(values, dict):
            self.report_value(name, values, *wanted(key))
            return {}
        section = Section(join(self.path, name), key.path, values, self.problems)
        labels: dict[str, str] = {}
        for label, value in values.items():
            if not (isinstance(label, str) and label and is_encodable(label)):
                section.report(label, "", "is not a label", "Name the label with a text in quotes")
            elif not (isinstance(value, str) and is_encodable(value)):
                section.report_value(label, value, *WANTED[Kind.TEXT])
            elif problem := address_problem(value, self.table):
                section.report(label, show_value(label, value), *problem)
            else:
                labels[label] = value
        return labels

    def number(self, name: str) -> float | None:
        """Return bytes, seconds or a whole number, None where it is missing and the default is no fixed one."""
        key = self._key(name)
        default = written_number(key.kind, key.default or "")
        if name not in self.values:
            return default
        value = self.values[name]
        number = parse_number(key.kind, value)
        least, most = written_number(key.kind, key.minimum), written_number(key.kind, key.maximum)
        if number is None:
            self.report_value(name, value, *wanted(key))
        elif least is not None and number < least:
            self.report(name, show_value(name, value), f"is less than {key.minimum}", f"Use {key.minimum} or more")
        elif most is not None and number > most:
            self.report(name, show_value(name, value), f"is more than {key.maximum}", f"Use {key.maximum} or less")
        else:
            return number
        return default

    def _key(self, name: str) -> Key:
        return self.table.keys[join(self.template, name)]

    def _is_text(self, value: object, key: Key, name: str) -> TypeGuard[str]:
        """Tell whether a value is a text that can be used, and report it where it is not."""
        if not isinstance(value, str):
            self.report_value(name, value, *(WANTED[Kind.TEXT] if key.kind is Kind.TEXTS else wanted(key)))
            return False
        problem = text_problem(key, value) or address_problem(value, self.table)
        if problem:
            self.report(name, show_value(name, value), *problem)
        return problem is None
