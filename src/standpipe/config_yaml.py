"""From the config's bytes to plain data: PyYAML's safe loader, stricter. Pure.

Apart from config_file, which imports it only when there is a file: without one, no YAML parser is paid for.
"""

from __future__ import annotations

from typing import Any

import yaml

from standpipe.config_problem import ConfigError, Problem, show_name

# What PyYAML 6.0's constructors raise for a scalar that matches a type and is none, such as 2024-99-99 or !!int "".
SCALAR_ERRORS = (ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError)


class _StrictLoader(yaml.SafeLoader):
    """Refuses what the safe loader lets pass in silence: a key that is given twice in one map."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.problems: list[Problem] = []

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Compose a map; looked at here because merge keys (``<<``) are not resolved yet."""
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) in lines:
                first = lines[key.tag, key.value]
                message = f"{show_name(key.value)} is given twice, first in line {first}"
                self.problems.append(Problem(_place(key.start_mark), "", message, "Keep one of them"))
            lines.setdefault((key.tag, key.value), line)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 — PyYAML's own signature
        """Make every failure of a scalar's constructor an error with a place."""
        if not isinstance(node, yaml.ScalarNode):
            return super().construct_object(node, deep=deep)
        try:
            return super().construct_object(node, deep=deep)
        except SCALAR_ERRORS as error:
            message = "looks like a number or date, and is none"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark) from error


def _place(mark: yaml.Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _place_at(text: str, position: int) -> str:
    before = text[:position]
    return f"line {before.count(chr(10)) + 1}, column {position - (before.rfind(chr(10)) + 1) + 1}"


def parse_yaml(content: bytes) -> object:
    """Return the file's data, None where it is empty. Raises ConfigError with line and column."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        raise _error(_place_at(before, len(before)), "is not UTF-8", "Save the file as UTF-8") from error
    try:
        loader = _StrictLoader(text)
        data: object = loader.get_single_data()
    except yaml.reader.ReaderError as error:
        place = _place_at(text, error.position)
        raise _error(place, "holds a control character", "Delete it, or write it as an escape in quotes") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(filter(None, (error.context, error.problem))) or "cannot be read"
        raise _error(_place(mark) if mark else "(whole file)", message, "Mend the YAML there") from error
    except RecursionError as error:
        raise _error("(whole file)", "is nested too deep", "See docs/configuration.md") from error
    if loader.problems:
        raise ConfigError(loader.problems)
    return data


def _error(place: str, message: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(place, "", message, remedy)])
