"""Directories for what a command keeps on disk while it runs: records in temporary files, which nobody may find later.

They are removed one by one when they are done with, and all together when a signal ends the command (cli.endings).
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "standpipe-"

_alive: set[str] = set()


def make(parent: str | None = None) -> str:
    """Make a directory, mode 0700, in `parent` or where temporary files go; the caller removes it. Raises OSError."""
    directory = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
    _alive.add(directory)
    return directory


def remove(directory: str) -> None:
    """Remove a directory of ours and all that is in it."""
    shutil.rmtree(directory, ignore_errors=True)
    _alive.discard(directory)


def remove_all() -> None:
    """Remove every directory that is still there, whoever works in it."""
    for directory in tuple(_alive):
        remove(directory)


@contextmanager
def scratch(parent: str | None = None) -> Iterator[str]:
    """Give a directory for the length of a block. Raises OSError."""
    directory = make(parent)
    try:
        yield directory
    finally:
        remove(directory)
