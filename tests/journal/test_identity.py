from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import JournalError
from standpipe.journal import identity
from standpipe.journal.layout import Layout
from tests.model.capture_rig import Kill, killed_at

if TYPE_CHECKING:
    from pathlib import Path

STEPS_MAX = 60


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return the layout of a journal that does not exist yet."""
    return Layout(str(tmp_path / "journal"))


def tree(layout: Layout) -> dict[str, tuple[bytes | None, int]]:
    """Return everything below the root: content (None for a directory) and mode."""
    found: dict[str, tuple[bytes | None, int]] = {}
    for directory, _, files in os.walk(layout.root):
        found[directory] = (None, os.stat(directory).st_mode)
        for name in files:
            with open(f"{directory}/{name}", "rb") as file:
                found[f"{directory}/{name}"] = (file.read(), os.stat(file.fileno()).st_mode)
    return found


def test_a_journal_is_made_once(layout: Layout) -> None:
    """A missing directory becomes a journal with a new id; opening it again gives the same id and changes nothing."""
    made = identity.open_or_create(layout, "node-1", 0.0)
    before = tree(layout)
    again = identity.open_or_create(layout, "node-2", 99.0)
    assert (made.journal_id, "node-1", "1970-01-01T00:00:00.000Z", None) == (
        again.journal_id,
        again.node,
        again.created,
        again.predecessor,
    )
    assert before == tree(layout)
    assert again.to_bytes() == identity.read(layout).to_bytes()
    assert {layout.root: 0o700, layout.segments: 0o700, layout.identity: 0o600} == {
        path: before[path][1] & 0o777 for path in (layout.root, layout.segments, layout.identity)
    }


def test_two_journals_have_two_ids(tmp_path: Path) -> None:
    """A journal that is made anew gets an id of its own, so no record id is given twice."""
    ids = {identity.open_or_create(Layout(str(tmp_path / name)), "n", 0.0).journal_id for name in "ab"}
    assert [36, 36] == [len(found) for found in ids]


def test_a_kill_at_every_step_leaves_a_start_that_works(tmp_path: Path) -> None:
    """Whatever system call a kill comes before while a journal is made, the next start makes it, with one id."""
    for step in range(STEPS_MAX):
        layout = Layout(str(tmp_path / str(step)))
        with killed_at(step):
            try:
                identity.open_or_create(layout, "n", 0.0)
                killed = False
            except Kill:
                killed = True
        said = identity.read(layout).journal_id if os.path.exists(layout.identity) else None
        made = identity.open_or_create(layout, "n", 0.0)
        assert said in (None, made.journal_id)
        assert {layout.segments, layout.cursors, layout.deadletter, layout.root, layout.identity} == set(tree(layout))
        if not killed:
            break
    assert 5 < step < STEPS_MAX - 1


@pytest.mark.parametrize("version", [2, 0, "1", None, 1.5])
def test_another_format_is_refused_untouched(layout: Layout, version: object) -> None:
    """A journal of another format is refused with both versions in the message, and nothing in it changes."""
    os.mkdir(layout.root)
    with open(layout.identity, "w") as file:
        json.dump({"format": version, "something": "else"}, file)
    before = tree(layout)
    refused = rf"format {version!r}; this standpipe reads and writes format 1"
    with pytest.raises(JournalError, match=refused):
        identity.open_or_create(layout, "n", 0.0)
    with pytest.raises(JournalError, match=refused):
        identity.read(layout)
    assert before == tree(layout)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b'"format"', b"null", b"\xff\xfe", b"{}", b'{"format":1}', b"\0" * 100]
)
def test_a_damaged_identity_is_refused_untouched(layout: Layout, content: bytes) -> None:
    """A journal.json that cannot be read is an error with a remedy; it is never written anew, and nothing changes."""
    os.mkdir(layout.root)
    with open(layout.identity, "wb") as file:
        file.write(content)
    before = tree(layout)
    with pytest.raises(JournalError, match=r"journal\.json") as caught:
        identity.open_or_create(layout, "n", 0.0)
    assert "Restore the file" in caught.value.remedy
    assert before == tree(layout)


def test_segments_without_an_identity_are_refused(layout: Layout) -> None:
    """A directory with segments but no journal.json is no new journal: its offsets would be given out twice."""
    os.makedirs(layout.segments)
    with open(layout.segment(0), "wb") as file:
        file.write(b"record\n")
    before = tree(layout)
    with pytest.raises(JournalError, match="is missing") as caught:
        identity.open_or_create(layout, "n", 0.0)
    assert "Restore journal.json" in caught.value.remedy
    assert before == tree(layout)


def test_a_place_that_cannot_hold_a_journal_is_explained(tmp_path: Path) -> None:
    """A file in the journal's place, or above it, is told with its path and a remedy, and stays as it is."""
    (tmp_path / "file").write_text("precious")
    for path in ("file", "file/journal"):
        with pytest.raises(JournalError, match="cannot create the journal") as caught:
            identity.open_or_create(Layout(str(tmp_path / path)), "n", 0.0)
        assert "writable" in caught.value.remedy
    assert "precious" == (tmp_path / "file").read_text()


def test_reading_makes_nothing(layout: Layout) -> None:
    """Where there is no journal, reading says so, and makes none."""
    with pytest.raises(JournalError, match="no journal at") as caught:
        identity.read(layout)
    assert "--journal" in caught.value.remedy
    assert not os.path.exists(layout.root)
