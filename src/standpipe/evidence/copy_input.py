"""Reads an input line by line: a file or standard input, compressed or not, as its first bytes say."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import sys
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUFFER_BYTES = 1 << 20  # one read of the file
LINE_BYTES_MAX = 256 << 20
"""Of one line: a record of 128 MiB (records.framing), as text with escapes in a wrapper's string. A longer one is read
in pieces, which are no records."""

STANDARD_INPUT = "-"
STANDARD_INPUT_NAME = "standard input"

_KINDS = (  # name, first bytes: RFC 1952, RFC 8878, .xz file format 1.2.1, bzip2; a skippable frame is zstd as well
    ("gzip", b"\x1f\x8b"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
    ("xz", b"\xfd7zXZ\x00"),
    ("bzip2", b"BZh"),
)
MAGIC_BYTES = 6
FIRST_BYTES = 256 << 10  # in which a file's first record is sought
_FIRST_TIME = re.compile(rb'"time\\?": ?\\?"(\d{4}-\d\d-\d\dT[\d:.]+Z)')  # with a backslash inside of a text
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError)


class _Counted(io.RawIOBase):
    """A file whose bytes are counted as they are read."""

    def __init__(self, descriptor: int, count: Callable[[int], None]) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._count = count

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader hands over
        size = os.readv(self._descriptor, [buffer])
        self._count(size)
        return size


def input_name(path: str) -> str:
    """Return how an input is called in messages."""
    return STANDARD_INPUT_NAME if path == STANDARD_INPUT else path


def input_bytes(path: str) -> int:
    """Return an input's size on disk; 0 where it has none that is known. Raises nothing."""
    try:
        status = os.stat(path) if path != STANDARD_INPUT else os.fstat(sys.stdin.fileno())
    except (OSError, ValueError):
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


@contextmanager
def open_input(path: str, count: Callable[[int], None]) -> Iterator[tuple[BinaryIO, str]]:
    """Give an input's content, unpacked, and the name of its compression. count is told of the bytes read.

    Raises OSError. What is read raises one of READ_ERRORS where the content is damaged.
    """
    own = path != STANDARD_INPUT
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if own else sys.stdin.fileno()
    try:
        packed = io.BufferedReader(_Counted(descriptor, count), BUFFER_BYTES)
        start = packed.peek(MAGIC_BYTES)[:MAGIC_BYTES]
        kind = next((name for name, magic in _KINDS if start.startswith(magic)), "")
        yield _unpacked(packed, kind), kind
    finally:
        if own:
            os.close(descriptor)


def _unpacked(packed: io.BufferedReader[_Counted], kind: str) -> BinaryIO:
    if kind == "gzip":
        return cast("BinaryIO", gzip.open(packed, "rb"))
    if kind == "zstd":
        return cast("BinaryIO", zstd.open(packed, "rb"))
    if kind == "xz":
        return cast("BinaryIO", lzma.open(packed, "rb"))
    if kind == "bzip2":
        return cast("BinaryIO", bz2.open(packed, "rb"))
    return cast("BinaryIO", packed)


def first_time(path: str) -> str:
    """Return the time of the first record in a file, as text; "" where none is near its beginning. Raises nothing."""
    if path == STANDARD_INPUT:
        return ""
    try:
        with open_input(path, lambda _: None) as (file, _):
            found = _FIRST_TIME.search(file.read(FIRST_BYTES))
    except READ_ERRORS:
        return ""
    return found[1].decode() if found else ""


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines, without their newlines; the last one also where it has none."""
    while line := file.readline(LINE_BYTES_MAX):
        yield line[:-1] if line.endswith(b"\n") else line
