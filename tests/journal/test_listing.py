from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from standpipe.journal import listing
from standpipe.journal.frames import write_frames
from standpipe.journal.layout import COMPRESSED_SUFFIX, SEAL_SUFFIX, Layout, segment_file_name
from standpipe.journal.listing import RawSizes, read_listing, segments_of
from tests.journal.keep_fixture import add_segment, make_journal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return an empty journal."""
    return make_journal(str(tmp_path))


def test_a_listing_has_size_and_mode_of_every_file(layout: Layout) -> None:
    """Names, sizes, modes, and the directory's mtime before the look."""
    add_segment(layout, 0, b"12345")
    files, mtime = read_listing(layout, {})
    assert {"00000000000000000000.log": (5, 0o100400)} == files
    assert os.stat(layout.segments).st_mtime_ns == mtime


def test_a_missing_directory_is_an_empty_listing(tmp_path: Path) -> None:
    """A journal that is not there yet holds nothing."""
    assert ({}, 0) == read_listing(Layout(str(tmp_path / "nowhere")), {})


def test_only_what_may_change_is_asked_again(layout: Layout) -> None:
    """A finished file is taken from the listing before; an open one is looked at."""
    add_segment(layout, 0, b"1234")
    add_segment(layout, 4, b"56", finished=False)
    known = {segment_file_name(0, ".log"): (9, 0o100400), segment_file_name(4, ".log"): (9, 0o100600)}
    files, _ = read_listing(layout, known)
    assert [(9, 0o100400), (2, 0o100600)] == [files[name] for name in sorted(files)]


def test_data_that_a_look_missed_is_asked_for_by_name(layout: Layout) -> None:
    """A look that saw the seal alone, between two renames, still finds the data."""
    with open(layout.segment(0, COMPRESSED_SUFFIX), "wb") as file:
        file.write(b"packed")
    seen = {segment_file_name(0, SEAL_SUFFIX): (5, 0o100400)}
    listing._add_by_name(layout, seen)
    assert "zst" == segments_of(seen, {0: 4})[0].stored


def test_a_listing_asks_by_name_for_what_its_look_missed(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race cannot be had on demand, so the look that misses is made up: the listing has the data in it."""
    with open(layout.segment(0, COMPRESSED_SUFFIX), "wb") as file:
        file.write(b"packed")
    seal = segment_file_name(0, SEAL_SUFFIX)
    monkeypatch.setattr(listing, "_look", lambda *_: ({seal: (5, 0o100400)}, False))
    assert {seal, segment_file_name(0, COMPRESSED_SUFFIX)} == set(read_listing(layout, {})[0])


def test_the_frame_table_tells_a_raw_size_where_there_is_no_seal(layout: Layout) -> None:
    """A compressed segment whose seal is gone still has its length."""
    with open(layout.segment(0, COMPRESSED_SUFFIX), "wb") as file:
        assert [5] == list(write_frames([b"12345"], file.write))
    files, _ = read_listing(layout, {})
    assert {0: 5} == RawSizes(layout).of(files)


def test_a_raw_size_is_unknown_where_neither_seal_nor_table_can_be_read(layout: Layout) -> None:
    """Damage does not stop the listing; it is met when the bytes are read."""
    for suffix in (COMPRESSED_SUFFIX, SEAL_SUFFIX):
        with open(layout.segment(0, suffix), "wb") as file:
            file.write(b"junk")
    files, _ = read_listing(layout, {})
    assert {} == RawSizes(layout).of(files)
