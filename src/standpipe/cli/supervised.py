"""What `run` and `sidecar` tell their three children, and what they ask of the journal."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from standpipe.config_sinks import OBJECTS, STDOUT
from standpipe.errors import StandpipeError, UsageError
from standpipe.journal import identity
from standpipe.journal.cursor import read_cursor
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.sink_entries import REMOVED
from standpipe.journal.sink_entries_store import read_entries
from standpipe.processes.children import Child
from standpipe.processes.spawn import READY_DESCRIPTOR, bare_python, full_python
from standpipe.sinks.stdout import check_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.config import Config

LOCK_WAIT_SECONDS = "10"  # a predecessor that was killed may still be inside a write to a slow disk


def child_commands(config: Config, config_path: str | None, capture_arguments: list[str]) -> list[Child]:
    """Return our three children with everything they need to be told."""
    journal = config.journal
    common = ["--journal", journal.path, "--lock-wait", LOCK_WAIT_SECONDS]
    common += ["--ready-fd", str(READY_DESCRIPTOR), "--parent-pid", str(os.getpid())]
    file = ["--config", config_path] if config_path else []
    return [
        Child("capture", bare_python(["capture", *capture_arguments, *common])),
        Child("keep", full_python(["keep", *file, "--max-size", str(journal.max_size_bytes), *common])),
        Child("ship", full_python(["ship", *file, *common])),
    ]


def capture_arguments(config: Config, deadline_seconds: float, signal_pid: int | None) -> list[str]:
    """Return what capture is told about the source and its limits; ``signal_pid`` gets SIGHUP and beats a pid file."""
    journal = config.journal
    arguments = [*_source_arguments(config, signal_pid), "--on-full", journal.on_full]
    arguments += ["--segment-size", str(journal.segment_size_bytes), "--max-size", str(journal.max_size_bytes)]
    arguments += ["--fsync", f"{int(journal.fsync_seconds * 1000)}ms"]
    arguments += ["--seal-every", f"{int(journal.seal_every_seconds * 1000)}ms"]
    return [*arguments, "--deadline", f"{int(deadline_seconds * 1000)}ms"]


def _source_arguments(config: Config, signal_pid: int | None) -> list[str]:
    source, reclaim = config.source, config.source.reclaim
    if source.file is None:
        return ["--fifo", str(source.fifo)]
    arguments = ["--file", source.file, "--reclaim", reclaim.way, "--reclaim-at", str(reclaim.at_bytes)]
    arguments += ["--max-apparent-size", str(reclaim.max_apparent_size_bytes)]
    if signal_pid is not None:
        arguments += ["--signal-pid", str(signal_pid)]
    elif reclaim.pid_file is not None:
        arguments += ["--pid-file", reclaim.pid_file]
    return arguments


def source_path(config: Config) -> str:
    """Return the path that Vault writes to. Raises UsageError where nothing named it."""
    path = config.source.path
    if path is None:
        remedy = "Give --fifo PATH or --file PATH, or source.fifo or source.file in the config"
        raise UsageError("neither a FIFO nor a file was named", remedy)
    return path


def pipes(config: Config) -> tuple[str, ...]:
    """Return the pipes that the supervisor holds: none where the source is a file."""
    return () if config.source.fifo is None else (config.source.fifo, Layout(config.journal.path).reserve)


def prepare(config: Config) -> None:
    """Check stdout, and make the journal where it is missing. Raises SinkError or JournalError."""
    if any(sink.type == STDOUT for sink in config.sinks):
        check_open()
    identity.open_or_create(Layout(config.journal.path), os.uname().nodename, time.time())


def undelivered_bytes(config: Config) -> Callable[[], int | None]:
    """Return a function that says how much the slowest sink has not acknowledged; None where that cannot be told.

    The sinks are those that ship has entered: SIGHUP may have changed them since the config was read. One that stores
    sealed segments is late only by what is sealed.
    """
    layout = Layout(config.journal.path)
    reader = JournalReader(layout)

    def types() -> dict[str, str]:
        entries = read_entries(layout.sinks)
        if entries is None:
            return {sink.name: sink.type for sink in config.sinks}
        return {name: entry.type for name, entry in entries.items() if entry.state != REMOVED}

    def lag(name: str, sink_type: str) -> int:
        cursor = read_cursor(layout.cursor(name))
        end = reader.end
        if sink_type == OBJECTS:
            end = max((segment.end for segment in reader.segments if segment.sealed), default=0)
        return end - (cursor.offset if cursor else reader.base)

    def count() -> int | None:
        try:
            return max([0, *(lag(name, sink_type) for name, sink_type in types().items())])
        except (OSError, StandpipeError):
            return None

    return count
