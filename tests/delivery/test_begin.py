from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standpipe.delivery.begin import begin
from standpipe.delivery.ledger import Ledger
from standpipe.journal import incidents
from standpipe.journal.cursor import CursorFile, read_cursor
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.observe.log import Log
from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.journal.cursor import Cursor


class Starts:
    """Starts of one sink on a journal that holds [1000, 1600)."""

    def __init__(self, directory: Path) -> None:
        Crafted(directory / "journal").add(base=1000)
        self.layout = Layout(str(directory / "journal"))
        self.path = Path(self.layout.cursor("web"))
        self._messages = directory / "messages"
        self._log = os.open(self._messages, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def close(self) -> None:
        """Close what is open."""
        os.close(self._log)

    def begin(self, start: int, *, known: bool = False, seals: bool = False) -> Cursor:
        """Start once."""
        cursor = CursorFile(str(self.path))
        reader = JournalReader(self.layout)
        ledger = Ledger(self.layout.incidents)
        log = Log("ship", self._log)
        state = begin("web", cursor, reader, start, known=known, seals=seals, ledger=ledger, log=log)
        reader.close()
        cursor.close()
        assert state == read_cursor(str(self.path)), "what is gone on from is on the disk"
        return state

    def put(self, **members: object) -> None:
        """Have a cursor from before."""
        cursor = CursorFile(str(self.path))
        cursor.update(**members)
        cursor.close()

    def incidents(self) -> list[tuple[object, object, object, object]]:
        """Return kind, range and detail of each."""
        found = incidents.read(self.layout.incidents)
        return [(entry["kind"], entry["offset"], entry["length"], entry["detail"]) for entry in found]


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[Starts]:
    """Return starts on a small journal."""
    made = Starts(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(("start", "expected"), [(1000, 1000), (1600, 1600), (1120, 1120), (0, 1000), (9999, 1600)])
def test_a_first_start(starts: Starts, start: int, expected: int) -> None:
    """Where it was entered to begin, or at what is nearest to it; nothing was before its first record."""
    state = starts.begin(start)
    assert (expected, expected, None) == (state.offset, state.after, state.sealed)
    assert [] == starts.incidents()


def test_on_from_the_cursor(starts: Starts) -> None:
    """Offset, `after` and the counters stay."""
    starts.put(offset=1240, after=1120, delivered=7, filtered=3, dead_letters=1)
    state = starts.begin(1000, known=True)
    assert (1240, 1120, 7, 3, 1) == (state.offset, state.after, state.delivered, state.filtered, state.dead_letters)
    assert [] == starts.incidents()


def test_seals_are_switched_on_and_off(starts: Starts) -> None:
    """With seals the first one wanted is the one after the cursor; without, the journal is not held for them."""
    starts.put(offset=1240, after=1240)
    assert 1240 == starts.begin(1000, known=True, seals=True).sealed
    starts.put(offset=1480, after=1480)
    assert 1240 == starts.begin(1000, known=True, seals=True).sealed
    assert starts.begin(1000, known=True).sealed is None


def test_the_idle_seals_of_an_offset(starts: Starts) -> None:
    """Those that were acknowledged do not come again, unless delivery goes on at another offset."""
    starts.put(offset=1240, after=1240, sealed=1240, idle=3)
    assert (1240, 3) == (starts.begin(1000, known=True, seals=True).sealed, starts.begin(1000, known=True).idle)
    starts.put(offset=1240, after=1240, sealed=None, idle=3)  # an archive's
    assert 3 == starts.begin(1000, known=True).idle
    starts.put(offset=10**9, after=10**9, sealed=None, idle=3)
    assert 0 == starts.begin(1000, known=True).idle


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 8192])
@pytest.mark.parametrize("start", [1120, 0])
def test_a_lost_cursor_of_a_known_sink(starts: Starts, content: bytes | None, start: int) -> None:
    """All that it should have had again, never a gap: told as an incident with what may be repeated."""
    if content is not None:
        starts.path.write_bytes(content)
    expected = max(start, 1000)
    assert expected == starts.begin(start, known=True).offset
    detail = {"sink": "web", "cursor_was": None}
    assert [("cursor-lost", expected, 1600 - expected, detail)] == starts.incidents()


def test_a_damaged_cursor_of_an_unknown_sink(starts: Starts) -> None:
    """It had something once, so this is no first start."""
    starts.path.write_bytes(b"\xff" * 8192)
    starts.begin(1000)
    assert ["cursor-lost"] == [kind for kind, *_ in starts.incidents()]


@pytest.mark.parametrize(("offset", "expected"), [(999, 1000), (1601, 1600)])
def test_a_cursor_outside(starts: Starts, offset: int, expected: int) -> None:
    """It moves to what is there, and that is told."""
    starts.put(offset=offset, after=offset)
    state = starts.begin(1000, known=True)
    assert (expected, expected) == (state.offset, state.after)
    assert [("cursor-moved", expected, 0, {"sink": "web", "cursor_was": offset})] == starts.incidents()


def test_a_sink_that_was_stdout(starts: Starts) -> None:
    """What only stdout's pump writes does not stay behind; nobody steps back in another destination than that pipe."""
    starts.put(offset=1240, after=1240, writing=1360, output="file 1", unread=9)
    state = starts.begin(1000, known=True)
    assert (1240, None, None, None) == (state.offset, state.writing, state.output, state.unread)
    assert [] == starts.incidents()
