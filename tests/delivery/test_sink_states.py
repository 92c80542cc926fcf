from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from standpipe.delivery.sink_states import SinkStates
from standpipe.journal.layout import Layout
from standpipe.journal.sink_entries import CONFIG_FAULT, DELIVERING, REMOVED, SinkEntry
from standpipe.journal.sink_entries_store import read_entries
from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a journal's."""
    Crafted(tmp_path / "journal")
    return Layout(str(tmp_path / "journal"))


def test_what_is_entered_is_on_the_disk(layout: Layout) -> None:
    """At once, and the next ship knows it."""
    assert SinkStates(layout).known is None
    SinkStates(layout).enter({"web": SinkEntry("http", 7)})
    assert {"web": SinkEntry("http", 7)} == read_entries(layout.sinks) == SinkStates(layout).known


def test_a_state_is_saved_with_its_time(layout: Layout) -> None:
    """A change is told with its reason and since when; the same again changes nothing; a stranger is not told of."""
    states = SinkStates(layout)
    states.enter({"web": SinkEntry("http", 7)})
    states.tell("web", CONFIG_FAULT, "403")
    states.tell("stranger", CONFIG_FAULT, "403")
    assert {"web": SinkEntry("http", 7)} == read_entries(layout.sinks)
    states.save()
    found = read_entries(layout.sinks)
    assert found is not None
    assert ["web"] == list(found)
    assert ("http", 7, CONFIG_FAULT, "403") == (
        found["web"].type,
        found["web"].start,
        found["web"].state,
        found["web"].why,
    )
    assert found["web"].since.endswith("Z")
    before = os.stat(layout.sinks).st_ino
    states.tell("web", CONFIG_FAULT, "403")
    states.save()
    assert before == os.stat(layout.sinks).st_ino


def test_what_the_disk_refuses_is_saved_later(layout: Layout) -> None:
    """Nothing is forgotten by a failed save, and a failed enter leaves what was."""
    states = SinkStates(layout)
    states.enter({"web": SinkEntry("http", 7)})
    states.tell("web", CONFIG_FAULT, "403")
    os.rename(layout.root, layout.root + "-away")
    with pytest.raises(OSError, match="No such file"):
        states.save()
    with pytest.raises(OSError, match="No such file"):
        states.enter({})
    assert ["web"] == list(states.known or {})
    os.rename(layout.root + "-away", layout.root)
    states.save()
    assert [CONFIG_FAULT] == [entry.state for entry in (read_entries(layout.sinks) or {}).values()]


def test_a_sink_that_delivers_again(layout: Layout) -> None:
    """The trouble is over, and so is its reason."""
    states = SinkStates(layout)
    states.enter({"web": SinkEntry("http", 7)})
    states.tell("web", CONFIG_FAULT, "403")
    states.tell("web", DELIVERING, "")
    states.save()
    (entry,) = (read_entries(layout.sinks) or {}).values()
    assert (DELIVERING, "") == (entry.state, entry.why)


def test_a_full_volume_does_not_stop_a_start_that_changes_nothing(layout: Layout) -> None:
    """What it delivers makes room again; only news has to be durable before anything else."""
    SinkStates(layout).enter({"web": SinkEntry("http", 7, CONFIG_FAULT, "403")})
    states = SinkStates(layout)
    os.rename(layout.root, layout.root + "-away")
    states.enter({"web": SinkEntry("http", 7)})
    with pytest.raises(OSError, match="No such file"):
        states.enter({"web": SinkEntry("http", 7, REMOVED)})
    os.rename(layout.root + "-away", layout.root)
    states.save()
    assert {"web": SinkEntry("http", 7)} == read_entries(layout.sinks)
