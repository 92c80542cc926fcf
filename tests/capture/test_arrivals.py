from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.arrivals import find_arrivals
from standpipe.capture.follow_report import Report
from standpipe.capture.generations import Generations
from standpipe.capture.journal_tail import JournalTail
from standpipe.capture.proof import mark_at
from standpipe.capture.regular_file import OpenFile, open_regular
from standpipe.capture.source_map import SourceFile, SourceMap
from standpipe.journal import identity
from standpipe.journal.layout import Layout
from standpipe.observe.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def write(path: Path, text: str, written: int) -> None:
    """Write a file, last at a time."""
    path.write_text(text)
    os.utime(path, ns=(written, written))


def left(path: Path) -> SourceFile:
    """Return a file that was captured to its end."""
    file = open_at(path)
    known = SourceFile(file.inode, file.birth_time)
    known.add_mark(mark_at(file.descriptor, file.size))
    known.end = file.size
    file.close()
    return known


def open_at(path: Path) -> OpenFile:
    """Open a file that is there."""
    file = open_regular(str(path), follow_symlink=True)
    assert file is not None
    return file


@contextmanager
def arrivals(
    directory: Path, known: Sequence[SourceFile], followed: Sequence[OpenFile]
) -> Iterator[list[tuple[str, int]]]:
    """Yield (name, position) of what is to be read next."""
    source_map = SourceMap(str(directory / "audit.log"), "boot", 0)
    source_map.files = list(known)
    with (directory / "messages").open("wb") as sink:
        report = Report(str(directory / "incidents.jsonl"), Log("capture", sink.fileno()), lambda: 0.0)
        generations = Generations(str(directory / "audit.log"), report)
        layout = Layout(str(directory / "journal"))
        identity.open_or_create(layout, "node", 0.0)
        tail = JournalTail(layout)
        found = find_arrivals(generations, source_map, followed, tail)
        yield [(os.path.basename(one.file.path), one.position) for one in found]
        generations.close()
        tail.close()


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Make a live file and two generations, whose names sort otherwise than their times."""
    write(tmp_path / "audit.log.1", "b1\nb2\n", 1000)
    write(tmp_path / "audit.log.2", "c1\nc2\nc3\n", 2000)
    write(tmp_path / "audit.log", "d1\n", 500)
    return tmp_path


def test_new_files_come_in_the_order_of_their_last_write_and_the_live_one_last(three: Path) -> None:
    """Generations are read oldest first whatever their names, and the live file after them."""
    with arrivals(three, [], []) as found:
        assert [("audit.log.1", 0), ("audit.log.2", 0), ("audit.log", 0)] == found


def test_what_was_captured_does_not_come_again(three: Path) -> None:
    """A file that was left is known by content, also by another name, and comes only with what it got since."""
    known = [left(three / "audit.log.1"), left(three / "audit.log.2")]
    (three / "audit.log.1").rename(three / "audit.log.7")
    with (three / "audit.log.2").open("a") as file:
        file.write("late\n")
    with arrivals(three, known, []) as found:
        assert [("audit.log.2", 9), ("audit.log", 0)] == found


def test_the_file_that_is_open_and_its_copies_do_not_come(three: Path) -> None:
    """Neither what is followed nor a whole or half made copy of it is something new."""
    followed = open_at(three / "audit.log.2")
    write(three / "audit.log.copy", "c1\nc2\nc3\n", 3000)
    write(three / "audit.log.half", "c1\nc2", 3001)
    with arrivals(three, [], [followed]) as found:
        assert [("audit.log.1", 0), ("audit.log", 0)] == found
    followed.close()


def test_a_file_with_the_number_of_a_known_one_and_other_bytes_is_new(three: Path) -> None:
    """An inode that was used again does not make a file known."""
    known = left(three / "audit.log.1")
    write(three / "audit.log.1", "other bytes\n", 1000)
    with arrivals(three, [known], []) as found:
        assert ("audit.log.1", 0) in found
