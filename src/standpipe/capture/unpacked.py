"""Compressed bytes that must be looked at, unpacked into a file without a name in the journal's directory.

A segment that keep has compressed is unpacked by a process of its own, because capture imports the standard library
only; a generation that logrotate has compressed, by zlib.
"""

from __future__ import annotations

import os
import sys
import zlib

from standpipe.journal.atomic import unlink_if_there, write_all
from standpipe.journal.layout import FILE_MODE, TEMPORARY_SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

GZIP_WINDOW_BITS = 31  # zlib's manual: 16 more than the window means that a gzip header is expected
READ_BYTES = 1 << 20


def open_nameless(directory: str) -> int:
    """Open a file without a name for reading and writing. Raises OSError."""
    try:
        return os.open(directory, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, FILE_MODE)
    except OSError:  # not every file system has O_TMPFILE: open(2)
        path = f"{directory}/unpacked{TEMPORARY_SUFFIX}"
        unlink_if_there(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        os.unlink(path)
        return descriptor


def unpack_segment(path: str, directory: str) -> int | None:
    """Return a descriptor with the raw bytes of a ``.log.zst``; None where it cannot be unpacked. Raises OSError."""
    descriptor = open_nameless(directory)
    command = [sys.executable, "-P", "-m", "standpipe.journal.unpack", path]
    child = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, descriptor, 1)])
    _, wait_status = os.waitpid(child, 0)
    if wait_status:
        os.close(descriptor)
        return None
    return descriptor


def unpack_gzip(path: str, directory: str) -> int | None:
    """Return a descriptor with the raw bytes of a ``.gz``; None where it is none, or cut off. Raises OSError."""
    descriptor = open_nameless(directory)
    try:
        with open(path, "rb") as file:
            whole = _inflate(file.read, descriptor)
    except (OSError, zlib.error):
        whole = False
    if whole:
        return descriptor
    os.close(descriptor)
    return None


def _inflate(read: Callable[[int], bytes], target: int) -> bool:
    """Write the content of a gzip stream, which may have several members; False where it ends too early."""
    inflater = zlib.decompressobj(GZIP_WINDOW_BITS)
    while block := read(READ_BYTES):
        while block:
            write_all(target, inflater.decompress(block, READ_BYTES))
            block = inflater.unconsumed_tail
            if inflater.eof:
                block = inflater.unused_data.lstrip(b"\0")
                inflater = zlib.decompressobj(GZIP_WINDOW_BITS) if block else inflater
    return inflater.eof
