"""Where the records come from: the section ``source`` of the config, and what in it cannot be. Pure."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from standpipe.config_keys import TABLE
from standpipe.config_problem import Problem, quote, show_value
from standpipe.journal.layout import Layout

if TYPE_CHECKING:
    from standpipe.config_section import Section

TIB = 1 << 40
MIB = 1 << 20

RECLAIM_REMEDY = "Delete the section, or name a file"


@dataclass(frozen=True, slots=True)
class ReclaimConfig:
    """How the disk space of ``source.file`` is given back. ``pid_file`` is None where none is named."""

    way: str
    at_bytes: int
    max_apparent_size_bytes: int
    pid_file: str | None


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Where the records come from: a FIFO or a file; both are None where neither file nor flag named one."""

    fifo: str | None
    file: str | None
    prefix: str
    reclaim: ReclaimConfig

    @property
    def path(self) -> str | None:
        """Return the path that Vault writes to, whichever it is."""
        return self.fifo if self.file is None else self.file


DEFAULT_RECLAIM = ReclaimConfig("auto", 8 * MIB, TIB, None)  # as the table of keys has it; a test compares them


def parse_source(section: Section) -> SourceConfig:
    """Return the settings of the section, and report what is wrong in it."""
    section.check_names()
    reclaim = section.below("reclaim")
    if "fifo" in section.values and "file" in section.values:
        section.report("file", "", "is given together with source.fifo", "Keep one of them")
    elif "fifo" in section.values and "reclaim" in section.values:
        section.report("reclaim", "", "works with source.file only", RECLAIM_REMEDY)
    return SourceConfig(
        fifo=section.text("fifo"),
        file=section.text("file"),
        prefix=section.text("prefix") or "",
        reclaim=_parse_reclaim(reclaim),
    )


def _parse_reclaim(section: Section) -> ReclaimConfig:
    section.check_names()
    reclaim = ReclaimConfig(
        way=section.text("way") or "",
        at_bytes=section.integer("at") or 0,
        max_apparent_size_bytes=section.integer("max_apparent_size") or 0,
        pid_file=section.text("pid_file"),
    )
    if reclaim.max_apparent_size_bytes < reclaim.at_bytes:
        name = "max_apparent_size"
        shown = show_value(name, section.values.get(name, TABLE.keys[f"source.reclaim.{name}"].default))
        section.report(name, shown, "is less than source.reclaim.at", "Use more than source.reclaim.at")
    return reclaim


def with_fifo(source: SourceConfig, fifo: str) -> SourceConfig:
    """Return the source with this FIFO in place of what the file names; a file's reclaim goes with the file."""
    return replace(source, fifo=fifo, file=None, reclaim=source.reclaim if source.file is None else DEFAULT_RECLAIM)


def with_file(source: SourceConfig, file: str) -> SourceConfig:
    """Return the source with this file in place of what the file of settings names."""
    return replace(source, fifo=None, file=file)


def source_problems(source: SourceConfig, journal: str) -> list[Problem]:
    """Return what is wrong with a source beside a journal, once the flags have had their say."""
    problems = []
    if source.fifo is not None and source.reclaim != DEFAULT_RECLAIM:
        problems.append(Problem("source.reclaim", "", "works with source.file only", RECLAIM_REMEDY))
    if source.fifo is not None and _is_of_the_journal(source.fifo, journal):
        remedy = "Give the FIFO a path of its own"
        problems.append(Problem("source.fifo", quote(source.fifo), "is a path of the journal itself", remedy))
    if source.file is not None and lies_inside(source.file, journal):
        remedy = "Keep Vault's file and the journal apart"
        problems.append(Problem("source.file", quote(source.file), "lies inside the journal's directory", remedy))
    return problems


def _is_of_the_journal(fifo: str, journal: str) -> bool:
    """Tell whether Vault's FIFO is the journal or its reserve: bytes would run in a circle."""
    return PurePosixPath(fifo) in (PurePosixPath(journal), PurePosixPath(Layout(journal).reserve))


def lies_inside(path: str, directory: str) -> bool:
    """Tell by their names whether a path is a directory or is below it."""
    return PurePosixPath(posixpath.normpath(path)).is_relative_to(posixpath.normpath(directory))
