from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.delivery.sealed_segments import next_sealed
from standpipe.journal.frames import write_frames
from standpipe.journal.layout import COMPRESSED_SUFFIX, Layout
from standpipe.journal.seal import Seal, parse_seal
from standpipe.journal.seal_store import read_seal
from standpipe.sinks.base import SealedSegment
from standpipe.sinks.objects_content import NotAsSealedError, content_of, is_as_sealed
from tests.journal.keep_fixture import add_segment, make_journal, make_keeper, record, run_passes
from tests.journal.test_keeping import seal_first

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def seal_of(raw: bytes) -> Seal:
    """Return a seal of these bytes."""
    digest = hashlib.sha256(raw).hexdigest()
    return Seal("j", 0, len(raw), 0, digest, None, None, None, "2026-01-01T00:00:00.000Z")


def framed(raw: bytes) -> bytes:
    """Return the frames and the seek table as keep writes them."""
    pieces: list[bytes] = []
    for _ in write_frames([raw], pieces.append):
        pass
    return b"".join(pieces)


def first(layout: Layout) -> SealedSegment:
    """Return the first sealed segment."""
    segment = next_sealed(layout, 0)
    assert isinstance(segment, SealedSegment)
    return segment


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a journal whose first segment, of several frames, is sealed and not compressed."""
    layout = make_journal(str(tmp_path))
    end = add_segment(layout, 0, b"".join(record(n, 4096) for n in range(600)))
    add_segment(layout, end, record(0), finished=False)
    seal_first(layout)
    return layout


def test_what_we_compress_is_what_keep_compresses(layout: Layout) -> None:
    """The object's bytes do not depend on who was first."""
    ours = b"".join(content_of(first(layout), read_seal(layout, 0)))
    with open("/dev/null", "wb") as null:
        keeper = make_keeper(layout, null.fileno())
        run_passes(keeper)
        keeper.close()
    with open(layout.segment(0, COMPRESSED_SUFFIX), "rb") as file:
        keeps = file.read()
    assert keeps == ours
    assert keeps == b"".join(content_of(first(layout), read_seal(layout, 0)))


def test_a_changed_raw_segment_is_refused(layout: Layout) -> None:
    """One byte is enough."""
    os.chmod(layout.segment(0), 0o600)
    with open(layout.segment(0), "r+b") as file:
        file.seek(5000)
        file.write(b"X")
    with pytest.raises(NotAsSealedError, match="no longer has the digest"):
        content_of(first(layout), read_seal(layout, 0))


def test_a_shortened_raw_segment_is_refused(layout: Layout) -> None:
    """The sentence says how much is missing."""
    os.truncate(layout.segment(0), 5000)
    with pytest.raises(NotAsSealedError, match="bytes early"):
        content_of(first(layout), read_seal(layout, 0))


@pytest.mark.parametrize("damage", ["flip", "cut", "seek table", "other content"])
def test_a_damaged_compressed_segment_is_refused(tmp_path: Path, layout: Layout, damage: str) -> None:
    """Bytes that were flipped, cut off or exchanged are never archived as good."""
    seal = read_seal(layout, 0)
    segment = first(layout)
    data = bytearray(b"".join(content_of(segment, seal)))
    if damage == "flip":
        data[len(data) // 2] ^= 1
    elif damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "seek table":
        del data[-3:]
    else:
        data = bytearray(framed(b"\n" * (seal.end - seal.base)))
    path = tmp_path / "damaged"
    path.write_bytes(data)
    with pytest.raises(NotAsSealedError):
        content_of(replace(segment, path=str(path), compressed=True), seal)


def test_a_file_that_has_gone_is_an_os_error(layout: Layout) -> None:
    """The caller tells it from damage."""
    segment = first(layout)
    os.unlink(segment.path)
    with pytest.raises(FileNotFoundError):
        content_of(segment, parse_seal(segment.seal))


@settings(max_examples=100)
@given(st.binary(max_size=3000), st.integers(1, 400))
def test_frames_in_pieces_of_any_size_are_as_sealed(raw: bytes, size: int) -> None:
    """Stores answer in pieces that do not know of frames."""
    data = framed(raw)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert is_as_sealed(pieces, seal_of(raw))
    assert not is_as_sealed(pieces, seal_of(raw + b"x"))


def test_the_same_content_compressed_otherwise_is_as_sealed() -> None:
    """Another version of zstd may pack it otherwise; what it holds decides."""
    raw = b"".join(record(n) for n in range(100))
    assert is_as_sealed([zstd.compress(raw, 19)], seal_of(raw))


@pytest.mark.parametrize("data", [b"", b"no frame at all", framed(b"abc")[:-20], zstd.compress(b"abc")[:-1]])
def test_what_is_cut_or_no_frame_is_not_as_sealed(data: bytes) -> None:
    """It is no error either: it is somebody else's object."""
    assert not is_as_sealed([data] if data else [], seal_of(b"abc"))


def test_a_bomb_is_left_at_the_first_byte_too_many() -> None:
    """A stranger's object must not cost more than ours would: nothing after that byte is asked for."""

    def pieces() -> Iterator[bytes]:
        yield zstd.compress(b"\0" * (4 << 20))
        pytest.fail("more was asked for")

    assert not is_as_sealed(pieces(), seal_of(b"\0" * 10))


def test_a_segment_without_bytes_has_a_content_as_well(tmp_path: Path) -> None:
    """The tail at a power loss may be one, and the next seal links to its seal."""
    path = tmp_path / "empty"
    path.write_bytes(b"")
    seal = seal_of(b"")
    segment = SealedSegment(0, 0, b"", "", str(path), compressed=False)
    assert is_as_sealed(content_of(segment, seal), seal)
