"""The section ``sinks`` of the config: what every sink has, and what its type has. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypedDict

from standpipe.config_keys import SINK, SINK_TYPES, SINK_TYPES_NOT_IN_THIS_RELEASE
from standpipe.config_problem import Problem, quote, show_value
from standpipe.config_section import join
from standpipe.config_sink_types import NEEDS_ENVELOPE, RAW, sink_keys, sink_table
from standpipe.config_sinks import STDOUT, BatchConfig, SelectConfig, SinkConfig
from standpipe.config_values import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standpipe.config_keys import Key
    from standpipe.config_section import Section

SINK_NAME_PATTERN = re.compile(r"[a-z0-9-]{1,63}")  # it is a file's name and a metric's label
DEFAULT_SINKS = (
    SinkConfig(STDOUT, STDOUT, options=MappingProxyType({"format": RAW, "refuse_raw": False})),
)  # a test compares them


class General(TypedDict):
    """What every sink has, under SinkConfig's names."""

    start: str | None
    select: SelectConfig | None
    drop_fields: tuple[str, ...]
    labels: Mapping[str, str]
    batch: BatchConfig


def parse_sinks(section: Section) -> tuple[SinkConfig, ...]:
    """Return the sinks, in the file's order, and report what is wrong with them."""
    sinks: list[SinkConfig] = []
    to_stdout: str | None = None
    for name in section.values:
        if not isinstance(name, str) or not SINK_NAME_PATTERN.fullmatch(name):
            section.report(name, "", "is not a sink's name", "Use 1 to 63 of a-z, 0-9 and -")
            continue
        below = section.below(name, SINK)
        sink = _parse_sink(name, below) if isinstance(section.values[name], dict) else None
        if sink and sink.type == STDOUT and to_stdout:
            section.report(name, "", f"writes to stdout, and so does sinks.{to_stdout}", "Keep one of them")
        elif sink:
            sinks.append(sink)
            to_stdout = name if sink.type == STDOUT else to_stdout
    return tuple(sinks)


def _parse_sink(name: str, section: Section) -> SinkConfig | None:
    """Return the sink, or None where its type is wrong: then the keys that only types have are not judged."""
    given = section.values.get("type")
    if isinstance(given, str) and given in SINK_TYPES_NOT_IN_THIS_RELEASE:
        remedy = "Use type: objects" if given == "s3" else f"Use {one_of(SINK_TYPES)}, or delete the sink"
        section.report("type", quote(given), "is not in this release", remedy)
        return None
    if "type" not in section.values:
        section.report("type", "", "is missing", f"Give it: {one_of(SINK_TYPES)}")
    sink_type = section.text("type")
    if sink_type is None:
        _general(section)
        return None
    keys = sink_keys(sink_type)
    problems_before = len(section.problems)
    section = replace(section, table=sink_table(sink_type))
    section.check_names()
    options = _options(section, keys.KEYS)
    general = _general(section)
    if sink_type == STDOUT and options["format"] == RAW:
        _check_raw(section)
    deliver_seals = section.flag("deliver_seals") if section.takes("deliver_seals") else None
    if len(section.problems) == problems_before:
        section.problems.extend(
            Problem(join(section.path, option), "", message, remedy)
            for option, message, remedy in keys.problems(options)
        )
    return SinkConfig(
        name=name,
        type=sink_type,
        **general,
        deliver_seals=keys.DELIVER_SEALS if deliver_seals is None else deliver_seals,
        options=MappingProxyType(options),
    )


def _options(section: Section, keys: tuple[Key, ...]) -> dict[str, object]:
    """Return the values of a type's own keys by dotted name; every key is there, also one without a value."""
    sections = {"": section}

    def section_of(path: str) -> Section:
        if path not in sections:
            parent, _, name = path.rpartition(".")
            sections[path] = section_of(parent).below(name)
            sections[path].check_names()
        return sections[path]

    options: dict[str, object] = {}
    for key in keys:
        parent, _, name = key.path.rpartition(".")
        place = section_of(parent)
        options[key.path] = place.value(name)
        if key.required and place.values.get(name, "") == "":
            message = "is empty" if name in place.values else "is missing"
            place.report(name, "", message, f"Give it. {key.meaning.removesuffix('.')}")
    return options


def _general(section: Section) -> General:
    return {
        "start": section.text("start"),
        "select": _select(section.below("select")) if section.takes("select") else None,
        "drop_fields": _drop_fields(section) if section.takes("drop_fields") else (),
        "labels": MappingProxyType(section.labels("add") if section.takes("add") else {}),
        "batch": _batch(section.below("batch")) if section.takes("batch") else BatchConfig(),
    }


def _drop_fields(section: Section) -> tuple[str, ...]:
    fields = section.texts("drop_fields")
    for field in fields:
        if not all(field.split(".")):
            remedy = "Write the names of the members from the record's top with a dot between them, as in request.data"
            section.report("drop_fields", show_value("drop_fields", field), "has an empty name in it", remedy)
    return fields


def _select(section: Section) -> SelectConfig | None:
    """Return what is selected, None where nothing is asked."""
    section.check_names()
    select = SelectConfig(
        operations=section.texts("operations"),
        paths=section.texts("paths"),
        mount_types=section.texts("mount_types"),
        namespaces=section.texts("namespaces"),
        types=section.texts("types"),
        errors=section.flag("errors") is True,
    )
    return None if select == SelectConfig() else select


def _batch(section: Section) -> BatchConfig:
    section.check_names()
    return BatchConfig(
        size_bytes=section.integer("size"),
        records=section.integer("records"),
        age_seconds=section.number("age"),
        in_flight=section.integer("in_flight"),
    )


def _check_raw(section: Section) -> None:
    """Report what has its place in the envelope that raw has not."""
    for name in NEEDS_ENVELOPE:
        if section.values.get(name, False) is not False:
            section.report(name, "", "needs the envelope of format json or gcp", "Delete the key, or use format: json")
