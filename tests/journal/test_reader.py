from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.errors import JournalError
from standpipe.journal import keeping
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import COMPRESSED_SUFFIX, FAILED_SUFFIX, FINISHED_SEGMENT_MODE, SEAL_SUFFIX, Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.span import Compressed, Hole, Span
from tests.journal.keep_fixture import add_segment, fill, make_journal, make_keeper, never, record, run_passes
from tests.journal.whole import segment_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


DEADLINE_SECONDS = 60.0


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return an empty journal."""
    return make_journal(str(tmp_path))


@pytest.fixture
def reader(layout: Layout) -> Iterator[JournalReader]:
    """Return a reader of it."""
    reader = JournalReader(layout)
    yield reader
    reader.close()


def read_all(reader: JournalReader, start: int = 0, limit: int = 1 << 20) -> bytes:
    """Read from start to the end, over holes."""
    found: list[bytes] = []
    while True:
        at = reader.span(start)
        if at is None:
            return b"".join(found)
        if isinstance(at, Hole):
            start = at.end
            continue
        block = reader.read(start, limit)
        assert block
        found.append(block)
        start += len(block)


def compress_all(layout: Layout, log_fd: int) -> None:
    """Seal and compress every closed segment."""
    keeper = make_keeper(layout, log_fd)
    run_passes(keeper)
    keeper.close()


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[int]:
    """Return a descriptor for messages."""
    fd = os.open(tmp_path / "messages", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def test_an_empty_or_missing_journal_has_no_bytes(layout: Layout, reader: JournalReader, tmp_path: Path) -> None:
    """Base and end are 0, and there is nothing to read."""
    nowhere = JournalReader(Layout(str(tmp_path / "nowhere")))
    for empty in (reader, nowhere):
        assert (0, 0, None, b"", []) == (empty.base, empty.end, empty.span(0), empty.read(0, 10), empty.segments)


def test_raw_segments_are_read_as_spans(layout: Layout, reader: JournalReader) -> None:
    """A span names the rest of its segment, with a descriptor and the position in the file."""
    whole = fill(layout, 2)
    first = reader.segments[0]
    span = reader.span(5)
    assert isinstance(span, Span)
    assert (5, first.end, 5) == (span.offset, span.end, span.file_offset)
    assert whole[5:15] == os.pread(span.fd, 10, span.file_offset)
    assert (whole, len(whole)) == (read_all(reader), reader.end)
    assert reader.span(len(whole)) is None
    assert reader.read(len(whole) + 5, 10) == b""


def test_growth_of_the_open_segment_is_seen_at_once(layout: Layout, reader: JournalReader) -> None:
    """Bytes are readable as soon as they are in the file; no listing is needed for that."""
    whole = fill(layout, 1)
    assert reader.span(len(whole)) is None
    with open(layout.segment(reader.segments[-1].base), "ab") as file:
        file.write(b"more\n")
    assert len(whole) + 5 == reader.end == reader.segments[-1].end
    assert reader.read(len(whole), 100) == b"more\n"


def test_a_new_segment_is_found_at_the_end_of_the_old_one(layout: Layout, reader: JournalReader) -> None:
    """Reading goes on in the segment that took over."""
    end = add_segment(layout, 0, b"a\n", finished=False)
    assert reader.read(0, 10) == b"a\n"
    add_segment(layout, end, b"b\n", finished=False)
    reader.look_again()
    assert (b"b\n", 4) == (reader.read(end, 10), reader.end)


def test_a_mode_change_shows_without_a_listing(layout: Layout, reader: JournalReader) -> None:
    """Capture finishes a segment by chmod, which leaves the directory's mtime as it was."""
    end = add_segment(layout, 0, b"a\n", finished=False)
    add_segment(layout, end, b"b\n", finished=False)
    old = 1_600_000_000
    os.utime(layout.segments, (old, old))
    assert [False, False] == [segment.finished for segment in reader.segments]
    os.chmod(layout.segment(0), FINISHED_SEGMENT_MODE)
    os.utime(layout.segments, (old, old))
    assert [True, False] == [segment.finished for segment in reader.segments]


def test_an_old_directory_is_not_listed_again(layout: Layout, reader: JournalReader) -> None:
    """While the directory's mtime stays an old one, files are not looked for."""
    add_segment(layout, 0, b"a\n")
    old = 1_600_000_000
    os.utime(layout.segments, (old, old))
    assert 1 == len(reader.segments)
    add_segment(layout, 2, b"b\n")
    os.utime(layout.segments, (old, old))
    assert 1 == len(reader.segments)


def test_holes_are_named_up_to_the_next_base(layout: Layout, reader: JournalReader) -> None:
    """What was before the first base, and what a power loss skipped, is a hole."""
    add_segment(layout, 100, b"x" * 10)
    add_segment(layout, 200, b"y" * 10, finished=False)
    assert Hole(0, 100) == reader.span(0)
    assert Hole(110, 200) == reader.span(110)
    assert Hole(150, 200) == reader.span(150)
    assert b"" == reader.read(150, 5)
    assert (100, 210) == (reader.base, reader.end)


