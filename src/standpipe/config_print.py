"""From settings back to YAML that loads to the same settings. Pure.

Every key is written, also where it has its default, but those that stand for something that is not there: no FIFO, no
pid file, a sink's start that nobody chose. A secret is not in the settings, so none can be written: its place is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, cast

import yaml

from standpipe.config import size_text
from standpipe.config_keys import SINK, Kind
from standpipe.config_sink_types import NEEDS_ENVELOPE, REFUSED, is_raw, sink_table
from standpipe.config_sinks import Secret, SelectConfig
from standpipe.units import DURATION_UNITS, MAX_DIGITS

if TYPE_CHECKING:
    from standpipe.config import Config, JournalConfig
    from standpipe.config_sinks import SinkConfig
    from standpipe.config_source import SourceConfig


LINE_WIDTH = 1 << 30  # columns; a folded text is hard to read and to copy


class _Dumper(yaml.SafeDumper):
    """Writes texts that cannot be seen as they are in double quotes, with escapes: PyYAML folds some line breaks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _text)


def duration_text(seconds: float) -> str:
    """Return a time as the config writes it, in the largest unit that keeps it whole; exact from a millisecond on."""
    milliseconds = round(seconds * DURATION_UNITS["s"])
    if milliseconds / DURATION_UNITS["s"] != seconds:
        return (
            f"{Decimal(repr(seconds)):f}"[: MAX_DIGITS + 1] + "s"
        )  # repr has at most 17 digits; 1e-07 is no time here
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % DURATION_UNITS[unit] == 0:
            return f"{milliseconds // DURATION_UNITS[unit]}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def as_yaml(config: Config) -> str:
    """Return the whole config, in the order of docs/configuration.md."""
    data = {
        "source": _source(config.source),
        "journal": _journal(config.journal),
        "sinks": {sink.name: _sink(sink) for sink in config.sinks},
        "shutdown": {"deadline": duration_text(config.shutdown.deadline_seconds)},
    }
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=LINE_WIDTH)


def _source(source: SourceConfig) -> dict[str, object]:
    section: dict[str, object] = {} if source.fifo is None else {"fifo": source.fifo}
    if source.file is not None:
        section["file"] = source.file
    section["prefix"] = source.prefix
    if source.fifo is None:  # a FIFO gives nothing back
        reclaim: dict[str, object] = {
            "way": source.reclaim.way,
            "at": size_text(source.reclaim.at_bytes),
            "max_apparent_size": size_text(source.reclaim.max_apparent_size_bytes),
        }
        if source.reclaim.pid_file is not None:
            reclaim["pid_file"] = source.reclaim.pid_file
        section["reclaim"] = reclaim
    return section


def _journal(journal: JournalConfig) -> dict[str, object]:
    sizes = {"segment_size": journal.segment_size_bytes, "max_size": journal.max_size_bytes}
    return {
        "path": journal.path,
        **{name: size_text(size) for name, size in sizes.items() if size is not None},
        "on_full": journal.on_full,
        "fsync": duration_text(journal.fsync_seconds),
        "seal_every": duration_text(journal.seal_every_seconds),
        "retain": {"age": duration_text(journal.retain_age_seconds), "size": size_text(journal.retain_size_bytes)},
        **({} if journal.sign_key is None else {"sign_key": journal.sign_key}),
    }


def _sink(sink: SinkConfig) -> dict[str, object]:
    """Return what the sink has: no key that cannot stand with its type, and no secret but the place where it is."""
    table = sink_table(sink.type)
    values = {f"{SINK}.{name}": value for name, value in {**sink.options, **_general(sink)}.items()}
    section: dict[str, object] = {"type": sink.type}
    for path, key in table.keys.items():
        value = values.get(path)
        if value is None or value in ((), {}):
            continue
        *sections, name = path.removeprefix(f"{SINK}.").split(".")
        place = section
        for step in sections:
            place = cast("dict[str, object]", place.setdefault(step, {}))
        place[name] = _written(key.kind, value)
    return section


def _general(sink: SinkConfig) -> dict[str, object]:
    """Return what every sink has, by its path below the sink."""
    select, batch = sink.select or SelectConfig(), sink.batch
    general: dict[str, object] = {
        "start": sink.start,
        "select.operations": select.operations,
        "select.paths": select.paths,
        "select.mount_types": select.mount_types,
        "select.namespaces": select.namespaces,
        "select.types": select.types,
        "select.errors": select.errors or None,
        "drop_fields": sink.drop_fields,
        "add": dict(sink.labels),
        "deliver_seals": sink.deliver_seals,
        "batch.size": batch.size_bytes,
        "batch.records": batch.records,
        "batch.age": batch.age_seconds,
        "batch.in_flight": batch.in_flight,
    }
    refused = REFUSED.get(sink.type, {})
    raw = NEEDS_ENVELOPE if is_raw(sink) else ()
    return {name: value for name, value in general.items() if name.split(".")[0] not in {*refused, *raw}}


def _written(kind: Kind, value: object) -> object:
    """Return a value as the file has it."""
    if isinstance(value, Secret):
        return {"env": value.env} if value.file is None else {"file": value.file}
    if isinstance(value, tuple):
        return list(value)
    if kind is Kind.SIZE and isinstance(value, int):
        return size_text(value)
    if kind is Kind.DURATION and isinstance(value, int | float):
        return duration_text(value)
    return value
