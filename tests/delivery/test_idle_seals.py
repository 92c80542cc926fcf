"""Idle seals on their way to the sinks: each once, in its place, with an id of its own."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from standpipe.delivery.bounded import BoundedReader
from standpipe.delivery.seal_feed import SealFeed
from standpipe.delivery.sealed_segments import next_sealed
from standpipe.journal.cursor import CursorFile, read_cursor
from standpipe.journal.key_files import make_key
from standpipe.journal.reader import JournalReader
from standpipe.records.envelope import Envelope, entry_id
from standpipe.sinks.base import SealedSegment
from tests.journal.kept import Kept, idle_name, seal_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.delivery.feed import ReadsJournal
    from standpipe.records.framing import Record

SIZE = 5 * 120
JOURNAL = "0a1b2c3d-0000-4000-8000-00000000cafe"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """Return a journal: silence, a segment, silence twice, a segment, silence; the names are in CHAIN."""
    made = Kept(tmp_path)
    made.wait()
    made.write()
    made.wait(2)
    made.write()
    made.wait()
    yield made
    made.close()


CHAIN = [(0, 0, 1), (0, SIZE, 0), (SIZE, 0, 1), (SIZE, 0, 2), (SIZE, SIZE, 0), (2 * SIZE, 0, 1)]  # offset, length, idle


@pytest.fixture
def reader(kept: Kept) -> Iterator[JournalReader]:
    """Return a reader of it."""
    made = JournalReader(kept.layout)
    yield made
    made.close()


def feed(kept: Kept, reader: ReadsJournal, told: list[int], sealed: int = 0, idle: int = 0) -> SealFeed:
    """Return what is left for a sink; told: of which seals it is told that they are missing."""
    return SealFeed(kept.layout, reader, sealed, lambda base, _end, _why: told.append(base), idle=idle)


def places(seals: list[Record]) -> list[tuple[int, int, int]]:
    """Return offset, length and idle number of each."""
    return [(seal.offset, seal.length, seal.idle) for seal in seals]


def test_in_the_order_of_the_chain(kept: Kept, reader: JournalReader) -> None:
    """Each links to the one that was delivered before it; none before its offset was reached."""
    found = feed(kept, reader, [])
    parts = [places(list(found.due(offset, at_once=True))) for offset in (0, SIZE - 1, SIZE, 2 * SIZE, 2 * SIZE)]
    assert [CHAIN[:1], [], CHAIN[1:4], CHAIN[4:], []] == parts
    bodies = [seal.body for seal in feed(kept, reader, []).due(2 * SIZE, at_once=True)]
    for body, name in zip(bodies, kept.seals(), strict=True):
        with open(f"{kept.layout.segments}/{name}", "rb") as file:
            assert file.read() == body + b"\n"


@pytest.mark.parametrize("taken", range(len(CHAIN)))
def test_it_goes_on_after_any_of_them(kept: Kept, reader: JournalReader, taken: int) -> None:
    """The cursor's `sealed` and `idle` say which were acknowledged."""
    offset, length, idle = CHAIN[taken]
    found = feed(kept, reader, [], offset + length, idle)
    assert CHAIN[taken + 1 :] == places(list(found.due(2 * SIZE, at_once=True)))


def test_one_that_comes_while_the_sink_has_everything(kept: Kept, reader: JournalReader) -> None:
    """No record comes with it, and still it is due."""
    found = feed(kept, reader, [], 2 * SIZE, 1)
    assert [] == list(found.due(2 * SIZE, at_once=True))
    kept.wait()
    reader.look_again()
    assert [(2 * SIZE, 0, 2)] == places(list(found.due(2 * SIZE, at_once=True)))


def test_a_damaged_one_is_told(kept: Kept, reader: JournalReader) -> None:
    """It is left out, as a segment's is; one that retention removed just now is nobody's fault."""
    kept.replace(idle_name(SIZE, 1), b"rubbish")
    told: list[int] = []
    assert [*CHAIN[:2], *CHAIN[3:]] == places(list(feed(kept, reader, told).due(2 * SIZE, at_once=True)))
    assert [SIZE] == told
    known = reader.seal_places
    os.unlink(f"{kept.layout.segments}/{idle_name(0, 1)}")
    stale = feed(kept, Stale(reader, known), told)
    assert CHAIN[1] == places(list(stale.due(2 * SIZE, at_once=True)))[0]
    assert [SIZE, SIZE] == told


