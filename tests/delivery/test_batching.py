from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.delivery import batching
from standpipe.delivery.batching import Batch, ParcelBatcher, RawBatcher
from standpipe.delivery.feed import Feed, Wanted
from standpipe.journal.cursor import Cursor
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.records.framing import Framer
from standpipe.sinks.base import Limits
from tests.evidence.craft import Crafted, compress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.delivery.batching import Batcher
    from standpipe.records.framing import Record

SMALL_BATCH, SMALL_TAIL, SMALL_SCAN = 64, 8, 16
FRAME_BYTES = 30  # of raw data: shorter than most records


class Journal:
    """A journal made by hand, a reader on it, and what every address should hold."""

    def __init__(self, root: Path) -> None:
        self.crafted = Crafted(root / "journal")
        self.reader = JournalReader(Layout(str(root / "journal")))
        self.parts: list[tuple[int, bytes]] = []

    def add(self, data: bytes, *, gap: int = 0, compressed: bool = False, finished: bool = True) -> None:
        """Add a segment."""
        base = self.crafted.add(data, base=self.crafted.end + gap, mode=0o400 if finished else 0o600)
        if compressed:
            self.crafted.file(base, ".log").unlink()
            self.crafted.file(base, ".log.zst").write_bytes(compress(data, FRAME_BYTES))
        self.parts.append((base, data))
        self.reader.look_again()

    def grow(self, data: bytes) -> None:
        """Write on in the last segment."""
        base, before = self.parts[-1]
        with self.crafted.file(base, ".log").open("ab") as file:
            file.write(data)
        self.parts[-1] = (base, before + data)
        self.crafted.end += len(data)

    def finish(self) -> None:
        """Close the last segment."""
        self.crafted.file(self.parts[-1][0], ".log").chmod(0o400)

    def at(self, start: int, end: int) -> bytes:
        """Return the bytes of [start, end), which must lie between two gaps."""
        data = b"".join(part[max(0, start - base) : max(0, end - base)] for base, part in self.parts)
        assert end - start == len(data)
        return data

    @property
    def runs(self) -> list[tuple[int, bytes]]:
        """Return the stretches between gaps."""
        found: list[tuple[int, bytes]] = []
        for base, data in self.parts:
            if found and found[-1][0] + len(found[-1][1]) == base:
                found[-1] = (found[-1][0], found[-1][1] + data)
            elif data:
                found.append((base, data))
        return found

    def raw(self, batch: Batch) -> bytes:
        """Return what a raw batch sends."""
        assert batch.payload is None
        return self.at(batch.start, batch.end) + batch.suffix


@contextmanager
def new_journal() -> Iterator[Journal]:
    """Yield an empty journal in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(Path(directory))
        try:
            yield journal
        finally:
            journal.reader.close()


@pytest.fixture
def journal() -> Iterator[Journal]:
    """Return an empty journal."""
    with new_journal() as made:
        yield made


@contextmanager
def small_batches() -> Iterator[None]:
    """Let batches be so short that a few records fill several."""
    with (
        mock.patch.object(batching, "BATCH_BYTES_MAX", SMALL_BATCH),
        mock.patch.object(batching, "TAIL_BYTES", SMALL_TAIL),
        mock.patch.object(batching, "SCAN_BYTES", SMALL_SCAN),
    ):
        yield


def batches(batcher: Batcher, offset: int) -> list[Batch]:
    """Return the batches from an offset on; each must begin where the one before it ended."""
    found: list[Batch] = []
    while (batch := batcher.next(offset)) is not None:
        assert offset == batch.start
        assert batch.next_offset > offset
        offset = batch.next_offset
        found.append(batch)
    return found


def tell(record: Record, after: int) -> bytes:
    """Render a record so that everything about it can be compared."""
    return repr((record.offset, record.length, record.body, record.torn, after)).encode() + b"\n"


def expected_lines(journal: Journal, prefix: bytes = b"", *, ended: bool = True) -> bytes:
    """Return the records of the whole journal, framed in one piece, each with the end of what is before it."""
    after, lines = journal.parts[0][0], b""
    runs = journal.runs
    for base, data in runs:
        after = max(after, base)
        framer = Framer(base, prefix)
        records = framer.feed(data)
        if ended or base != runs[-1][0]:
            records += framer.finish()
        for record in records:
            lines += tell(record, after)
            after = record.end
    return lines


def line_batcher(
    journal: Journal, prefix: bytes = b"", *, offset: int = 0, after: int = 0, torn: list[Record] | None = None
) -> ParcelBatcher:
    """Return a batcher, from the journal's beginning unless told otherwise; torn records are added to `torn`."""
    wanted = Wanted(tell, Limits(batching.BATCH_BYTES_MAX, batch_records=1 << 20), prefix)
    found: list[Record] = [] if torn is None else torn
    return ParcelBatcher(Feed(journal.reader, wanted, Cursor(offset, after), found.extend))


