"""What is archived of a segment: the compressed file that keep writes, to the byte, and only if it is as sealed.

The object is held in memory, as a list of pieces that go to the store without being copied: no store takes "create it
only if it is not there" in parts through our library, and what was verified is then what is sent. It is the compressed
size of one segment: 4 to 13 MiB of a segment of 64 MiB of audit records.
"""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.frames import FOOTER, FRAME_RAW_BYTES, parse_footer, write_frames

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from standpipe.journal.seal import Seal
    from standpipe.sinks.base import SealedSegment

READ_BYTES = 1 << 20
REMEDY = "`standpipe verify` says what it covers; restore the file from a copy. It is not archived as it is"


class NotAsSealedError(JournalError):
    """Bytes are not those that were sealed."""


def content_of(segment: SealedSegment, seal: Seal) -> list[bytes]:
    """Return the object's content in pieces. Raises OSError, and NotAsSealedError for damage."""
    if not segment.compressed:
        return _compress(segment.path, seal)
    with open(segment.path, "rb", buffering=0) as file:
        pieces = list(iter(lambda: file.read(READ_BYTES), b""))
    if not is_as_sealed(pieces, seal):
        raise NotAsSealedError(f"{segment.path} does not hold what was sealed", REMEDY)
    try:
        parse_footer(b"".join(pieces[-2:])[-FOOTER.size :])
    except ValueError as error:
        raise NotAsSealedError(f"{segment.path} is damaged: {error}", REMEDY) from error
    return pieces


def _compress(path: str, seal: Seal) -> list[bytes]:
    sha256 = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        with open(path, "rb", buffering=0) as file:
            left = seal.end - seal.base
            while left:
                block = file.read(min(FRAME_RAW_BYTES, left))
                if not block:
                    raise NotAsSealedError(f"{path} ends {left} bytes early", REMEDY)
                sha256.update(block)
                left -= len(block)
                yield block

    pieces: list[bytes] = []
    for _ in write_frames(blocks(), pieces.append):
        pass
    if sha256.hexdigest() != seal.sha256:
        raise NotAsSealedError(f"{path} no longer has the digest with which it was sealed", REMEDY)
    return pieces


def is_as_sealed(pieces: Iterable[bytes], seal: Seal) -> bool:
    """Unpack frames that come in pieces of any size and tell whether they hold exactly what was sealed.

    Never unpacks more than was sealed, and holds READ_BYTES of it at a time.
    """
    sha256 = hashlib.sha256()
    left = seal.end - seal.base
    try:
        for raw in unpacked(pieces):
            sha256.update(raw)
            left -= len(raw)
            if left < 0:
                return False
    except (zstd.ZstdError, EOFError):
        return False
    return left == 0 and sha256.hexdigest() == seal.sha256


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the raw bytes of frame after frame, at most READ_BYTES at a time.

    Raises ZstdError, and EOFError where the last frame is cut.
    """
    decompressor = zstd.ZstdDecompressor()
    begun = False  # a frame is under way
    for piece in pieces:
        rest = bytes(piece)
        while rest:
            begun = True
            raw = decompressor.decompress(rest, READ_BYTES)
            yield raw
            while not decompressor.eof and not decompressor.needs_input:
                yield decompressor.decompress(b"", READ_BYTES)
            rest = b""
            if decompressor.eof:
                rest = decompressor.unused_data
                decompressor = zstd.ZstdDecompressor()
                begun = False
    if begun:
        raise EOFError
