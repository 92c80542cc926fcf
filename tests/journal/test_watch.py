from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from standpipe.journal import watch
from standpipe.journal.watch import DirectoryWatch

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_MILLISECONDS = 60_000


def events_of(watching: DirectoryWatch, milliseconds: int) -> int:
    """Return how many descriptors become readable: 1 where something has happened."""
    poll = select.poll()
    poll.register(watching.descriptor, select.POLLIN)
    return len(poll.poll(milliseconds))


def test_growth_and_a_new_name_wake_the_reader(tmp_path: Path) -> None:
    """A write into a file of the directory, and a rename into it, make the descriptor readable, once each."""
    (tmp_path / "segments").mkdir()
    segment = tmp_path / "segments" / "next"
    watching = DirectoryWatch(str(tmp_path / "segments"))
    with open(segment, "wb", buffering=0) as file:
        file.write(b"x")
        assert 1 == events_of(watching, DEADLINE_MILLISECONDS)
        watching.clear()
        assert 0 == events_of(watching, 0)
        os.rename(segment, tmp_path / "segments" / "0.log")
        assert 1 == events_of(watching, DEADLINE_MILLISECONDS)
        watching.clear()
        file.write(b"y")
        assert 1 == events_of(watching, DEADLINE_MILLISECONDS)
    os.close(watching.descriptor)


def test_splice_counts_as_growth(tmp_path: Path) -> None:
    """Capture moves bytes with splice(2), and that is seen as well."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"record\n")
    with open(tmp_path / "0.log", "wb") as file:
        watching = DirectoryWatch(str(tmp_path))
        os.splice(read_end, file.fileno(), 7)
        assert 1 == events_of(watching, DEADLINE_MILLISECONDS)
    for descriptor in (read_end, write_end, watching.descriptor):
        os.close(descriptor)


def test_one_clear_is_enough_after_many_events(tmp_path: Path) -> None:
    """A burst of events is forgotten at once, and forgetting nothing does not wait."""
    watching = DirectoryWatch(str(tmp_path))
    for number in range(500):
        (tmp_path / f"{number}.log").write_bytes(b"x")
    watching.clear()
    assert 0 == events_of(watching, 0)
    watching.clear()
    os.close(watching.descriptor)


def test_a_directory_that_cannot_be_watched_is_polled(tmp_path: Path) -> None:
    """Without inotify there is no descriptor, and a waiter looks by itself more often."""
    watching = DirectoryWatch(str(tmp_path / "missing"))
    assert (-1, watch.POLL_SECONDS_BLIND) == (watching.descriptor, watching.poll_seconds)
    seeing = DirectoryWatch(str(tmp_path))
    assert watch.POLL_SECONDS == seeing.poll_seconds
    os.close(seeing.descriptor)