def payloads(found: list[Batch]) -> bytes:
    """Return what batches of lines send."""
    return b"".join(batch.payload or b"" for batch in found)


def test_whole_records_in_one_batch(journal: Journal) -> None:
    """All whole records that follow are one batch; after them there is none."""
    journal.add(b"one\ntwo\n", finished=False)
    assert [Batch(0, 8, 8, 8)] == batches(RawBatcher(journal.reader), 0)


def test_a_record_without_its_newline_is_held(journal: Journal) -> None:
    """What has no newline yet is not sent, and is once it has; `last` sends it as it is, with nothing added."""
    journal.add(b"one\ntw", finished=False)
    batcher = RawBatcher(journal.reader)
    assert [Batch(0, 4, 4, 4)] == batches(batcher, 0)
    journal.grow(b"o")
    assert [] == batches(batcher, 4)
    assert Batch(4, 7, 7, 7) == batcher.last(4)
    journal.grow(b"\nthree\n")
    assert [Batch(4, 14, 14, 14)] == batches(batcher, 4)
    assert [Batch(7, 14, 14, 14)] == batches(RawBatcher(journal.reader), 7)
    assert batcher.last(14) is None


def test_a_held_record_becomes_a_torn_line_at_the_end(journal: Journal) -> None:
    """A last line without its newline is a torn record when nothing follows, and not before."""
    journal.add(b'{"a":1}\n{"b"', finished=False)
    torn: list[Record] = []
    batcher = line_batcher(journal, torn=torn)
    found = batches(batcher, 0)
    assert [] == torn
    last = batcher.last(8)
    assert last is not None
    assert expected_lines(journal) == payloads([*found, last])
    assert [12] == [record.end for record in torn]
    assert (12, 12, None) == (last.next_offset, last.after, batcher.last(12))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_long_record_over_segments_and_batches(journal: Journal, *, compressed: bool) -> None:
    """A record larger than a batch, cut into several segments, is one batch; its neighbours are others."""
    for data in (b"short\n" + b"x" * 100, b"y" * 150, b"z" * 40 + b"\nafter\n"):
        journal.add(data, compressed=compressed)
    with small_batches():
        found = batches(RawBatcher(journal.reader), 0)
        assert [(0, 6), (6, 297), (297, 303)] == [(batch.start, batch.end) for batch in found]
        assert expected_lines(journal) == payloads(batches(line_batcher(journal), 0))


def test_the_search_in_a_long_record_is_not_begun_again(journal: Journal) -> None:
    """While a long record comes in, each byte of it is looked at once, however often a batch is asked for."""
    journal.add(b"", finished=False)
    batcher, read = RawBatcher(journal.reader), 0

    def count(offset: int, limit: int) -> bytes:
        nonlocal read
        data = JournalReader.read(journal.reader, offset, limit)
        read += len(data)
        return data

    with small_batches(), mock.patch.object(journal.reader, "read", count):
        for _ in range(50):
            journal.grow(b"x" * 100)
            assert batcher.next(0) is None
        journal.grow(b"\n")
        assert Batch(0, 5001, 5001, 5001) == batcher.next(0)
    assert read < 5001 + 51 * SMALL_BATCH + SMALL_SCAN


