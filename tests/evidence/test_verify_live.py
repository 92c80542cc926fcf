from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from standpipe.errors import JournalError
from standpipe.evidence import verify as verify_module
from standpipe.evidence.verify import verify_journal
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import Layout
from tests.evidence.craft import Crafted, healthy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from standpipe.evidence.journal_check import Findings


@pytest.fixture
def journal(tmp_path: Path) -> Crafted:
    """Return four sealed segments at 0, 600, 1200 and 1800, the second and fourth compressed, and an open tail."""
    return healthy(tmp_path / "journal")


def delete_data(journal: Crafted) -> None:
    """Delete a segment's data in the middle."""
    journal.remove(600, ".log.zst")


def changing(journal: Crafted, change: Callable[[Crafted], None]) -> Findings:
    """Verify while somebody changes the journal: after the first byte was read."""
    todo = [change]

    def progress(_done: int, _total: int) -> None:
        if todo:
            todo.pop()(journal)

    return verify_journal(Layout(str(journal.root)), progress=progress)


def compress_ahead(journal: Crafted) -> None:
    """Compress a segment that is not read yet."""
    journal.compress(1200)


def retain_ahead(journal: Crafted) -> None:
    """Delete segments up to one that is not read yet."""
    for base, suffix in ((0, ".log"), (600, ".log.zst"), (1200, ".log")):
        journal.remove(base, suffix, ".seal.json")


def retain_behind(journal: Crafted) -> None:
    """Delete the segment that was just read."""
    journal.remove(0, ".log", ".seal.json")


def grow_and_seal(journal: Crafted) -> None:
    """Write to the tail, cut it and seal it."""
    with journal.file(2400, ".log").open("ab") as file:
        file.write(b'":1,"time":"now"}\n')
    journal.end = 2646 + 17
    journal.add(journal.data(), mode=0o600)
    for base in (2400, 2646 + 17):
        journal.seal(base)
    journal.add(b"", mode=0o600)


def drop_ahead(journal: Crafted) -> None:
    """Write an incident and delete."""
    journal.incident("repeat", 0, 1)
    retain_ahead(journal)


@pytest.mark.parametrize("change", [compress_ahead, retain_ahead, retain_behind, grow_and_seal, drop_ahead])
def test_a_live_journal_is_judged_fairly(journal: Crafted, change: Callable[[Crafted], None]) -> None:
    """Files that keep compresses or deletes while they are read, and bytes that capture adds, are no fault."""
    findings = changing(journal, change)
    assert findings.verdict == "complete", findings


def test_a_bad_verdict_needs_two_listings(journal: Crafted) -> None:
    """A listing may miss a file, and capture and delivery go on meanwhile: the second look sees all of it."""
    path = journal.file(600, ".log.zst")
    aside = path.rename(path.with_suffix(".tmp"))

    def go_on(done: int, total: int) -> None:
        if aside.exists() and done == total:  # the tail is being read: its size is known already
            aside.rename(path)
            with journal.file(2400, ".log").open("ab") as file:
                file.write(b'":1}\n')
            cursor = CursorFile(str(journal.root / "cursors" / "stdout"))
            cursor.update(offset=2651, after=2651)
            cursor.close()

    findings = verify_journal(Layout(str(journal.root)), progress=go_on)
    assert not aside.exists()
    assert (findings.verdict, findings.end) == ("complete", 2651)


def test_damage_on_a_live_journal_is_still_damage(journal: Crafted) -> None:
    """A file that vanishes from the middle and stays away is a hole."""
    assert changing(journal, delete_data).holes == ((600, 1200),)


def test_a_journal_that_never_holds_still_is_given_up(journal: Crafted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of listings is bounded."""
    monkeypatch.setattr(verify_module, "LISTINGS_MAX", 3)
    lost = [100]

    def progress(_done: int, _total: int) -> None:
        for base in (600, 1200, 1800):  # whatever form there is, it is in the other one a moment later
            raw, packed = journal.file(base, ".log"), journal.file(base, ".log.zst")
            if raw.exists():
                journal.compress(base)
            else:
                raw.write_bytes(b"x" * lost[0])
                lost[0] += 1
                packed.unlink()

    with pytest.raises(JournalError, match="3 times"):
        verify_journal(Layout(str(journal.root)), progress=progress)
