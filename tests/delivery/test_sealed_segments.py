from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from standpipe.delivery.sealed_segments import MissingSeal, next_sealed
from standpipe.errors import JournalError
from standpipe.journal import identity
from standpipe.journal.keeping import make_seal, write_seal
from standpipe.journal.layout import COMPRESSED_SUFFIX, SEAL_SUFFIX, SEGMENT_NUMBER, Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.seal_store import read_seal, read_seal_bytes
from standpipe.sinks.base import SealedSegment
from tests.journal.keep_fixture import NOW, add_segment, fill, make_journal, make_keeper, record, run_passes

if TYPE_CHECKING:
    from pathlib import Path


SEGMENT_BYTES = 20 * 120


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a journal of three finished segments and an open one; nothing is sealed."""
    layout = make_journal(str(tmp_path))
    fill(layout, 3)
    return layout


def seal(layout: Layout, count: int) -> None:
    """Seal the first segments."""
    reader = JournalReader(layout)
    for number, segment in enumerate(reader.segments[:count]):
        newest = None if number == 0 else (reader.segments[number - 1].base, SEGMENT_NUMBER)
        write_seal(layout, make_seal(layout, identity.read(layout), segment, [], newest, NOW))
    reader.close()


def found(layout: Layout, offset: int, done_base: int | None = None) -> SealedSegment:
    """Return what must be found."""
    segment = next_sealed(layout, offset, done_base=done_base)
    assert isinstance(segment, SealedSegment)
    return segment


def test_a_segment_comes_with_its_seal_to_the_byte(layout: Layout) -> None:
    """Range, time, file and form are those of the directory."""
    seal(layout, 1)
    segment = found(layout, 0)
    assert (0, SEGMENT_BYTES) == (segment.base, segment.end)
    assert read_seal_bytes(layout, 0) == segment.seal
    assert "2026-01-01T00:00:00Z" == segment.first_time
    assert (layout.segment(0), False) == (segment.path, segment.compressed)


def test_nothing_is_found_before_it_is_sealed(layout: Layout) -> None:
    """The first that is not sealed ends the search, and so does the journal's end."""
    assert next_sealed(layout, 0) is None
    seal(layout, 2)
    assert next_sealed(layout, 2 * SEGMENT_BYTES) is None
    assert next_sealed(layout, 100 * SEGMENT_BYTES) is None


def test_a_seal_that_is_still_to_come_is_waited_for(layout: Layout) -> None:
    """Keep seals in order: what comes after a segment without a seal waits for it."""
    seal(layout, 3)
    for number in (1, 2):
        os.unlink(layout.segment(number * SEGMENT_BYTES, SEAL_SUFFIX))
    assert next_sealed(layout, SEGMENT_BYTES) is None


def test_a_seal_that_has_gone_is_told(layout: Layout) -> None:
    """A later segment has its seal, so this one's was there: nobody waits for it."""
    seal(layout, 3)
    os.unlink(layout.segment(SEGMENT_BYTES, SEAL_SUFFIX))
    assert MissingSeal(SEGMENT_BYTES, 2 * SEGMENT_BYTES) == next_sealed(layout, SEGMENT_BYTES)
    assert 2 * SEGMENT_BYTES == found(layout, 2 * SEGMENT_BYTES).base


@pytest.mark.parametrize(("offset", "base"), [(0, 0), (1, 0), (SEGMENT_BYTES - 1, 0), (SEGMENT_BYTES, SEGMENT_BYTES)])
def test_an_offset_within_a_segment_finds_the_whole_segment(layout: Layout, offset: int, base: int) -> None:
    """A cursor may stand anywhere; a segment is taken whole."""
    seal(layout, 3)
    assert base == found(layout, offset).base


def test_a_compressed_segment_is_found_by_its_new_name(layout: Layout) -> None:
    """Where both forms are there, the raw one is read."""
    with open(os.devnull, "wb") as null:
        keeper = make_keeper(layout, null.fileno())
        run_passes(keeper)
        keeper.close()
    segment = found(layout, 0)
    assert (layout.segment(0, COMPRESSED_SUFFIX), True) == (segment.path, segment.compressed)
    assert read_seal(layout, 0).end == segment.end
    add_segment(layout, 0, b"".join(record(n) for n in range(20)))
    assert not found(layout, 0).compressed


def test_what_retention_deleted_is_passed_over(layout: Layout) -> None:
    """Its seal may still be there; the next one with data is found."""
    seal(layout, 3)
    os.unlink(layout.segment(0))
    assert SEGMENT_BYTES == found(layout, 0).base


def test_a_hole_is_passed_over(tmp_path: Path) -> None:
    """After a power loss writing goes on far beyond the tail."""
    layout = make_journal(str(tmp_path))
    add_segment(layout, 0, record(0))
    add_segment(layout, 10_000, record(1))
    add_segment(layout, 20_000, record(2), finished=False)
    seal(layout, 2)
    assert 10_000 == found(layout, 120).base
    assert 10_000 == found(layout, 5_000).base


def test_a_segment_without_bytes_is_found_once(tmp_path: Path) -> None:
    """The next seal links to its seal, so it belongs into an archive; done_base tells that it was taken."""
    layout = make_journal(str(tmp_path))
    add_segment(layout, 0, record(0))
    add_segment(layout, 120, b"")
    add_segment(layout, 10_000, record(1))
    add_segment(layout, 20_000, record(2), finished=False)
    seal(layout, 3)
    empty = found(layout, 120, done_base=0)
    assert (120, 120, "") == (empty.base, empty.end, empty.first_time)
    assert 10_000 == found(layout, 120, done_base=120).base


def test_a_damaged_seal_is_told(layout: Layout) -> None:
    """Nobody steps over it in silence."""
    seal(layout, 1)
    os.chmod(layout.segment(0, SEAL_SUFFIX), 0o600)
    os.truncate(layout.segment(0, SEAL_SUFFIX), 30)
    with pytest.raises(JournalError, match="damaged"):
        next_sealed(layout, 0)


def test_a_seal_of_another_segment_is_told(layout: Layout) -> None:
    """A file that was copied to a wrong name proves nothing."""
    seal(layout, 1)
    shutil.copy(layout.segment(0, SEAL_SUFFIX), layout.segment(SEGMENT_BYTES, SEAL_SUFFIX))
    with pytest.raises(JournalError, match="is the seal of the segment at 0"):
        next_sealed(layout, SEGMENT_BYTES)