def test_a_hole_is_stepped_over(journal: Journal) -> None:
    """At a hole, the cursor goes to its end and nothing is sent; the end of the last record stays what it was."""
    journal.add(b"one\n")
    journal.add(b"two\n", gap=100)
    expected = [Batch(0, 4, 4, 4), Batch(4, 4, 104, 4), Batch(104, 108, 108, 108)]
    assert expected == batches(RawBatcher(journal.reader), 0)
    assert expected_lines(journal) == payloads(batches(line_batcher(journal), 0))
    ends = [(batch.next_offset, batch.after) for batch in batches(line_batcher(journal), 0)]
    assert [(4, 4), (104, 104), (108, 108)] == ends


def test_a_record_that_a_hole_cuts(journal: Journal) -> None:
    """Before a hole a record's end is proven: raw it is ended with a newline, as a line it is torn."""
    journal.add(b"one\ntw")
    journal.add(b"o\nthree\n", gap=100)
    found = batches(RawBatcher(journal.reader), 0)
    assert [Batch(0, 4, 4, 4), Batch(4, 6, 106, 6, suffix=b"\n"), Batch(106, 114, 114, 114)] == found
    assert b"one\ntw\no\nthree\n" == b"".join(journal.raw(batch) for batch in found)
    assert expected_lines(journal) == payloads(batches(line_batcher(journal), 0))
    torn: list[Record] = []
    batches(line_batcher(journal, torn=torn), 0)
    assert [0, 4, 106, 108] == [record.offset for record in torn]  # none of these is an object


def test_addresses_that_are_deleted_between_two_looks(journal: Journal) -> None:
    """Where keep deletes what was just seen, the batcher finds the hole: it neither waits for ever nor sends."""
    for compressed in (True, False):
        journal.add(b"x" * 200 + b"\n", compressed=compressed)
    journal.add(b"after\n")
    batcher = RawBatcher(journal.reader)
    real = journal.reader.span

    def span_before_the_deletion(offset: int) -> object:
        found = real(offset)
        if offset == 0 and journal.crafted.file(0, ".log.zst").exists():
            journal.crafted.remove(0, ".log.zst")
            journal.crafted.remove(201, ".log")
            journal.reader.look_again()
        return found

    with mock.patch.object(journal.reader, "span", span_before_the_deletion):
        assert Batch(0, 0, 402, 0) == batcher.next(0)
    assert [Batch(402, 408, 408, 408)] == batches(batcher, 402)


def test_the_prefix_is_no_part_of_the_object(journal: Journal) -> None:
    """Vault's prefix is left out of a line's body and counted in its length."""
    journal.add(b'vault: {"a":1}\nvault: {"b":2}\n')
    assert expected_lines(journal, b"vault: ") == payloads(batches(line_batcher(journal, b"vault: "), 0))
    torn: list[Record] = []
    batches(line_batcher(journal, b"vault: ", torn=torn), 0)
    assert [] == torn


def test_torn_records_are_named(journal: Journal) -> None:
    """A feed names the records that are none: they are delivered, and recorded as incidents."""
    journal.add(b'{"a":1}\n{"torn{"b":2}\njunk\n')
    torn: list[Record] = []
    batches(line_batcher(journal, torn=torn), 0)
    assert [(8, 6), (22, 5)] == [(record.offset, record.length) for record in torn]


