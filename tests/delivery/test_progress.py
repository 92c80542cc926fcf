from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from standpipe.delivery.progress import SAME_TROUBLE_SECONDS, Progress
from standpipe.delivery.sink_states import SinkStates
from standpipe.delivery.waiting import Waiting
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import Layout
from standpipe.journal.sink_entries import CONFIG_FAULT, DELIVERING, RETRYING, SinkEntry
from standpipe.observe.log import Log
from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Told:
    """One sink's progress, its log and a clock."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.layout = Layout(str(Crafted(directory / "journal").root))
        self.states = SinkStates(self.layout)
        self.states.enter({"web": SinkEntry("http", 0)})
        self.now = 0.0
        monkeypatch.setattr("standpipe.delivery.progress.time.monotonic", lambda: self.now)
        self._path = directory / "messages"
        self._log = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._wait = Waiting(self.layout.segments)
        cursor = CursorFile(self.layout.cursor("web"))
        cursor.update(offset=0, after=0)
        self.progress = Progress("web", cursor, self.states, self._wait, Log("ship", self._log))

    def close(self) -> None:
        """Close what is open."""
        self.progress.end()
        self._wait.close()
        os.close(self._log)

    def lines(self) -> int:
        """Return how much was said."""
        return len(self._path.read_text().splitlines())


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """Return the progress of one sink."""
    made = Told(tmp_path, monkeypatch)
    yield made
    made.close()


def test_a_flapping_destination_does_not_fill_the_log(told: Told) -> None:
    """The same trouble is told once a minute, whatever words come with it; sinks.json has the newest ones."""
    for number in range(600):
        told.progress.tell(RETRYING, f"429, request {number}")
        told.progress.tell(DELIVERING)
        told.now += 0.1
    assert told.lines() <= 2
    told.now += SAME_TROUBLE_SECONDS
    before = told.lines()
    told.progress.tell(RETRYING, "429, request 600")
    assert 1 == told.lines() - before
    assert (RETRYING, "429, request 600") == told.progress.state


def test_another_trouble_is_told_at_once(told: Told) -> None:
    """What a person has to mend is not hidden by what passes."""
    told.progress.tell(RETRYING, "503")
    told.progress.tell(CONFIG_FAULT, "403")
    assert 2 == told.lines()


def test_the_end_of_a_trouble_is_told_where_it_was(told: Told) -> None:
    """Once; who never had any is not told to be well."""
    told.progress.tell(DELIVERING)
    assert 0 == told.lines()
    told.progress.tell(RETRYING, "503")
    told.progress.tell(DELIVERING)
    told.progress.tell(DELIVERING)
    assert 2 == told.lines()
