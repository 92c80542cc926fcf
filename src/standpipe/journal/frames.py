"""Compressed segments: zstd in independent frames, so that any offset can be read by unpacking one frame.

The file follows the public *zstd seekable format* 0.1.0 (facebook/zstd,
contrib/seekable_format/zstd_seekable_compression_format.md): each FRAME_RAW_BYTES of raw data is one zstd frame
(RFC 8878) with content size and checksum, and a skippable frame at the end carries the seek table. ``zstdcat`` passes
over skippable frames, so it prints the raw bytes. All numbers are little-endian::

    frame 0 … frame n-1
    0x184D2A5E                4 bytes   skippable magic number
    size                      4 bytes   of all that follows: 8 × n + 9
    n × entry                 8 bytes   compressed size, raw size, 4 bytes each
    n                         4 bytes   footer: number of frames,
    0                         1 byte            descriptor: bit 7 = entries carry checksums (ours do not; frames do),
                                                bits 6-2 reserved, must be 0
    0x8F92EAB1                4 bytes           seekable magic number
"""

from __future__ import annotations

import os
import struct
import sys
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.errors import JournalError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FRAME_RAW_BYTES = 1 << 20  # raw bytes a frame: a reader unpacks at most this much to reach any byte
COMPRESSION_LEVEL = 1  # of audit records no level up to 5 makes less (tenfold), and level 3 takes 1.7 times as long
FRAME_RAW_BYTES_MAX = 16 << 20  # refuse to unpack larger frames: a damaged table must not take our memory
FRAMES_MAX = 1 << 20  # 1 TiB of raw bytes; a damaged count must not take our memory

SKIPPABLE_MAGIC = 0x184D2A5E
SEEKABLE_MAGIC = 0x8F92EAB1
CHECKSUM_FLAG = 0x80
RESERVED_BITS = 0x7C

HEADER = struct.Struct("<II")
ENTRY = struct.Struct("<II")
FOOTER = struct.Struct("<IBI")
CHECKSUM_BYTES = 4  # of an entry, where CHECKSUM_FLAG is set by another writer

REMEDY = "Restore the file from a copy; `standpipe verify` says which records it held"


@dataclass(frozen=True, slots=True)
class Frame:
    """Where one frame lies in the compressed file, and which raw bytes it holds. All in bytes."""

    position: int
    compressed_size: int
    raw_position: int
    raw_size: int


