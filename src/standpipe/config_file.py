"""Read the config file and the disk's figures that its defaults need."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from standpipe.config import apply_flags, default_config, parse_config, resolve
from standpipe.config_problem import ConfigError, Problem, show_file
from standpipe.config_source import source_problems
from standpipe.errors import JournalError

if TYPE_CHECKING:
    from standpipe.config import Config

MAX_CONFIG_BYTES = 1024 * 1024  # a config has some hundred lines; this ends the reading of a wrong, endless file
STAT_BLOCK_BYTES = 512  # stat(2): st_blocks counts these, whatever the file system's own block is


def load_config(path: str) -> Config:
    """Read and check one YAML file. Raises ConfigError, each problem with the file's name in front."""
    from standpipe.config_yaml import parse_yaml  # noqa: PLC0415 — without a file, no YAML parser is paid for

    try:
        return parse_config(parse_yaml(read_file(path)))
    except ConfigError as error:
        raise ConfigError(error.problems, where=path) from None


def load_settings(
    path: str | None,
    *,
    fifo: str | None = None,
    file: str | None = None,
    journal: str | None = None,
    pid_file: str | None = None,
) -> Config:
    """Return the complete settings of a process: file (or none), then flags, then what depends on the disk.

    Raises ConfigError, or JournalError where the journal's volume cannot be looked at.
    """
    config = default_config() if path is None else load_config(path)
    config = apply_flags(config, fifo=fifo, file=file, journal=journal, pid_file=pid_file)
    free_bytes, own_bytes = volume_bytes(config.journal.path)
    resolved = resolve(config, free_bytes, own_bytes)
    _check_real_paths(resolved)
    return resolved


def _check_real_paths(config: Config) -> None:
    """Raise ConfigError where the file's name hides that it lies in the journal: a link, a relative path."""
    if config.source.file is not None:
        source = replace(config.source, file=os.path.realpath(config.source.file))
        problems = source_problems(source, os.path.realpath(config.journal.path))
        if problems:
            raise ConfigError(problems)


def read_file(path: str) -> bytes:
    """Read a config file whole. Raises ConfigError."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        problem = Problem("(whole file)", "", f"cannot be read: {error.strerror}", "Check --config")
        raise ConfigError([problem]) from error
    if len(content) > MAX_CONFIG_BYTES:
        raise ConfigError([Problem("(whole file)", "", "is larger than 1 MiB", "Check --config")])
    return content


def volume_bytes(journal_path: str) -> tuple[int, int]:
    """Return what the journal's volume has left for us, and what the journal takes of it already.

    Where the journal does not exist yet, its nearest existing parent says which volume it will be on. Counts blocks,
    not lengths, because holes take no room. Raises JournalError.
    """
    path = os.path.abspath(journal_path)
    while not os.path.lexists(path) and path != "/":
        path = os.path.dirname(path)
    try:
        figures = os.statvfs(path)
        return figures.f_bavail * figures.f_frsize, _tree_bytes(journal_path)
    except OSError as error:
        message = f"The volume of the journal {show_file(journal_path)} cannot be looked at: {error.strerror}"
        raise JournalError(message, "Check journal.path and who may read it") from error


def _tree_bytes(path: str) -> int:
    """Return the bytes on disk of all files below. Files may vanish meanwhile: keep deletes them."""
    try:
        entries = list(os.scandir(path))
    except FileNotFoundError:
        return 0
    total = 0
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            total += _tree_bytes(entry.path)
            continue
        try:
            total += entry.stat(follow_symlinks=False).st_blocks * STAT_BLOCK_BYTES
        except FileNotFoundError:
            continue
    return total
