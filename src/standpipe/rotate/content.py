"""Bytes of files: opened without waiting, proven, searched and copied. Every function raises OSError.

Nothing here decides anything.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from typing import TYPE_CHECKING

from standpipe.capture import volume
from standpipe.capture.proof import read_range
from standpipe.capture.regular_file import why_not_regular
from standpipe.errors import SourceError
from standpipe.journal.frames import FrameFile
from standpipe.rotate.names import COMPRESSED_SUFFIX
from standpipe.rotate.state import PROOF_BYTES_MAX, STRONG_BYTES_MIN, Generation, Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standpipe.rotate.state import Range

    Progress = Callable[[str, int, int], None]  # what is done, bytes done, bytes in all

COPY_BYTES = 8 << 20  # one call of sendfile: a signal and the progress wait no longer than this takes
BLOCK_BYTES = 1 << 20


def open_regular(path: str, flags: int = os.O_RDONLY) -> int | None:
    """Open a regular file; None where nothing has the name. Never waits, and never wakes whoever waits on a FIFO.

    Raises SourceError for anything that is not a regular file.
    """
    try:
        _refuse_other_kinds(path, os.lstat(path))
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        _refuse_other_kinds(path, os.fstat(descriptor))
    except SourceError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_other_kinds(path: str, status: os.stat_result) -> None:
    kind = why_not_regular(status)
    if kind:
        raise SourceError(
            f"{path} is {kind}, not a regular file", "Name the file itself that Vault's audit device writes"
        )


def inode_of(path: str) -> int | None:
    """Return the inode number of a regular file; None where there is none of that name."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return status.st_ino if stat.S_ISREG(status.st_mode) else None


def prove(descriptor: int, end: int, begin: int = 0) -> Proof:
    """Return the proof of the last bytes of [begin, end)."""
    start = max(begin, end - PROOF_BYTES_MAX)
    data = read_range(descriptor, start, end)
    return Proof(start, end, sha256(data).hexdigest(), len(data) >= STRONG_BYTES_MIN and b"\n" in data)


def holds(descriptor: int, proof: Proof) -> bool:
    """Say whether a file has the bytes of a proof where the proof says."""
    data = read_range(descriptor, proof.start, proof.end)
    return len(data) == proof.end - proof.start and sha256(data).hexdigest() == proof.sha256


def is_same_file(descriptor: int, known: Generation) -> bool:
    """Say whether an open file is a known one: by its content and, where that is short, by inode and birth time too."""
    if not holds(descriptor, known.proof):
        return False
    if known.proof.strong:
        return True
    return (os.fstat(descriptor).st_ino, volume.birth_time_ns(descriptor)) == (known.inode, known.birth_time_ns)


def end_of_last_record(descriptor: int, start: int, end: int) -> int:
    """Return the offset after the last newline of [start, end); start where there is none."""
    while end > start:
        begin = max(start, end - BLOCK_BYTES)
        at = read_range(descriptor, begin, end).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return start


def copy_range(source: int, target: int, start: int, end: int, progress: Progress) -> int:
    """Append the bytes [start, end) of source to target, in the kernel; return how many there were.

    By sendfile, never copy_file_range: that may make Vault wait for the disk (journal.intake). Raises OSError.
    """
    at = start
    while at < end:
        copied = os.sendfile(target, source, at, min(COPY_BYTES, end - at))
        if not copied:
            break
        at += copied
        progress("copying", at - start, end - start)
    return at - start


def blocks(path: str) -> Iterator[bytes]:
    """Return the raw bytes of an archive, compressed or not. Raises JournalError where it is damaged."""
    if path.endswith(COMPRESSED_SUFFIX):
        frames = FrameFile(path)
        try:
            yield from frames.blocks()
        finally:
            frames.close()
        return
    with open(path, "rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def common_end(descriptor: int, archived: Range, path: str, begin: int) -> int:
    """Return up to where a file still holds what an archive of it holds, from begin on, in whole records."""
    at, agreed = archived.start, max(begin, archived.start)
    for whole in blocks(path):
        block = whole[: archived.end - at]
        skip = max(0, begin - at)
        ours = block[skip:]
        theirs = read_range(descriptor, at + skip, at + len(block))
        shorter = min(len(ours), len(theirs))
        equal = next((i for i in range(shorter) if ours[i] != theirs[i]), shorter)
        newline = ours.rfind(b"\n", 0, equal)
        if newline >= 0:
            agreed = at + skip + newline + 1
        if equal < len(ours) or not block:
            break
        at += len(block)
    return agreed


def find_tail(descriptor: int, path: str, begin: int) -> int | None:
    """Return the offset after the one place where a file holds the last bytes of an archive; None for none or many."""
    tail = b""
    for block in blocks(path):
        tail = (tail + block)[-PROOF_BYTES_MAX:]
    if not tail:
        return None
    size = os.fstat(descriptor).st_size
    found = None
    while begin < size:
        data = read_range(descriptor, begin, begin + BLOCK_BYTES + len(tail) - 1)
        at = data.find(tail)
        while at >= 0:
            if found not in (None, begin + at):
                return None
            found = begin + at
            at = data.find(tail, at + 1)
        begin += BLOCK_BYTES
    return None if found is None else found + len(tail)