def _chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut blocks of any length into chunks of FRAME_RAW_BYTES, the last one shorter."""
    held = bytearray()
    for block in blocks:
        if not held and len(block) == FRAME_RAW_BYTES:
            yield block
            continue
        held += block
        while len(held) >= FRAME_RAW_BYTES:
            yield bytes(held[:FRAME_RAW_BYTES])
            del held[:FRAME_RAW_BYTES]
    if held:
        yield bytes(held)


def write_frames(blocks: Iterable[bytes], write: Callable[[bytes], object]) -> Iterator[int]:
    """Compress blocks and hand each frame, and last the seek table, to write; yield the raw bytes done so far."""
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: COMPRESSION_LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    entries: list[bytes] = []
    done = 0
    for chunk in _chunks(blocks):
        compressor.set_pledged_input_size(len(chunk))
        frame = compressor.compress(chunk, zstd.ZstdCompressor.FLUSH_FRAME)
        write(frame)
        entries.append(ENTRY.pack(len(frame), len(chunk)))
        done += len(chunk)
        yield done
    write(encode_seek_table(entries))


def encode_seek_table(entries: list[bytes]) -> bytes:
    """Return the skippable frame that carries the packed entries."""
    table = b"".join(entries)
    header = HEADER.pack(SKIPPABLE_MAGIC, len(table) + FOOTER.size)
    return header + table + FOOTER.pack(len(entries), 0, SEEKABLE_MAGIC)


def parse_footer(footer: bytes) -> tuple[int, int]:
    """Return (number of frames, bytes an entry). Raises ValueError."""
    if len(footer) != FOOTER.size:
        raise ValueError("the file is shorter than a seek table's footer")
    count, descriptor, magic = FOOTER.unpack(footer)
    if magic != SEEKABLE_MAGIC:
        raise ValueError("it does not end with a seek table")
    if descriptor & RESERVED_BITS:
        raise ValueError(f"its seek table has descriptor {descriptor:#x}, which this program does not understand")
    if count > FRAMES_MAX:
        raise ValueError(f"its seek table claims {count} frames")
    return count, ENTRY.size + (CHECKSUM_BYTES if descriptor & CHECKSUM_FLAG else 0)


def parse_seek_table(table: bytes, entry_bytes: int, file_size: int) -> list[Frame]:
    """Read the whole skippable frame, footer included. Raises ValueError where it does not fit the file."""
    magic, size = HEADER.unpack(table[: HEADER.size].ljust(HEADER.size))
    if magic != SKIPPABLE_MAGIC or size != len(table) - HEADER.size:
        raise ValueError("its seek table has no valid header")
    frames: list[Frame] = []
    position = raw_position = 0
    for at in range(HEADER.size, len(table) - FOOTER.size, entry_bytes):
        compressed_size, raw_size = ENTRY.unpack_from(table, at)
        if raw_size > FRAME_RAW_BYTES_MAX or compressed_size > 2 * FRAME_RAW_BYTES_MAX:
            raise ValueError(f"frame {len(frames)} claims {compressed_size} bytes for {raw_size} raw ones")
        frames.append(Frame(position, compressed_size, raw_position, raw_size))
        position += compressed_size
        raw_position += raw_size
    if position + len(table) != file_size:
        raise ValueError(f"its seek table speaks of {position + len(table)} bytes, and it has {file_size}")
    return frames


class FrameFile:
    """A compressed segment, open for reading. Every damage is a JournalError that names file and frame."""

    def __init__(self, path: str) -> None:
        """Open the file and read its seek table. Raises OSError and JournalError."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.frames = self._read_table()
        except BaseException:
            os.close(self._descriptor)
            raise
        self._raw_positions = [frame.raw_position for frame in self.frames]
        self.raw_size = sum(frame.raw_size for frame in self.frames)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _read_table(self) -> list[Frame]:
        file_size = os.fstat(self._descriptor).st_size
        try:
            footer = os.pread(self._descriptor, FOOTER.size, max(0, file_size - FOOTER.size))
            count, entry_bytes = parse_footer(footer)
            table_bytes = HEADER.size + count * entry_bytes + FOOTER.size
            table = os.pread(self._descriptor, table_bytes, max(0, file_size - table_bytes))
            return parse_seek_table(table, entry_bytes, file_size)
        except ValueError as error:
            raise JournalError(f"{self.path} is damaged: {error}", REMEDY) from error

    def frame_at(self, raw_position: int) -> int | None:
        """Return the index of the frame that holds a raw byte; None past the end."""
        if not 0 <= raw_position < self.raw_size:
            return None
        return bisect_right(self._raw_positions, raw_position) - 1  # of equal ones the last: empty frames hold nothing

    def read_frame(self, index: int) -> bytes:
        """Return the raw bytes of one frame. Raises JournalError, OSError."""
        frame = self.frames[index]
        packed = os.pread(self._descriptor, frame.compressed_size, frame.position)
        decompressor = zstd.ZstdDecompressor()
        try:
            # One byte more than promised: enough to see that there is more, never a bomb.
            raw = decompressor.decompress(packed, frame.raw_size + 1)
        except zstd.ZstdError as error:
            raise self._damage(index, str(error)) from error
        if len(raw) != frame.raw_size or not decompressor.eof or decompressor.unused_data:
            raise self._damage(index, f"it does not hold exactly {frame.raw_size} raw bytes")
        return raw

    def _damage(self, index: int, reason: str) -> JournalError:
        frame = self.frames[index]
        where = f"frame {index} of {len(self.frames)}, at byte {frame.position}"
        return JournalError(f"{self.path} is damaged: {where}: {reason}", REMEDY)

    def blocks(self) -> Iterator[bytes]:
        """Return all raw bytes, one frame at a time."""
        for index in range(len(self.frames)):
            yield self.read_frame(index)
