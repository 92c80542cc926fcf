"""Copies of records in any order, sorted: in memory while they are few, in sorted runs on disk beyond.

Memory holds at most one run and a block of each run that is merged, so 100 GB of copies need no more than 1 GB do. On
disk they take what zstd at its fastest makes of them, about a fifth for audit records, twice for a moment where runs
are merged into a larger one.
"""

from __future__ import annotations

import heapq
import os
import sys
import tempfile
from typing import TYPE_CHECKING, BinaryIO

from standpipe import scratch
from standpipe.errors import StandpipeError
from standpipe.evidence.copy_entry import HEAD_BYTES, Entry, pack, unpack_head

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY_BYTES = 256 << 20  # of records at once; what Python adds to each is counted
ENTRY_OVERHEAD_BYTES = 500  # of a tuple, its numbers and the head of its bytes, by measurement
RUNS_MAX = 64  # merged at once: file descriptors, and 1 MiB of memory each
COMPRESSION_LEVEL = 1  # zstd's fastest ordinary level: it is written once and read once
HEADS_BYTES = 1 << 20  # written at once


class CopyStore:
    """Takes entries in any order and gives them back sorted."""

    def __init__(self, spill_directory: str | None = None, memory_bytes: int = MEMORY_BYTES) -> None:
        """spill_directory: where runs go; the system's directory for temporary files where none is given."""
        self._parent = spill_directory
        self._memory_bytes = memory_bytes
        self._directory: str | None = None
        self._held: list[Entry] = []
        self._held_bytes = 0
        self._runs: list[list[str]] = [[]]  # by how often they were merged
        self._made = 0
        self._open: list[BinaryIO] = []

    @property
    def spilled(self) -> bool:
        """Tell whether anything went to the disk."""
        return self._made > 0

    def add(self, entry: Entry) -> None:
        """Take one. Raises StandpipeError where it should go to the disk and cannot."""
        self._held.append(entry)
        self._held_bytes += len(entry.body) + ENTRY_OVERHEAD_BYTES
        if self._held_bytes >= self._memory_bytes:
            self._spill()

    def sorted(self) -> Iterator[Entry]:
        """Yield all in order; no more can be added then. Raises StandpipeError where the disk does not give them."""
        self._held.sort()
        runs = [path for level in self._runs for path in level]
        if not runs:
            yield from self._held
            return
        try:
            yield from heapq.merge(*map(self._read, runs), self._held)
        except (OSError, zstd.ZstdError) as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Remove what is on the disk."""
        for file in self._open:
            file.close()
        self._held = []
        if self._directory is not None:
            scratch.remove(self._directory)
            self._directory = None

    def _spill(self) -> None:
        self._held.sort()
        try:
            self._runs[0].append(self._write(iter(self._held)))
            self._held, self._held_bytes = [], 0
            self._merge_level(0)
        except (OSError, zstd.ZstdError) as error:
            raise self._failure(error) from error

    def _merge_level(self, level: int) -> None:
        """Make one run of as many as are merged at once."""
        if len(self._runs[level]) < RUNS_MAX:
            return
        if level + 1 == len(self._runs):
            self._runs.append([])
        paths = self._runs[level]
        self._runs[level + 1].append(self._write(heapq.merge(*map(self._read, paths))))
        self._runs[level] = []
        for path in paths:
            os.unlink(path)
        self._merge_level(level + 1)

    def _write(self, entries: Iterator[Entry]) -> str:
        if self._directory is None:
            self._directory = scratch.make(self._parent)
        path = f"{self._directory}/{self._made:06d}"
        self._made += 1
        with zstd.open(path, "wb", level=COMPRESSION_LEVEL) as file:
            pending = bytearray()
            for entry in entries:
                head, body = pack(entry)
                pending += head
                pending += body
                if len(pending) >= HEADS_BYTES:
                    file.write(pending)
                    pending.clear()
            file.write(pending)
        return path

    def _read(self, path: str) -> Iterator[Entry]:
        with zstd.open(path, "rb") as file:
            while head := file.read(HEAD_BYTES):
                numbers, size = unpack_head(head)
                yield Entry._make((*numbers, file.read(size)))

    def _failure(self, error: Exception) -> StandpipeError:
        where = self._directory or self._parent or tempfile.gettempdir()
        return StandpipeError(
            f"cannot sort the copies in {where}: {error}",
            "Name a directory with room for a third of the copies with --spill-dir",
        )
