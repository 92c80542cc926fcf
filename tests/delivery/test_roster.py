from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import SinkConfig
from standpipe.delivery.ledger import Ledger
from standpipe.delivery.roster import Roster
from standpipe.delivery.sink_states import SinkStates
from standpipe.journal import incidents
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import Layout
from standpipe.journal.sink_entries import CONFIG_FAULT, DELIVERING, REMOVED
from standpipe.journal.sink_entries_store import read_entries, write_entries
from standpipe.observe.log import Log
from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class Ships:
    """One ship after the other on a journal that holds [1000, 1600)."""

    def __init__(self, directory: Path) -> None:
        self.journal = Crafted(directory / "journal")
        self.journal.add(base=1000)
        self.layout = Layout(str(directory / "journal"))
        self.messages = directory / "messages"
        self._log = os.open(self.messages, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.states = SinkStates(self.layout)

    def close(self) -> None:
        """Close what is open."""
        os.close(self._log)

    def settle(self, *sinks: SinkConfig, running: Collection[str] = (), restart: bool = True) -> dict[str, int]:
        """Settle a config, by a new ship or the same one; return each sink's start."""
        if restart:
            self.states = SinkStates(self.layout)
        settled = self._roster().settle(sinks, running)
        self.known = set(settled.known)
        found = read_entries(self.layout.sinks) or {}
        starts = {name: entry.start for name, entry in found.items() if entry.state != REMOVED}
        assert starts == settled.starts, "what is entered is on the disk"
        for sink in sinks:
            self.states.begin(sink.name)  # as a delivery does when it has made the cursor
        self.states.save()
        return starts

    def settle_once(self, *sinks: SinkConfig) -> dict[str, int]:
        """Settle a config for `ship --once`."""
        self.states = SinkStates(self.layout)
        settled = self._roster().settle_once(sinks)
        self.known = set(settled.known)
        return dict(settled.starts)

    def _roster(self) -> Roster:
        return Roster(self.layout, self.states, Ledger(self.layout.incidents), Log("ship", self._log))

    def deliver(self, name: str, offset: int) -> None:
        """Move a sink's cursor."""
        cursor = CursorFile(self.layout.cursor(name))
        cursor.update(offset=offset, after=offset)
        cursor.close()

    def incidents(self) -> list[tuple[object, object, object]]:
        """Return kind, offset and detail of each."""
        return [(entry["kind"], entry["offset"], entry["detail"]) for entry in incidents.read(self.layout.incidents)]

    def said(self) -> list[tuple[str, str]]:
        """Return message and sink of each message."""
        entries = map(json.loads, self.messages.read_text().splitlines())
        return [(entry["message"].partition(";")[0], entry["sink"]) for entry in entries]


@pytest.fixture
def ships(tmp_path: Path) -> Iterator[Ships]:
    """Return ships on a small journal."""
    made = Ships(tmp_path)
    yield made
    made.close()


def web(name: str = "web", start: str | None = None) -> SinkConfig:
    """Return a sink's config."""
    return SinkConfig(name, "http", start)


def added(name: str, held: int) -> dict[str, object]:
    """Return the detail of the incident."""
    return {"sink": name, "type": "http", "held_before_bytes": held}


def test_the_first_start(ships: Ships) -> None:
    """On the journal's first delivery sinks begin with all that is there, unless they want none of it; no incident."""
    assert {"web": 1000, "tail": 1600} == ships.settle(web(), web("tail", "latest"))
    assert set() == ships.known
    assert [] == ships.incidents()


def test_a_restart_changes_nothing(ships: Ships) -> None:
    """A sink keeps its start, whatever the config says now, and is known."""
    ships.settle(web())
    ships.journal.add()
    assert {"web": 1000} == ships.settle(web(start="latest"))
    assert {"web"} == ships.known
    assert [] == ships.incidents()


def test_one_that_is_added_later(ships: Ships) -> None:
    """It begins at the end, or at the head where it wants that; what it does not get is recorded and told."""
    ships.settle(web())
    assert {"web": 1000, "late": 1600, "early": 1000} == ships.settle(web(), web("late"), web("early", "earliest"))
    assert {"web"} == ships.known
    assert [
        ("sink-added", 1600, added("late", 600)),
        ("sink-added", 1000, added("early", 0)),
    ] == ships.incidents()
    assert [("a sink was added", "late"), ("a sink was added", "early")] == ships.said()


def test_one_that_is_removed_and_comes_back(ships: Ships) -> None:
    """It releases the journal; back again under its name, it goes on from its cursor."""
    ships.settle(web(), web("other"))
    ships.deliver("web", 1240)
    assert {"other": 1000} == ships.settle(web("other"))
    assert [("sink-removed", 1240, {"sink": "web"})] == ships.incidents()
    assert [("a sink was removed", "web")] == ships.said()
    ships.settle(web(), web("other"))
    assert ("sink-added", 1240, added("web", 240)) == ships.incidents()[-1]
    assert {"other", "web"} == ships.known
    ships.settle(web(), web("other"))
    assert {"web", "other"} == ships.known


def test_one_that_stays_away_is_told_once(ships: Ships) -> None:
    """It stays entered as removed, which is no news at the next start."""
    ships.settle(web(), web("other"))
    for _ in range(3):
        ships.settle(web("other"))
    assert ["sink-removed"] == [kind for kind, *_ in ships.incidents()]
    assert {"web": REMOVED, "other": DELIVERING} == {
        name: entry.state for name, entry in (read_entries(ships.layout.sinks) or {}).items()
    }


def test_a_job_enters_nothing(ships: Ships) -> None:
    """`ship --once` with anybody's config: no incident, no entry, nobody is removed; new ones begin with everything."""
    ships.settle(web())
    ships.deliver("web", 1240)
    before = Path(ships.layout.sinks).read_bytes()
    assert {"job": 1000, "tail": 1600} == ships.settle_once(web("job"), web("tail", "latest"))
    assert set() == ships.known
    assert {"web": 1000} == ships.settle_once(web(start="latest"))
    assert {"web"} == ships.known
    assert (before, []) == (Path(ships.layout.sinks).read_bytes(), ships.incidents())


def test_one_that_is_renamed(ships: Ships) -> None:
    """A new name is a new sink, and the old one is gone."""
    ships.settle(web())
    ships.deliver("web", 1240)
    assert {"new": 1600} == ships.settle(web("new"))
    assert [("sink-removed", 1240, {"sink": "web"}), ("sink-added", 1600, added("new", 600))] == ships.incidents()


def test_a_kill_before_the_cursors_are_made(ships: Ships) -> None:
    """A sink that was entered and never begun has lost nothing: it is not told as a cursor that is damaged."""
    assert {"web": 1000} == ships.settle(web())
    entries = read_entries(ships.layout.sinks) or {}
    write_entries(ships.layout.sinks, {name: replace(entry, begun=False) for name, entry in entries.items()})
    assert {"web": 1000} == ships.settle(web())
    assert set() == ships.known
    assert [] == ships.incidents()


def test_all_sinks_are_removed(ships: Ships) -> None:
    """`sinks: {}` is a roster too: one that is added then is added."""
    ships.settle(web())
    assert {} == ships.settle()
    assert {"late": 1600} == ships.settle(web("late"))


@pytest.mark.parametrize("damage", [None, b"", b'{"format":1,"sinks":{"web":{"ty'])
def test_the_file_is_lost(ships: Ships, damage: bytes | None) -> None:
    """Whoever has a cursor was delivered to; the others are added. Nobody begins anew in silence."""
    ships.settle(web())
    ships.deliver("web", 1240)
    if damage is None:
        os.unlink(ships.layout.sinks)
    else:
        Path(ships.layout.sinks).write_bytes(damage)
    assert {"web": 0, "late": 1600} == ships.settle(web(), web("late"))
    assert {"web"} == ships.known
    assert [("sink-added", 1600, added("late", 600))] == ships.incidents()


def test_the_file_and_the_cursors_are_lost(ships: Ships) -> None:
    """Then this is a first start."""
    ships.settle(web())
    os.unlink(ships.layout.sinks)
    assert {"web": 1000, "new": 1000} == ships.settle(web(), web("new"))
    assert set() == ships.known


def test_what_ails_a_sink_that_goes_on_stays(ships: Ships) -> None:
    """At SIGHUP the state of a sink that runs on is not forgotten; that of one that is opened anew is."""
    ships.settle(web(), web("changed"))
    for name in ("web", "changed"):
        ships.states.tell(name, CONFIG_FAULT, "403")
    ships.settle(web(), web("changed"), running={"web"}, restart=False)
    ships.states.save()
    ships.states.save()
    states = {name: entry.state for name, entry in (read_entries(ships.layout.sinks) or {}).items()}
    assert {"web": CONFIG_FAULT, "changed": DELIVERING} == states
    ships.settle(web(), web("changed"))
    ships.states.save()
    assert {DELIVERING} == {entry.state for entry in (read_entries(ships.layout.sinks) or {}).values()}


def test_one_that_comes_back_and_then_loses_its_cursor(ships: Ships) -> None:
    """What lies between its cursor and the journal's end is due to it: it begins again at the cursor, not behind it."""
    ships.settle(web(), web("other"))
    ships.deliver("web", 1240)
    ships.settle(web("other"))
    assert {"web": 1240, "other": 1000} == ships.settle(web(), web("other"))
    os.unlink(ships.layout.cursor("web"))
    assert {"web": 1240, "other": 1000} == ships.settle(web(), web("other"))