def test_a_gap_behind_an_unfinished_segment_is_no_hole_yet(layout: Layout, reader: JournalReader) -> None:
    """Capture may still be writing there."""
    add_segment(layout, 0, b"x" * 10, finished=False)
    add_segment(layout, 20, b"", finished=False)
    assert reader.span(10) is None
    with open(layout.segment(0), "ab") as file:
        file.write(b"y" * 20)
    assert b"y" * 10 == reader.read(10, 100)


def test_the_copy_counts_after_a_failed_fsync(layout: Layout, reader: JournalReader) -> None:
    """Bytes past the next base come from the copy, even where the failed file differs."""
    add_segment(layout, 0, b"aaaaXXXX")
    open(layout.segment(0, FAILED_SUFFIX), "w").close()
    add_segment(layout, 4, b"bbbb", finished=False)
    assert b"aaaabbbb" == read_all(reader)


def test_compressed_segments_read_the_same(layout: Layout, reader: JournalReader, quiet: int) -> None:
    """After compression each offset gives the same bytes, and span says that they are compressed."""
    whole = fill(layout, 3)
    before = [(s.base, s.end) for s in reader.segments]
    compress_all(layout, quiet)
    reader.look_again()
    assert ["zst", "zst", "zst", "log"] == [s.stored for s in reader.segments]
    assert before == [(s.base, s.end) for s in reader.segments]
    assert Compressed(5, before[0][1]) == reader.span(5)
    assert (whole, whole[777:]) == (read_all(reader), read_all(reader, 777, 100))
    assert [whole[b:e] for b, e in before] == [segment_bytes(reader, s) for s in reader.segments]


def test_a_compressed_segment_without_a_seal_is_read_by_its_frames(
    layout: Layout, reader: JournalReader, quiet: int
) -> None:
    """The frame table tells the raw size where the seal is gone."""
    whole = fill(layout, 1)
    compress_all(layout, quiet)
    os.unlink(layout.segment(0, SEAL_SUFFIX))
    assert whole == read_all(reader)


def test_a_damaged_compressed_segment_is_an_error_and_no_hole(
    layout: Layout, reader: JournalReader, quiet: int
) -> None:
    """Nobody may step over bytes that are there but cannot be read."""
    fill(layout, 1)
    compress_all(layout, quiet)
    os.unlink(layout.segment(0, SEAL_SUFFIX))
    os.truncate(layout.segment(0, COMPRESSED_SUFFIX), 50)
    with pytest.raises(JournalError, match="damaged"):
        reader.read(0, 10)


def test_a_span_outlives_compression_and_deletion(layout: Layout, reader: JournalReader, quiet: int) -> None:
    """An open descriptor keeps the raw bytes readable whatever keep does."""
    whole = fill(layout, 1)
    span = reader.span(0)
    assert isinstance(span, Span)
    compress_all(layout, quiet)
    assert whole[: span.end] == os.pread(span.fd, span.end, 0)


def test_files_that_vanish_between_listing_and_opening_are_looked_for_again(
    layout: Layout, reader: JournalReader, quiet: int
) -> None:
    """A picture from before compression and deletion leads to the right bytes all the same."""
    whole = fill(layout, 3)
    second = reader.segments[1].base
    compress_all(layout, quiet)
    assert isinstance(reader.span(second), Compressed)
    assert whole[second : second + 9] == reader.read(second, 9)
    for _ in keeping.delete_steps(layout, 0, keep_seal=False):
        pass
    assert Hole(0, second) == reader.span(0)


def unseen_change(layout: Layout, change: Callable[[], object]) -> None:
    """Change the directory without a change of its mtime, as happens within one grain of a coarse clock."""
    before = os.stat(layout.segments)
    change()
    os.utime(layout.segments, ns=(before.st_atime_ns, before.st_mtime_ns))


def make_old(layout: Layout) -> None:
    """Give the directory an mtime that a reader trusts."""
    os.utime(layout.segments, (1_600_000_000, 1_600_000_000))


def test_a_change_that_the_mtime_hides_is_seen_all_the_same(layout: Layout, reader: JournalReader) -> None:
    """Soon after a change the mtime proves nothing, and the directory is listed again."""
    add_segment(layout, 0, b"a\n")
    assert 1 == len(reader.segments)
    unseen_change(layout, lambda: add_segment(layout, 2, b"b\n"))
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(reader.segments) == 1:
        assert time.monotonic() < deadline
    assert 4 == reader.end


def test_a_stale_picture_makes_no_hole(layout: Layout, reader: JournalReader) -> None:
    """Before the reader says that addresses hold nothing, it looks again."""
    add_segment(layout, 0, b"aa")
    add_segment(layout, 4, b"cc", finished=False)
    make_old(layout)
    assert 2 == len(reader.segments)
    unseen_change(layout, lambda: add_segment(layout, 2, b"bb"))
    assert b"bb" == reader.read(2, 10)


def test_a_stale_picture_leads_to_compressed_bytes(layout: Layout, reader: JournalReader, quiet: int) -> None:
    """A raw file that is gone when it is opened was compressed meanwhile."""
    whole = fill(layout, 2)
    make_old(layout)
    second = reader.segments[1].base
    unseen_change(layout, lambda: compress_all(layout, quiet))
    assert whole[second : second + 9] == reader.read(second, 9)


