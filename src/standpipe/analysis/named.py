"""The named queries: SQL files that ship with the program, each with a title, what it tells, and its parameters.

A file begins with lines such as::

    -- title: Slow requests
    -- about: The requests that took longest.
    -- param limit number 50: Rows at most

A parameter is ``$limit`` in the SQL; its type is text, number or time. One without a default must be given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING

from standpipe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | datetime

PARAMETER = re.compile(
    r"(?P<name>[a-z_]+) (?P<type>text|number|time)(?: (?P<default>[^:]+))?: (?P<about>.+)",
)
SUFFIX = ".sql"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. type: text, number or time. default: as a person would write it; None where it must be given."""

    name: str
    type: str
    default: str | None
    about: str

    def value(self, text: str) -> Value:
        """Return the value of what a person wrote. Raises UsageError."""
        try:
            if self.type == "number":
                return float(text) if "." in text else int(text)
            if self.type == "time":
                moment = datetime.fromisoformat(text)
                return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)
        except (ValueError, OverflowError):
            example = "2026-01-31T12:00:00Z" if self.type == "time" else "50"
            raise UsageError(f"{self.name}={text!r} is no {self.type}", f"Write for example {example}") from None
        return text


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """One query. sql: as a person may copy it, with ``$name`` where a parameter stands."""

    name: str
    title: str
    about: str
    parameters: tuple[Parameter, ...]
    sql: str

    def values(self, given: Mapping[str, str]) -> dict[str, Value]:
        """Return the value of each parameter. Raises UsageError for one that is missing, unknown or wrong."""
        known = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in known:
                has = f"It has: {', '.join(known)}" if known else "It has none"
                raise UsageError(f"the query {self.name} has no parameter {name!r}", has)
        found: dict[str, Value] = {}
        for parameter in self.parameters:
            text = given.get(parameter.name, parameter.default)
            if text is None:
                raise UsageError(
                    f"the query {self.name} needs {parameter.name}: {parameter.about}",
                    f"Add --param {parameter.name}=…",
                )
            found[parameter.name] = parameter.value(text)
        return found


def parse_query(name: str, text: str) -> NamedQuery:
    """Read a query's file. Raises ValueError where its head is not as it should be."""
    heads: dict[str, str] = {}
    parameters: list[Parameter] = []
    lines = text.splitlines()
    while lines and lines[0].startswith("-- "):
        key, _, rest = lines.pop(0)[3:].partition(" ")
        if key == "param":
            match = PARAMETER.fullmatch(rest)
            if match is None:
                raise ValueError(f"{name}: {rest!r} is no parameter")
            parameters.append(Parameter(match["name"], match["type"], match["default"], match["about"]))
        else:
            heads[key.rstrip(":")] = rest
    if set(heads) != {"title", "about"}:
        raise ValueError(f"{name}: it needs a title and an about, and has {', '.join(heads)}")
    return NamedQuery(name, heads["title"], heads["about"], tuple(parameters), "\n".join(lines).strip() + "\n")


def named_queries() -> dict[str, NamedQuery]:
    """Return all of them, by name, in alphabetical order."""
    directory = files("standpipe.analysis").joinpath("queries")
    texts = {
        entry.name.removesuffix(SUFFIX): entry.read_text("utf-8")
        for entry in directory.iterdir()
        if entry.name.endswith(SUFFIX)
    }
    return {name: parse_query(name, texts[name]) for name in sorted(texts)}


def named_query(name: str) -> NamedQuery:
    """Return one. Raises UsageError where there is none of that name."""
    queries = named_queries()
    if name not in queries:
        raise UsageError(f"there is no query {name!r}", f"There are: {', '.join(queries)}")
    return queries[name]
