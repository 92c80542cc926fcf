from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from standpipe.journal import identity, lock
from standpipe.journal.checks import Limits, directory_result, look_at_format, look_at_locks, space_result
from standpipe.journal.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30
NOBODY = 65534


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return the layout of a journal that is not there."""
    return Layout(str(tmp_path / "journal"))


def test_a_directory_that_is_there(tmp_path: Path) -> None:
    """It is right if we may write to it."""
    assert "ok" == directory_result(str(tmp_path)).state


def test_a_directory_that_will_be_made(tmp_path: Path) -> None:
    """Also its parents; nothing is made by looking."""
    assert "ok" == directory_result(str(tmp_path / "a" / "b")).state
    assert [] == os.listdir(tmp_path)


def test_what_is_no_directory(tmp_path: Path) -> None:
    """A file in its place, or above it."""
    (tmp_path / "x").touch()
    assert ["failed", "failed"] == [directory_result(str(tmp_path / name)).state for name in ("x", "x/journal")]


@pytest.mark.parametrize(("name", "words"), [("here", "is closed to uid"), ("here/below", "may not write to")])
def test_a_directory_that_is_closed_to_us(tmp_path: Path, name: str, words: str) -> None:
    """Who we are is told."""
    tmp_path.chmod(0o755)
    (tmp_path / "here").mkdir(mode=0o755)
    code = (
        "import os, sys\nfrom standpipe.journal.checks import directory_result\nos.chdir(sys.argv[1])\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "result = directory_result(sys.argv[2]); print(result.state, result.found)"
    )
    words_of_it = [sys.executable, "-c", code, str(tmp_path), name]
    told = subprocess.run(words_of_it, capture_output=True, text=True, check=True, timeout=60).stdout
    assert told.startswith("failed")
    assert words in told
    assert str(NOBODY) in told


def test_no_journal_has_no_format(layout: Layout) -> None:
    """There is nothing to say before the first start."""
    assert [] == look_at_format(layout)


def test_a_journals_format(layout: Layout) -> None:
    """Format and id."""
    who = identity.open_or_create(layout, "node", 0.0)
    (result,) = look_at_format(layout)
    expected = f"format 1, id {who.journal_id}, made 1970-01-01T00:00:00.000Z on node"
    assert ("ok", expected) == (result.state, result.found)


@pytest.mark.parametrize("text", ['{"format": 99}', "rubbish"])
def test_a_format_that_is_not_ours(layout: Layout, text: str) -> None:
    """It fails with the remedy that capture would give."""
    os.mkdir(layout.root)
    with open(layout.identity, "w", encoding="ascii") as file:
        file.write(text)
    (result,) = look_at_format(layout)
    assert result.state == "failed"
    assert result.remedy


def test_segments_without_an_identity(layout: Layout) -> None:
    """A start would refuse them."""
    os.makedirs(layout.segments)
    assert [] == look_at_format(layout)
    with open(layout.segment(0), "wb"):
        pass
    (result,) = look_at_format(layout)
    assert result.state == "failed"
    assert "journal.json is missing" in result.found


def test_who_works_on_it(layout: Layout) -> None:
    """Nobody, before there is a journal and in one at rest; then the holder of a lock, which keeps it."""
    before = look_at_locks(layout)
    identity.open_or_create(layout, "node", 0.0)
    held = lock.acquire(layout.lock("keep"), "keep")
    (result,) = look_at_locks(layout)
    assert lock.holder(layout.lock("keep")) == os.getpid()
    os.close(held)
    states = [result.state for result in (*before, result, *look_at_locks(layout))]
    assert ["ok", "warning", "ok"] == states
    assert f"a standpipe works on it: keep (process {os.getpid()})" == result.found


def test_a_holder_that_has_not_said_who_it_is(layout: Layout) -> None:
    """Its process id is unknown for a moment."""
    os.mkdir(layout.root)
    with open(layout.lock("ship"), "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (result,) = look_at_locks(layout)
    assert "a standpipe works on it: ship (process unknown)" == result.found


@pytest.mark.parametrize(
    ("free", "own", "state"),
    [(10 * GIB, 0, "ok"), (9 * GIB, GIB, "ok"), (10 * GIB - 1, 0, "warning"), (GIB - 1, 0, "failed")],
)
def test_room(free: int, own: int, state: str) -> None:
    """What is free and what the journal has already must reach the cap, and hold one segment at its hard limit."""
    assert state == space_result(Limits(10 * GIB, GIB // 2, free, own)).state


def test_room_is_told_in_words() -> None:
    """Cap, used, free."""
    expected = "cap 10.0 GiB, of which 1.0 GiB are used; 20.0 GiB free on its volume"
    assert expected == space_result(Limits(10 * GIB, GIB, 20 * GIB, GIB)).found
