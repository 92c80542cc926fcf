"""From settings back to YAML that loads to the same settings. Pure.

Every key is written, also where it has its default, but those that stand for something that is not there: no FIFO, no
pid file, a sink's start that nobody chose.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import yaml

from standpipe.config import size_text
from standpipe.units import DURATION_UNITS, MAX_DIGITS

if TYPE_CHECKING:
    from standpipe.config import Config, JournalConfig, StdoutSinkConfig
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
    }


def _sink(sink: StdoutSinkConfig) -> dict[str, object]:
    section: dict[str, object] = {"type": "stdout", "format": sink.format}
    if sink.start is not None:
        section["start"] = sink.start
    if sink.format == "gcp" or sink.labels:
        section["add"] = dict(sink.labels)
    return section
