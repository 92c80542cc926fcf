"""The demo's own reading of a journal's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backports import zstd

from standpipe.demo.alignment import ListedRepeat
from standpipe.demo.journal_bytes import journal_length, listed_repeats, other_incidents, read_journal

if TYPE_CHECKING:
    from pathlib import Path


def put(journal: Path, base: int, data: bytes, suffix: str = ".log") -> None:
    """Write one file of a journal."""
    (journal / "segments").mkdir(exist_ok=True)
    (journal / "segments" / f"{base:020d}{suffix}").write_bytes(data)


def test_plain_and_compressed_segments_join(tmp_path: Path) -> None:
    """Segments are joined in the order of their bases, compressed or not; `next` and unfinished files are not data."""
    put(tmp_path, 10, zstd.compress(b"hello ") + zstd.compress(b"big "), ".log.zst")
    put(tmp_path, 10, b"{}", ".seal.json")
    put(tmp_path, 20, b"world")
    (tmp_path / "segments" / "next").write_bytes(b"no")
    (tmp_path / "segments" / f"{25:020d}.log.zst.tmp").write_bytes(b"no")
    found = read_journal(tmp_path)
    assert (b"hello big world", 10, 2, 1, ()) == (
        found.data,
        found.first_offset,
        found.segments,
        found.seals,
        found.damage,
    )
    assert 25 == journal_length(tmp_path)


def test_the_later_segment_counts_where_two_overlap(tmp_path: Path) -> None:
    """After a failed fsync the copy's bytes stand for the old file's."""
    put(tmp_path, 0, b"abcdef")
    put(tmp_path, 4, b"XYZ")
    assert b"abcdXYZ" == read_journal(tmp_path).data


def test_a_hole_is_damage(tmp_path: Path) -> None:
    """Addresses without bytes are named."""
    put(tmp_path, 0, b"abc")
    put(tmp_path, 5, b"f")
    assert ("2 bytes are missing before offset 5",) == read_journal(tmp_path).damage


def test_a_broken_compressed_segment_is_damage(tmp_path: Path) -> None:
    """A file that cannot be decompressed is named; the count goes on."""
    put(tmp_path, 0, b"this is no zstd frame", ".log.zst")
    (reason,) = read_journal(tmp_path).damage
    assert reason.startswith("00000000000000000000.log.zst cannot be decompressed")


def test_incidents(tmp_path: Path) -> None:
    """Repeats are listed with their ranges, all others counted by kind."""
    assert ([], {}) == (listed_repeats(tmp_path), other_incidents(tmp_path))
    (tmp_path / "incidents.jsonl").write_text(
        '{"kind":"repeat","offset":5,"length":7}\n{"kind":"torn","offset":1,"length":1}\n'
    )
    assert [ListedRepeat(5, 7)] == listed_repeats(tmp_path)
    assert {"torn": 1} == other_incidents(tmp_path)
