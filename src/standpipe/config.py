"""From the parsed YAML to settings, or to everything that is wrong with it. Pure: the disk's figures are arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from standpipe.config_problem import ConfigError, Problem, quote
from standpipe.config_section import Section
from standpipe.config_sink_parse import DEFAULT_SINKS, parse_sinks
from standpipe.config_source import SourceConfig, parse_source, source_problems, with_fifo, with_file

if TYPE_CHECKING:
    from standpipe.config_sinks import SinkConfig

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

DEFAULT_MAX_SIZE_BYTES = 10 * GIB  # hours of a busy Vault, and still small beside a usual volume
DEFAULT_FREE_DIVISOR = 2  # never plan with more than half of what is free: others write to the volume too
DEFAULT_SEGMENTS = 8  # a journal at its cap should be able to give back a part of itself
MIN_DEFAULT_SEGMENT_BYTES = 64 * KIB
MAX_DEFAULT_SEGMENT_BYTES = 64 * MIB
SEGMENT_GRAIN_BYTES = 4 * KIB  # whole pages
MIN_SEGMENTS = 2  # one that is being written and one that may go


@dataclass(frozen=True, slots=True)
class JournalConfig:
    """The journal. The sizes that are None depend on the disk: ``resolve`` fills them."""

    path: str
    segment_size_bytes: int | None
    max_size_bytes: int | None
    on_full: str
    fsync_seconds: float
    seal_every_seconds: float
    retain_age_seconds: float
    retain_size_bytes: int
    sign_key: str | None = None


@dataclass(frozen=True, slots=True)
class ShutdownConfig:
    """How an orderly stop goes."""

    deadline_seconds: float


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. No sink at all is allowed: journal only."""

    source: SourceConfig
    journal: JournalConfig
    sinks: tuple[SinkConfig, ...]
    shutdown: ShutdownConfig


def parse_config(data: object) -> Config:
    """Check what the YAML parser made of the file (None where it was empty) and return the settings.

    Raises ConfigError with everything that is wrong, and never anything else, whatever ``data`` is.
    """
    top = Section("", "", data if isinstance(data, dict) else {})
    if data is not None and not isinstance(data, dict):
        raise ConfigError([Problem("(whole file)", "", "is not a map of sections", "See docs/configuration.md")])
    top.check_names()
    config = Config(
        source=parse_source(top.below("source")),
        journal=_parse_journal(top.below("journal")),
        sinks=parse_sinks(top.below("sinks")) if "sinks" in top.values else DEFAULT_SINKS,
        shutdown=_parse_shutdown(top.below("shutdown")),
    )
    if top.problems:
        raise ConfigError(top.problems)
    return config


def default_config() -> Config:
    """Return the settings where there is no file: journal on, one sink ``stdout``, raw."""
    return parse_config(None)


def _parse_journal(section: Section) -> JournalConfig:
    section.check_names()
    retain = section.below("retain")
    retain.check_names()
    retain_size_bytes = retain.integer("size") or 0
    journal = JournalConfig(
        path=section.text("path") or "",
        segment_size_bytes=section.integer("segment_size"),
        max_size_bytes=section.integer("max_size"),
        on_full=section.text("on_full") or "",
        fsync_seconds=section.seconds("fsync"),
        seal_every_seconds=section.seconds("seal_every"),
        retain_age_seconds=retain.seconds("age"),
        retain_size_bytes=retain_size_bytes,
        sign_key=section.text("sign_key"),
    )
    if journal.max_size_bytes is None:
        return journal
    problem = _max_size_problem(journal.max_size_bytes, journal.segment_size_bytes)
    if problem:
        section.problems.append(problem)
    if retain_size_bytes > journal.max_size_bytes and "size" in retain.values:
        retain.report("size", size_text(retain_size_bytes), "is more than journal.max_size", "Use max_size or less")
    return journal


def _parse_shutdown(section: Section) -> ShutdownConfig:
    section.check_names()
    return ShutdownConfig(deadline_seconds=section.seconds("deadline"))


