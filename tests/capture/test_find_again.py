from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.find_again import COPY, CUT, MOVED, SAME, find_again, search
from standpipe.capture.follow_report import Report
from standpipe.capture.generations import Generations
from standpipe.capture.journal_tail import JournalTail
from standpipe.capture.regular_file import open_regular
from standpipe.capture.source_map import SourceFile
from standpipe.journal.layout import Layout
from standpipe.observe.log import Log

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"".join(b"record %03d\n" % i for i in range(100))
POSITION = 600


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """Make a live file of which the journal has the first 600 bytes."""
    (tmp_path / "journal").mkdir()
    layout = Layout(str(tmp_path / "journal"))
    os.mkdir(layout.segments)
    with open(layout.segment(0), "wb") as file:
        file.write(TEXT[:POSITION])
    path = tmp_path / "audit.log"
    path.write_bytes(TEXT)
    return path


def known_of(path: Path) -> SourceFile:
    """Return what is known of a file that is followed from its beginning."""
    file = open_regular(str(path), follow_symlink=True)
    assert file is not None
    known = SourceFile(file.inode, file.birth_time)
    known.pairs.append((0, 0))
    file.close()
    return known


def ask(live: Path, known: SourceFile | None) -> tuple[str, str, int] | None:
    """Return (name, how, position), by source.json or without it."""
    layout = Layout(str(live.parent / "journal"))
    with (live.parent / "messages").open("wb") as sink:
        report = Report(layout.incidents, Log("capture", sink.fileno()), lambda: 0.0)
        generations, tail = Generations(str(live), report), JournalTail(layout)
        if known is None:
            found = search(generations, tail)
        else:
            found = find_again(generations, known, POSITION, tail, layout.root)
            if found is not None:
                generations.files.append(found.file)  # to be closed
        answer = None if found is None else (os.path.basename(found.file.path), found.how, found.position)
        tail.close()
        generations.close()
    return answer


def test_a_renamed_file_is_the_same(live: Path) -> None:
    """A rename changes nothing, whatever the new live file is."""
    known = known_of(live)
    live.rename(f"{live}.1")
    live.write_bytes(b"new\n")
    assert ("audit.log.1", SAME, POSITION) == ask(live, known)


def test_the_copy_is_found_where_the_original_was_cut(live: Path) -> None:
    """The copy of a copytruncate goes on where the truncated file was left, and the longest of several is taken."""
    known = known_of(live)
    live.with_name("audit.log.1").write_bytes(TEXT)
    live.with_name("audit.log.2").write_bytes(TEXT[: POSITION + 5])
    os.truncate(live, 0)
    assert ("audit.log.1", COPY, POSITION) == ask(live, known)


def test_a_restored_file_is_found_by_its_content(live: Path) -> None:
    """Another file with the same bytes takes the place of one that is not there."""
    known = known_of(live)
    live.with_name("audit.log.1").write_bytes(TEXT)
    live.unlink()
    assert ("audit.log.1", MOVED, POSITION) == ask(live, known)


def test_a_file_that_was_cut_goes_on_where_it_was_cut(live: Path) -> None:
    """A file with the known number that has less than the journal goes on at its end."""
    known = known_of(live)
    os.truncate(live, 240)
    assert ("audit.log", CUT, 240) == ask(live, known)


def test_a_file_that_was_cut_to_nothing_and_filled_again_is_not_found(live: Path) -> None:
    """Neither number nor size makes a file the one that was followed."""
    known = known_of(live)
    live.write_bytes(b"other\n" * 400)
    assert ask(live, known) is None


@pytest.mark.parametrize("name", ["audit.log", "audit.log.5"])
def test_without_source_json_the_journals_last_bytes_are_searched_for(live: Path, name: str) -> None:
    """The place after the journal's last bytes is where to go on, in whatever file it is."""
    live.rename(live.with_name(name))
    assert (name, SAME, POSITION) == ask(live.with_name("audit.log"), None)


def test_less_than_a_line_is_not_searched_for(live: Path) -> None:
    """A few bytes without a newline could be anywhere; then nothing is found."""
    with open(Layout(str(live.parent / "journal")).segment(0), "wb") as file:
        file.write(TEXT[:5])
    assert ask(live, None) is None
