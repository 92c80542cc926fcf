from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.errors import JournalError
from standpipe.journal import frames
from standpipe.journal.frames import FRAME_RAW_BYTES, FrameFile, write_frames

if TYPE_CHECKING:
    from pathlib import Path

HALF_FRAME = FRAME_RAW_BYTES // 2


def compress(path: Path, blocks: list[bytes]) -> list[int]:
    """Write a compressed file and return the progress that was reported."""
    with path.open("wb") as file:
        return list(write_frames(blocks, file.write))


def sample(size: int) -> bytes:
    """Return bytes that compress a little."""
    return hashlib.shake_128(b"%d" % size).hexdigest(size // 2 + 1).encode()[:size]


def test_the_zstd_command_reads_what_we_write(tmp_path: Path) -> None:
    """The public zstd tool unpacks a compressed segment to the raw bytes, and its test mode finds no fault."""
    raw = sample(3 * FRAME_RAW_BYTES + 77)
    path = tmp_path / "s.log.zst"
    compress(path, [raw])
    assert raw == subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    subprocess.run(["zstd", "-tq", path], check=True)


def test_an_empty_segment_is_a_seek_table_alone(tmp_path: Path) -> None:
    """A segment without bytes is a valid file without frames."""
    path = tmp_path / "s.log.zst"
    compress(path, [])
    file = FrameFile(str(path))
    assert (0, [], None) == (file.raw_size, list(file.blocks()), file.frame_at(0))
    file.close()
    assert subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout == b""


def test_the_seek_table_is_that_of_the_specification(tmp_path: Path) -> None:
    """The file ends as the seekable format 0.1.0 says, field by field."""
    path = tmp_path / "s.log.zst"
    compress(path, [b"x" * 10])
    data = path.read_bytes()
    frame_size = len(data) - (8 + 8 + 9)
    expected = b"\x5e\x2a\x4d\x18" + (17).to_bytes(4, "little")
    expected += frame_size.to_bytes(4, "little") + (10).to_bytes(4, "little")
    expected += (1).to_bytes(4, "little") + b"\x00" + b"\xb1\xea\x92\x8f"
    assert expected == data[frame_size:]


@given(st.lists(st.sampled_from([0, 1, 1000, HALF_FRAME, FRAME_RAW_BYTES - 1, FRAME_RAW_BYTES]), max_size=4), st.data())
def test_any_offset_is_read_by_unpacking_one_frame(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    """However the blocks are cut, frames hold 1 MiB each and any byte is found in the frame that frame_at names."""
    raw = b"".join(bytes([65 + i]) * size for i, size in enumerate(sizes))
    blocks, at = [], 0
    for size in sizes:
        blocks.append(raw[at : at + size])
        at += size
    path = tmp_path_factory.mktemp("frames") / "s.log.zst"
    progress = compress(path, blocks)
    file = FrameFile(str(path))
    assert raw == b"".join(file.blocks())
    assert len(raw) == file.raw_size == (progress[-1] if progress else 0)
    assert all(frame.raw_size == FRAME_RAW_BYTES for frame in file.frames[:-1])
    if raw:
        offset = data.draw(st.integers(0, len(raw) - 1))
        index = file.frame_at(offset)
        assert index is not None
        assert raw[offset] == file.read_frame(index)[offset - file.frames[index].raw_position]
    assert file.frame_at(len(raw)) is None
    file.close()
    path.unlink()


def read_all(path: Path) -> bytes:
    """Open and read a compressed file."""
    file = FrameFile(str(path))
    try:
        return b"".join(file.blocks())
    finally:
        file.close()


@given(st.data())
def test_no_single_changed_byte_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """One changed byte anywhere gives either an error that names the file or the very same bytes, never others."""
    path = tmp_path_factory.mktemp("damage") / "s.log.zst"
    raw = sample(3000)
    compress(path, [raw])
    packed = bytearray(path.read_bytes())
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(packed)
    try:
        found, error = read_all(path), ""
    except JournalError as damage:
        found, error = raw, str(damage)
    assert raw == found
    assert not error or error.startswith(f"{path} is damaged")
    path.unlink()


@given(st.binary(max_size=60))
def test_any_other_file_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """A file that is none of ours, or the head of one, is a JournalError and nothing else."""
    path = tmp_path_factory.mktemp("junk") / "s.log.zst"
    path.write_bytes(content)
    with pytest.raises(JournalError, match="damaged"):
        FrameFile(str(path))
    path.unlink()


def test_a_table_that_does_not_fit_is_damage(tmp_path: Path) -> None:
    """A table that speaks of fewer raw bytes than a frame holds, or of a shorter file, is refused."""
    path = tmp_path / "s.log.zst"
    compress(path, [b"x" * 100])
    packed = path.read_bytes()
    path.write_bytes(
        packed.replace((100).to_bytes(4, "little") + b"\x01\0\0\0", (9).to_bytes(4, "little") + b"\x01\0\0\0")
    )
    with pytest.raises(JournalError, match="does not hold exactly 9 raw bytes"):
        read_all(path)
    path.write_bytes(b"more" + packed)
    with pytest.raises(JournalError, match="its seek table speaks of"):
        FrameFile(str(path))


def test_frames_are_found_at_their_edges(tmp_path: Path) -> None:
    """The last byte of a frame and the first one of the next are in different frames."""
    path = tmp_path / "s.log.zst"
    compress(path, [b"x" * (FRAME_RAW_BYTES + 2)])
    file = FrameFile(str(path))
    offsets = (-1, 0, FRAME_RAW_BYTES - 1, FRAME_RAW_BYTES, FRAME_RAW_BYTES + 1, FRAME_RAW_BYTES + 2)
    assert [None, 0, 0, 1, 1, None] == [file.frame_at(offset) for offset in offsets]
    file.close()


def test_damage_names_the_frame(tmp_path: Path) -> None:
    """The message says which frame is damaged, and the frames beside it are still readable."""
    path = tmp_path / "s.log.zst"
    compress(path, [sample(FRAME_RAW_BYTES), sample(FRAME_RAW_BYTES)])
    file = FrameFile(str(path))
    second = file.frames[1]
    packed = bytearray(path.read_bytes())
    packed[second.position + second.compressed_size // 2] ^= 1
    path.write_bytes(packed)
    assert FRAME_RAW_BYTES == len(file.read_frame(0))
    with pytest.raises(JournalError, match="frame 1 of 2"):
        file.read_frame(1)
    file.close()


def test_a_table_with_an_unknown_descriptor_is_refused() -> None:
    """Reserved bits are for a future format: reading on would be guessing."""
    with pytest.raises(ValueError, match="descriptor 0x40"):
        frames.parse_footer(frames.FOOTER.pack(1, 0x40, frames.SEEKABLE_MAGIC))


def test_entries_with_checksums_are_understood() -> None:
    """Tables of other writers may carry 4 more bytes an entry."""
    assert (3, 12) == frames.parse_footer(frames.FOOTER.pack(3, 0x80, frames.SEEKABLE_MAGIC))
