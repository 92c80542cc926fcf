from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.config_sinks import SelectConfig
from standpipe.delivery.edges import (
    end_of_selected_before,
    offset_at,
    parse_time,
    record_end,
    record_start,
    records_between,
)
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.records.framing import Framer
from standpipe.records.selection import Selection
from tests.evidence.craft import Crafted, record, records

if TYPE_CHECKING:
    from standpipe.records.framing import Record

SELECTIONS = {
    "all": None,
    "reads": Selection(SelectConfig(operations=("read",))),
    "nothing": Selection(SelectConfig(paths=("nowhere/",))),
}
LINES = st.sampled_from(
    [
        b'{"request":{"operation":"read"}}\n',
        b'{"request":{"operation":"update"}}\n',
        b'{"a":1}\n',
        b"torn\n",
        b'{"ha{"request":{"operation":"read"}}\n',
        b"\n",
    ]
)


class Made:
    """A journal of segments, with gaps between some, and its records by brute force."""

    def __init__(self, directory: str, segments: list[tuple[int, bytes]], *, compressed: bool) -> None:
        crafted = Crafted(Path(directory) / "journal")
        self.layout = Layout(str(crafted.root))
        framer: Framer | None = None
        self.records: list[Record] = []
        self.gap_ends: list[int] = []
        for number, (gap, data) in enumerate(segments):
            base = crafted.add(data, base=crafted.end + gap, mode=0o400 if number < len(segments) - 1 else 0o600)
            if framer is None:
                framer = Framer(base)
                self.base = base
            elif gap:
                self.records += framer.skip_to(base)
                self.gap_ends.append(base)
            self.records += framer.feed(data)
            if compressed and number < len(segments) - 1:
                crafted.file(base, ".seal.json").write_bytes(b"{}")
                crafted.compress(base)
        self.end = crafted.end
        self.tail = framer.offset if framer else 0  # of a line without its newline
        self.reader = JournalReader(self.layout)


@st.composite
def segments(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Draw (gap before it, bytes) of each segment; records may straddle, and a gap may cut one."""
    stream = b"".join(draw(st.lists(LINES, min_size=1, max_size=12)))
    cuts = sorted(draw(st.sets(st.integers(1, len(stream) - 1), max_size=4))) if len(stream) > 1 else []
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return [(draw(st.sampled_from([0, 0, 7, 70_000])), piece) for piece in pieces]


@settings(max_examples=150)
@given(made=segments(), data=st.data(), compressed=st.booleans())
def test_against_brute_force(made: list[tuple[int, bytes]], data: st.DataObject, *, compressed: bool) -> None:
    """From any byte: its record's beginning and end, and what the sink got before it, are what a whole reading says."""
    with tempfile.TemporaryDirectory() as directory:
        journal = Made(directory, made, compressed=compressed)
        offset = data.draw(st.integers(journal.base, journal.end))
        start = record_start(journal.reader, offset, journal.base)
        begin_before = [r for r in journal.records if r.offset <= offset]
        whole_before = [r for r in journal.records if r.end <= start]
        assert max([journal.base, *(end for end in journal.gap_ends if end <= offset)]) <= start <= offset
        assert not [r for r in journal.records if r.offset < start < r.end], "it is inside a record"
        if begin_before and begin_before[-1].end > offset:
            assert start <= begin_before[-1].offset
            assert b"\n" not in b"".join(r.body for r in journal.records if start <= r.offset < begin_before[-1].offset)
        found = list(records_between(journal.reader, start, journal.end, b""))
        assert [r for r in journal.records if r.offset >= start] == found
        end = record_end(journal.reader, offset, journal.end)
        assert not [r for r in journal.records if r.offset < end < r.end], "it ends inside a record"
        for selection in SELECTIONS.values():
            first = found[0].offset if found else journal.end
            wanted = [r.end for r in whole_before if selection is None or selection.wants(r)]
            holes = [b.offset for a, b in pairwise(journal.records) if a.end < b.offset <= first]
            expected = max([journal.base, *holes, *wanted])  # what a hole lost was not filtered
            assert expected == end_of_selected_before(journal.reader, first, journal.base, selection, b"")
        journal.reader.close()


@pytest.fixture
def journal(tmp_path: Path) -> Crafted:
    """Return three sealed segments of five records each, the second compressed, and an open one; a record a second."""
    made = Crafted(tmp_path / "journal")
    for number in range(3):
        base = made.seal(made.add())
        if number == 1:
            made.compress(base)
    made.add(mode=0o600)
    return made


def at(journal: Crafted, text: str, prefix: bytes = b"") -> int:
    """Return the offset for a time."""
    layout = Layout(str(journal.root))
    reader = JournalReader(layout)
    moment = parse_time(text)
    assert moment is not None
    offset = offset_at(layout, reader, moment, prefix)
    reader.close()
    return offset


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-06T07:00:00Z", 0),
        ("2020-01-01T00:00:00Z", 0),
        ("2024-05-06T07:00:03Z", 360),
        ("2024-05-06T07:00:04Z", 480),
        ("2024-05-06T07:00:02.5Z", 360),
        ("2024-05-06T09:00:07+02:00", 840),
        ("2024-05-06T07:00:19Z", 19 * 120),
        ("2024-05-06T07:00:20Z", 2400),
    ],
)
def test_the_first_record_at_or_after_a_time(journal: Crafted, text: str, expected: int) -> None:
    """By the seals and, inside a segment, by the records; the journal's end where none is."""
    assert expected == at(journal, text)


def test_seals_spare_the_reading(journal: Crafted) -> None:
    """A segment whose seal says that it ends before is not read: damage in it is in nobody's way."""
    journal.write(journal.file(600, ".log.zst"), b"rubbish")
    assert 1320 == at(journal, "2024-05-06T07:00:11Z")


def test_without_seals_records_are_read(tmp_path: Path) -> None:
    """What has no time counts to what comes after it."""
    journal = Crafted(tmp_path / "journal")
    journal.add(b"torn\n" + b'{"no":"time"}\n' + records(0, 2))
    journal.add(records(2, 2), mode=0o600)
    assert [19, 139, 379] == [at(journal, f"2024-05-06T07:00:0{second}Z") for second in (0, 1, 3)]


def test_a_prefix_is_no_obstacle(tmp_path: Path) -> None:
    """Vault's prefix stands before each record, and is not taken for torn bytes."""
    journal = Crafted(tmp_path / "journal")
    journal.add(b"".join(b"vault: " + record(number) for number in range(3)), mode=0o600)
    assert 127 == at(journal, "2024-05-06T07:00:01Z", b"vault: ")


@pytest.mark.parametrize(
    ("text", "second"), [("2024-05-06T07:00:01Z", 1), ("2024-05-06T07:00:01", 1), ("x", None), (None, None)]
)
def test_times(text: str | None, second: int | None) -> None:
    """RFC 3339; without a zone it is UTC; anything else is none."""
    expected = None if second is None else datetime(2024, 5, 6, 7, 0, second, tzinfo=UTC)
    assert expected == parse_time(text)


def test_the_end_before_the_first_byte_is_the_first_byte(journal: Crafted) -> None:
    """`--to 0` sends nothing."""
    reader = JournalReader(Layout(str(journal.root)))
    assert [0, 120, 120, 240] == [record_end(reader, offset, 2400) for offset in (0, 1, 120, 121)]
    reader.close()
