"""Read one data file of a segment from its first byte to its last, once, and say what was seen.

The digest and the look at every record (evidence.record_pass) share the read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.evidence.journal_facts import CopyFacts
from standpipe.journal.digest import digest_blocks
from standpipe.journal.frames import FrameFile
from standpipe.journal.layout import COMPRESSED_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.evidence.record_pass import RecordPass

BLOCK_BYTES = 1 << 20  # one read: large beside a system call, small beside memory
GONE_ERRORS = (errno.ENOENT, errno.ESTALE)

Progress = Callable[[int, int], None]  # bytes read so far, bytes listed in all


class GoneError(Exception):
    """A listed file is no longer there: list again. It never leaves this room."""


@dataclass(slots=True)
class Meter:
    """How far we are, in bytes on disk."""

    progress: Progress
    done: int = 0
    total: int = 0

    def add(self, count: int) -> None:
        """Note bytes that were read."""
        self.done += count
        self.progress(self.done, max(self.done, self.total))


def _limited(blocks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """Yield the first limit bytes; read no block more than these need."""
    left = limit
    while left > 0:
        block = next(blocks, b"")
        if not block:
            return
        yield block[:left]
        left -= len(block)


def _log_blocks(descriptor: int, meter: Meter) -> Iterator[bytes]:
    while block := os.read(descriptor, BLOCK_BYTES):
        meter.add(len(block))
        yield block


@dataclass(frozen=True, slots=True)
class CopyToRead:
    """A data file that is to be read: where it is, which addresses it holds, and who looks at its bytes."""

    path: str
    base: int
    covered: int | None  # bytes that count, from the base on; None: all
    meter: Meter
    seen_by: RecordPass | None
    hashed: bool

    @property
    def name(self) -> str:
        """The file's name, without its directory."""
        return os.path.basename(self.path)

    def facts(self, blocks: Iterator[bytes], size: int) -> CopyFacts:
        """Read the blocks of a file of that many raw bytes, as far as they count."""
        limit = size if self.covered is None else min(self.covered, size)
        digest = digest_blocks(self._shown(_limited(blocks, limit)), hashed=self.hashed)
        return CopyFacts(
            self.name, size, digest.length, digest.sha256, digest.records, digest.first_time, digest.last_time
        )

    def _shown(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        if self.seen_by is None:
            yield from blocks
            return
        address = self.base
        for block in blocks:
            self.seen_by.feed(address, block)
            address += len(block)
            yield block


def _read_log(copy: CopyToRead) -> CopyFacts:
    descriptor = os.open(copy.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return copy.facts(_log_blocks(descriptor, copy.meter), os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def _frame_blocks(frames: FrameFile, meter: Meter) -> Iterator[bytes]:
    for frame, block in zip(frames.frames, frames.blocks(), strict=True):
        meter.add(frame.compressed_size)
        if block:
            yield block


def _read_compressed(copy: CopyToRead) -> CopyFacts:
    try:
        frames = FrameFile(copy.path)
        try:
            return copy.facts(_frame_blocks(frames, copy.meter), frames.raw_size)
        finally:
            frames.close()
    except JournalError as error:
        return CopyFacts(copy.name, 0, 0, "", 0, error=error.message)


def read_copy(copy: CopyToRead) -> CopyFacts:
    """Read one data file. Raises GoneError where it is no longer there."""
    try:
        return _read_compressed(copy) if copy.path.endswith(COMPRESSED_SUFFIX) else _read_log(copy)
    except OSError as error:
        if error.errno in GONE_ERRORS:
            raise GoneError from error
        return CopyFacts(copy.name, 0, 0, "", 0, unreadable=error.strerror or str(error))