def size_text(size_bytes: int) -> str:
    """Return a size as the config writes it, in the largest unit that keeps it whole."""
    for unit_bytes, unit in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size_bytes and size_bytes % unit_bytes == 0:
            return f"{size_bytes // unit_bytes}{unit}"
    return f"{size_bytes}B"


def _max_size_problem(max_size_bytes: int, segment_size_bytes: int | None) -> Problem | None:
    """Return what is wrong with a cap beside a segment size, which is None where the default will be taken."""
    smallest = MIN_SEGMENTS * (segment_size_bytes or MIN_DEFAULT_SEGMENT_BYTES)
    if max_size_bytes >= smallest:
        return None
    reason = "twice segment_size" if segment_size_bytes else "two of the smallest default segments"
    remedy = f"Use {size_text(smallest)} or more, or a smaller journal.segment_size"
    value = size_text(max_size_bytes)
    return Problem("journal.max_size", value, f"is less than {size_text(smallest)}, {reason}", remedy)


def default_segment_size_bytes(max_size_bytes: int) -> int:
    """Return an eighth of the cap in whole pages, within 64 KiB and 64 MiB."""
    eighth = max_size_bytes // DEFAULT_SEGMENTS
    bounded = min(max(eighth, MIN_DEFAULT_SEGMENT_BYTES), MAX_DEFAULT_SEGMENT_BYTES)
    return bounded - bounded % SEGMENT_GRAIN_BYTES


def resolve(config: Config, free_bytes: int, own_bytes: int) -> Config:
    """Fill the sizes that depend on the disk, and check what only the complete settings show.

    ``free_bytes`` is what the journal's volume has left, ``own_bytes`` what the journal takes of it already. The
    default cap is half of their sum, so it does not shrink as the journal grows. Raises ConfigError.
    """
    journal = config.journal
    max_size_bytes = journal.max_size_bytes
    if max_size_bytes is None:
        half = (free_bytes + own_bytes) // DEFAULT_FREE_DIVISOR
        # On a full volume a start must not fail by a figure that nobody chose: what is delivered makes room.
        max_size_bytes = max(min(DEFAULT_MAX_SIZE_BYTES, half), MIN_SEGMENTS * MIN_DEFAULT_SEGMENT_BYTES)
    problems = source_problems(config.source, journal.path)
    cap_problem = _max_size_problem(max_size_bytes, journal.segment_size_bytes)
    if problems or cap_problem:
        raise ConfigError([*problems, *([cap_problem] if cap_problem else [])])
    segment_size_bytes = journal.segment_size_bytes or default_segment_size_bytes(max_size_bytes)
    resolved = replace(
        journal,
        max_size_bytes=max_size_bytes,
        segment_size_bytes=segment_size_bytes,
        retain_size_bytes=min(journal.retain_size_bytes, max_size_bytes),
    )
    return replace(config, journal=resolved)


def apply_flags(
    config: Config,
    *,
    fifo: str | None = None,
    file: str | None = None,
    journal: str | None = None,
    pid_file: str | None = None,
) -> Config:
    """Return the settings with those of the command line in place of the file's; None leaves the file's.

    ``fifo`` and ``file`` each replace whichever of the two the file names. Raises ConfigError where a flag is empty,
    or both of these are given.
    """
    flags = (("--fifo", fifo), ("--file", file), ("--journal", journal), ("--pid-file", pid_file))
    problems = [
        Problem(flag, '""', "is empty", "Give a path, or leave the flag out") for flag, value in flags if value == ""
    ]
    if fifo is not None and file is not None:
        problems.append(Problem("--file", quote(file), "is given together with --fifo", "Keep one of them"))
    if problems:
        raise ConfigError(problems)
    source = config.source
    if fifo is not None:
        source = with_fifo(source, fifo)
    if file is not None:
        source = with_file(source, file)
    if pid_file is not None:
        source = replace(source, reclaim=replace(source.reclaim, pid_file=pid_file))
    return replace(
        config,
        source=source,
        journal=config.journal if journal is None else replace(config.journal, path=journal),
    )
