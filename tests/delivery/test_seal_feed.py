from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from standpipe.delivery.seal_feed import SealFeed
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from pathlib import Path

MISSING: list[tuple[int, int]] = []  # what was told to be missing since a test cleared it


@pytest.fixture
def journal(tmp_path: Path) -> Crafted:
    """Return three sealed segments of 600 bytes and an open one."""
    made = Crafted(tmp_path / "journal")
    for _ in range(3):
        made.seal(made.add())
    made.add(mode=0o600)
    return made


def feed(journal: Crafted, sealed: int = 0) -> SealFeed:
    """Return what is left for a sink."""
    layout = Layout(str(journal.root))
    return SealFeed(layout, JournalReader(layout), sealed, lambda base, end, _why: MISSING.append((base, end)))


def spans(found: SealFeed, offset: int) -> list[tuple[int, int]]:
    """Return the segments whose seals are due."""
    return [(seal.offset, seal.length) for seal in found.due(offset, at_once=True)]


def test_a_seal_follows_what_it_covers(journal: Crafted) -> None:
    """Each once, oldest first, not before the end of its segment has gone."""
    found = feed(journal)
    assert [[], [(0, 600)], [], [(600, 600), (1200, 600)], []] == [
        spans(found, offset) for offset in (599, 600, 1199, 2400, 2400)
    ]


def test_it_goes_on_after_the_last_one(journal: Crafted) -> None:
    """A start takes up where the cursor's `sealed` is."""
    assert [(1200, 600)] == spans(feed(journal, 1200), 2400)


def test_it_is_the_seal_file(journal: Crafted) -> None:
    """To the byte, without the newline; no record, but of its own kind."""
    (seal, *_) = feed(journal).due(2400, at_once=True)
    assert journal.file(0, ".seal.json").read_bytes().strip() == seal.body
    assert (True, False) == (seal.is_seal, seal.torn)


def test_a_seal_that_comes_later(journal: Crafted) -> None:
    """Keep may be late: the seal is due when it is there, also for what went long ago."""
    found = feed(journal)
    assert 3 == len(spans(found, 2400))
    journal.file(1800, ".log").chmod(0o400)
    journal.add(mode=0o600)
    assert [] == spans(found, 3000)
    journal.seal(1800)
    assert [(1800, 600)] == spans(found, 3000)


@pytest.mark.parametrize("damaged", [b"", b"rubbish", b'{"format":1}', b"\0" * 500])
def test_a_damaged_seal(journal: Crafted, damaged: bytes) -> None:
    """It is left out, or it would spoil what it is put into; the next one's link shows that it is missing."""
    journal.write(journal.file(600, ".seal.json"), damaged)
    MISSING.clear()
    assert [(0, 600), (1200, 600)] == spans(feed(journal), 2400)
    assert [(600, 1200)] == MISSING


def test_a_seal_that_has_gone(journal: Crafted) -> None:
    """A later segment is sealed, so it was there once: it is told, and those after it come."""
    MISSING.clear()
    journal.remove(600, ".seal.json")
    assert [(0, 600), (1200, 600)] == spans(feed(journal), 2400)
    assert [(600, 1200)] == MISSING


def test_the_segment_in_which_a_sink_began(journal: Crafted) -> None:
    """Its seal is a bound all the same; without it the journal would wait for the next one to give this one up."""
    assert [(600, 600), (1200, 600)] == spans(feed(journal, 700), 2400)


def test_a_look_now_and_then(journal: Crafted) -> None:
    """While there is a backlog the seals are looked at once in a while, and whenever it is asked for."""
    found = feed(journal)
    assert [0] == [seal.offset for seal in found.due(600, at_once=False)]
    assert [] == list(found.due(1200, at_once=False))
    assert [600] == [seal.offset for seal in found.due(1200, at_once=True)]


def test_a_seal_whose_segment_retention_took(journal: Crafted) -> None:
    """Only what the journal holds is sealed for a sink; an outlived seal is not sent."""
    journal.remove(0, ".log")
    assert [(600, 600), (1200, 600)] == spans(feed(journal), 2400)


def test_a_backlog_is_not_slowed_down(journal: Crafted) -> None:
    """While there is more to deliver, segments are looked at once a MiB, and whenever there is nothing else to do."""
    found = feed(journal)
    assert [0] == [seal.offset for seal in found.due(600, at_once=False)]
    assert [] == list(found.due(1200, at_once=False))
    assert [600] == [seal.offset for seal in found.due(1200, at_once=True)]


def test_the_seal_of_another_segment(journal: Crafted) -> None:
    """A file that was copied to a wrong name proves nothing: it counts as missing."""
    journal.write(journal.file(600, ".seal.json"), journal.file(0, ".seal.json").read_bytes())
    MISSING.clear()
    assert [(0, 600), (1200, 600)] == spans(feed(journal), 2400)
    assert [(600, 1200)] == MISSING


def test_a_seal_that_the_disk_does_not_give(journal: Crafted) -> None:
    """It is told, once, and waited for: those after it come behind it, when it can be read."""
    path = journal.file(600, ".seal.json")
    path.rename(journal.root / "kept")
    path.mkdir()
    MISSING.clear()
    found = feed(journal)
    assert [[(0, 600)], [], []] == [spans(found, 2400) for _ in range(3)]
    assert [(600, 1200)] == MISSING
    path.rmdir()
    (journal.root / "kept").rename(path)
    assert [(600, 600), (1200, 600)] == spans(found, 2400)