def test_a_copy_under_the_same_name_is_noticed(layout: Layout, reader: JournalReader) -> None:
    """Where nothing of a failed segment was safe, its copy takes its name, and grows instead of it."""
    add_segment(layout, 0, b"a\n", finished=False)
    assert b"a\n" == reader.read(0, 10)
    with open(layout.next_segment, "wb") as file:
        file.write(b"a\nb\n")
    os.rename(layout.next_segment, layout.segment(0))
    assert b"b\n" == reader.read(2, 10)


def test_a_truncated_segment_is_an_error(layout: Layout, reader: JournalReader) -> None:
    """A finished segment that became shorter behind our back is not an end that one waits at."""
    fill(layout, 1)
    assert reader.span(0) is not None
    os.truncate(layout.segment(0), 100)
    with pytest.raises(JournalError, match="became shorter"):
        reader.read(200, 10)


class Roles:
    """Capture, keep and a reader on one journal, one small step of either at a time, and what must come out."""

    def __init__(self, directory: str, limit: int) -> None:
        self.layout = make_journal(directory)
        self.log_fd = os.open("/dev/null", os.O_WRONLY)
        CursorFile(self.layout.cursor("s")).close()
        self.keeper = make_keeper(self.layout, self.log_fd, sinks=("s",))
        self.reader = JournalReader(self.layout)
        self.limit = limit
        self.base = self.end = self.position = self.count = 0
        self.unfinished: list[int] = []
        self.written: dict[int, bytes] = {}
        self.got: dict[int, bytes] = {}
        self._open(0, b"")

    def _open(self, base: int, data: bytes) -> None:
        add_segment(self.layout, base, data, finished=False)
        self.base = base

    def append(self) -> None:
        """Write one record."""
        line = record(self.count, 60 + self.count % 50)
        self.count += 1
        with open(self.layout.segment(self.base), "ab") as file:
            file.write(line)
        self.written[self.end] = line
        self.end += len(line)

    def roll(self) -> None:
        """Open the next segment."""
        if self.end > self.base:
            self.unfinished.append(self.base)
            self._open(self.end, b"")

    def finish(self) -> None:
        """Finish the oldest segment that is closed."""
        if self.unfinished:
            os.chmod(self.layout.segment(self.unfinished.pop(0)), FINISHED_SEGMENT_MODE)

    def skip(self) -> None:
        """Lose power: the tail is finished, and writing goes on further up."""
        if self.end > self.base and not self.unfinished:
            os.chmod(self.layout.segment(self.base), FINISHED_SEGMENT_MODE)
            self.end += 50
            self._open(self.end, b"")

    def fail(self) -> None:
        """Fail to sync: the second half of the segment is copied to a new one."""
        if self.end - self.base > 100:
            self.unfinished.append(self.base)
            copy = self.base + (self.end - self.base) // 2
            self._open(copy, by_address(self.written, self.end)[copy:])

    def keep(self) -> None:
        """Let keep do a pass."""
        self.keeper.pass_over(never)

    def delete(self) -> None:
        """Delete the first segment if it was read."""
        first = self.reader.segments[0]
        if first.finished and first.end <= self.position and len(self.reader.segments) > 1:
            list(keeping.delete_steps(self.layout, first.base, keep_seal=True))

    def read(self) -> bool:
        """Read once; return whether there was anything."""
        found = self.reader.span(self.position)
        if isinstance(found, Hole):
            self.position = found.end
            return True
        block = self.reader.read(self.position, self.limit)
        if block:
            self.got[self.position] = block
        self.position += len(block)
        return bool(block)

    def close(self) -> None:
        """Close everything."""
        self.reader.close()
        self.keeper.close()
        os.close(self.log_fd)


def by_address(pieces: dict[int, bytes], end: int) -> bytes:
    """Return the addresses [0, end), with zeros where nothing is."""
    whole = bytearray(end)
    for offset, piece in pieces.items():
        whole[offset : offset + len(piece)] = piece
    return bytes(whole)


actions = ["append", "append", "roll", "finish", "fail", "skip", "keep", "delete", "read"]


@given(st.lists(st.sampled_from(actions), min_size=5, max_size=40), st.integers(1, 400))
def test_a_reader_beside_every_other_role_reads_each_byte_once(
    tmp_path_factory: pytest.TempPathFactory, taken: list[str], limit: int
) -> None:
    """Whatever capture and keep do between two reads, the reader gets every byte in order, and only real holes."""
    roles = Roles(str(tmp_path_factory.mktemp("model")), limit)
    for action in taken:
        getattr(roles, action)()
    while roles.unfinished:
        roles.finish()
    roles.reader.look_again()
    while roles.read():
        pass
    assert (roles.end, roles.end) == (roles.position, roles.reader.end)
    assert b"".join(roles.written.values()) == b"".join(roles.got.values())
    assert by_address(roles.written, roles.end) == by_address(roles.got, roles.end)
    roles.close()