def test_after_goes_on_from_the_cursor(journal: Journal) -> None:
    """The first line after a start says the end of the last record before it, as the cursor knew it."""
    journal.add(b'{"a":1}\n{"b":2}\n')
    found = batches(line_batcher(journal, offset=8, after=5), 8)
    assert tell_of(8, b'{"b":2}', 5) == payloads(found)
    assert 16 == found[-1].after


def tell_of(offset: int, body: bytes, after: int) -> bytes:
    """Return what tell makes of a good record."""
    return repr((offset, len(body) + 1, body, False, after)).encode() + b"\n"


lines = st.one_of(
    st.binary(max_size=20),
    st.integers(0, 300).map(lambda size: b"x" * size),
    st.sampled_from([b'{"a":1}', b"", b'{"half', b'{"a":{"b":"' + b"y" * 70 + b'"}}', b'{"ha{"c":3}']),
)
contents = st.lists(lines, max_size=12).map(b"\n".join)
kinds = st.tuples(st.booleans(), st.sampled_from([0, 0, 0, 1, 500]))


@given(contents, st.lists(st.tuples(st.integers(0, 1500), kinds), max_size=6))
def test_any_content_and_any_cuts(content: bytes, cuts: list[tuple[int, tuple[bool, int]]]) -> None:
    """However a journal is cut into segments, compressed and torn by gaps, batches give its bytes, and lines tile."""
    with new_journal() as journal, small_batches():
        start = 0
        for cut, (compressed, gap) in [*sorted(cuts), (len(content), (False, 0))]:
            data = content[start : max(start, cut)]
            if data:
                journal.add(data, gap=gap, compressed=compressed)
                start += len(data)
        journal.add(b"", finished=False)
        base = journal.parts[0][0]
        raw = RawBatcher(journal.reader)
        found = batches(raw, base)
        last = raw.last(found[-1].next_offset if found else base)
        expected = [data for _, data in journal.runs]
        ended = [data if data.endswith(b"\n") else data + b"\n" for data in expected[:-1]]
        assert b"".join(ended + expected[-1:]) == b"".join(journal.raw(b) for b in [*found, *([last] if last else [])])
        for batch in found:
            whole = journal.at(batch.start, batch.end)
            assert len(whole) <= SMALL_BATCH or whole.count(b"\n") <= 1
            assert (whole + batch.suffix)[-1:] in (b"\n", b"")
        lines_batcher = line_batcher(journal, offset=base, after=base)
        in_lines = batches(lines_batcher, base)
        rest = lines_batcher.last(in_lines[-1].next_offset if in_lines else base)
        assert expected_lines(journal) == payloads([*in_lines, *([rest] if rest else [])])


@given(contents, st.lists(st.integers(0, 60), max_size=30), st.booleans())
def test_any_growth(content: bytes, sizes: list[int], new_segment: bool) -> None:  # noqa: FBT001 - drawn
    """However a journal grows between two looks, only whole lines are sent, each once, and the rest at the end."""
    with new_journal() as journal, small_batches():
        journal.add(b"", finished=False)
        raw, as_lines = RawBatcher(journal.reader), line_batcher(journal)
        sent, told, offset, line_offset, start = b"", b"", 0, 0, 0
        for number, size in enumerate([*sizes, len(content)]):
            journal.grow(content[start : start + size])
            start += size
            if new_segment and number == 3 and start and len(content) > start:
                journal.finish()
                journal.add(b"", finished=False)
            found, found_lines = batches(raw, offset), batches(as_lines, line_offset)
            sent += b"".join(journal.raw(batch) for batch in found)
            told += payloads(found_lines)
            offset = found[-1].next_offset if found else offset
            line_offset = found_lines[-1].next_offset if found_lines else line_offset
            assert content[:start][: content[:start].rfind(b"\n") + 1] == sent
            assert expected_lines(journal, ended=False) == told
        last, last_line = raw.last(offset), as_lines.last(line_offset)
        assert content == sent + (journal.raw(last) if last else b"")
        assert expected_lines(journal) == told + payloads([last_line] if last_line else [])