class Stale(BoundedReader):
    """A reader with an old picture of the seals."""

    def __init__(self, reader: JournalReader, known: list[tuple[int, int]]) -> None:
        super().__init__(reader, 2 * SIZE)
        self._known = known

    @property
    def seal_places(self) -> list[tuple[int, int]]:
        """Return what was there once."""
        return self._known


def test_a_part_of_the_journal(kept: Kept, reader: JournalReader) -> None:
    """A replay up to an offset has the seals up to it, the idle ones at it as well."""
    bounded = BoundedReader(reader, SIZE)
    assert CHAIN[:4] == places(list(feed(kept, bounded, []).due(SIZE, at_once=True)))


def test_ids(kept: Kept, reader: JournalReader) -> None:
    """No two seals have one id, and the envelope has the same; the seal says where it stands."""
    seals = list(feed(kept, reader, []).due(2 * SIZE, at_once=True))
    ids = [entry_id(seal, JOURNAL) for seal in seals]
    assert len(ids) == len(set(ids))
    assert f"{JOURNAL}-{SIZE:020d}-000002-seal" == ids[3]
    assert f"{JOURNAL}-{SIZE:020d}-seal" == ids[4]
    envelope = Envelope(JOURNAL)
    shown = [json.loads(envelope.line(seal, 0)) for seal in seals]
    assert ids == [line["standpipe"]["id"] for line in shown]
    assert [idle or None for _, _, idle in CHAIN] == [line["seal"].get("idle") for line in shown]


def test_an_archive_takes_them_in_order(kept: Kept) -> None:
    """Segments and idle seals as they are chained; after each it goes on where it was."""
    found: list[tuple[int, int, int]] = []
    offset, idle, done = 0, 0, None
    while segment := next_sealed(kept.layout, offset, done_base=done, idle=idle):
        assert isinstance(segment, SealedSegment)
        found.append((segment.base, segment.end - segment.base, segment.idle))
        offset, idle = segment.end, segment.idle
        done = done if idle else segment.base
        assert next_sealed(kept.layout, offset, idle=idle) == next_sealed(
            kept.layout, offset, done_base=done, idle=idle
        )
    assert CHAIN == found


def test_an_archive_waits_for_what_is_before(kept: Kept) -> None:
    """A segment that is not sealed yet comes before the silence after it."""
    kept.begin()
    kept.cut()
    assert None is next_sealed(kept.layout, 2 * SIZE, idle=1)
    kept.keep()
    kept.wait()
    segment = next_sealed(kept.layout, 2 * SIZE, idle=1)
    assert isinstance(segment, SealedSegment)
    assert (2 * SIZE, 3 * SIZE, 0) == (segment.base, segment.end, segment.idle)


def test_the_cursor_holds_it(tmp_path: Path) -> None:
    """It survives a restart, fits in its slot at its largest, and holds back what is not acknowledged."""
    cursor = CursorFile(str(tmp_path / "cursor"))
    most = 10**20 - 1
    cursor.update(
        offset=most, after=most, writing=most, output="x" * 80, unread=1 << 30, sealed=most, idle=999_999,
        delivered=most, filtered=most, dead_letters=most,
    )  # fmt: skip
    cursor.close()
    state = read_cursor(str(tmp_path / "cursor"))
    assert state is not None
    assert (most, 999_999) == state.released_seal


def test_signed_ones_are_delivered_as_they_are(kept: Kept, reader: JournalReader, tmp_path: Path) -> None:
    """A signature reaches every copy."""
    make_key(str(tmp_path / "key.pem"), None)
    kept.sign_with(tmp_path / "key.pem")
    kept.write()
    reader.look_again()
    *_, newest = feed(kept, reader, []).due(3 * SIZE, at_once=True)
    assert kept.seal(seal_name(2 * SIZE)) == json.loads(newest.body)
    assert json.loads(newest.body)["signature"].startswith("ed25519:")
