"""Sinks of a running sidecar or run: they fail, come and go, and are changed by SIGHUP."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import EXIT_OK, EXIT_UNABLE
from standpipe.journal import incidents
from standpipe.journal.cursor import read_cursor
from standpipe.journal.layout import Layout
from standpipe.journal.sink_entries_store import read_entries
from tests.evidence.craft import records
from tests.processes.front_door import FrontDoor, wait_until
from tests.processes.run_rig import Place as Runs
from tests.sinks.http_destination import HttpDestination

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.processes.run_rig import Run

READ_AGAIN = "the sinks of the config were read again"
CLOSED = "type: kafka, brokers: ['localhost:9'], topic: vault"  # its library is missing here
REFUSED = "the new config is refused"


class Place:
    """A FIFO, a journal, a config, destinations, and Vault's end of the FIFO."""

    def __init__(self, directory: Path, ends: ExitStack) -> None:
        self.runs = Runs(directory, ends)
        self.config = self.runs.config
        self.layout = Layout(str(self.runs.journal))
        self.first = ends.enter_context(HttpDestination())
        self.second = ends.enter_context(HttpDestination())
        self.written = 0
        self._ends = ends
        self._writer = -1

    def write_config(self, **sinks: str) -> None:
        """Write a config with these sinks; segments are small and are not kept."""
        lines = [f"  {name}: {{{text}}}" for name, text in sinks.items()]
        self.config.write_text(
            "shutdown: {deadline: 30s}\n"
            "journal: {max_size: 64MiB, segment_size: 4KiB, retain: {age: 0s}}\n" + "\n".join(["sinks:", *lines]) + "\n"
        )

    def http(self, destination: HttpDestination, more: str = "deliver_seals: false") -> str:
        """Return a sink's config."""
        return f'type: http, url: "{destination.url}", {more}'

    def another(self) -> HttpDestination:
        """Return one more destination."""
        return self._ends.enter_context(HttpDestination())

    def sidecar(self) -> Run:
        """Start a sidecar; return it once ship delivers."""
        started = self.runs.sidecar()
        started.wait_for('"message": "delivering"')
        return started

    def write(self, count: int = 1) -> None:
        """Write records as Vault does."""
        if self._writer < 0:
            self._writer = os.open(self.runs.fifo, os.O_WRONLY)
            self._ends.callback(self.close_writer)
        data = records(self.written, count)
        self.written += count
        while data:
            data = data[os.write(self._writer, data) :]

    def close_writer(self) -> None:
        """Let Vault go."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def hang_up(self, run: Run, said: str = READ_AGAIN, count: int = 1) -> None:
        """Send SIGHUP, and wait for what ship says to it."""
        run.signal(signal.SIGHUP)
        run.wait_for(said, count)

    def stop(self, run: Run) -> None:
        """End a sidecar in order."""
        self.close_writer()
        run.signal(signal.SIGTERM)
        assert EXIT_OK == run.status()

    def offset(self, sink: str) -> int:
        """Return where a sink's cursor is; -1 where it has none."""
        state = read_cursor(self.layout.cursor(sink))
        return -1 if state is None else state.offset

    def incidents(self) -> list[tuple[object, object, object]]:
        """Return kind, offset and sink of each incident."""
        found = incidents.read(self.layout.incidents)
        return [(entry["kind"], entry["offset"], entry["detail"]["sink"]) for entry in found]  # type: ignore[index]

    def bases(self) -> list[int]:
        """Return where the segments begin that are there, whatever their form."""
        names = os.listdir(self.layout.segments)
        return sorted({int(name[:20]) for name in names if name.endswith((".log", ".log.zst"))})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Return a place, on a machine on which the extra `kafka` is not installed."""
    (tmp_path / "missing").mkdir()
    (tmp_path / "missing" / "confluent_kafka.py").write_text("raise ImportError('not here', name='confluent_kafka')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "missing"), *sys.path]))
    with ExitStack() as ends:
        yield Place(tmp_path, ends)


def numbers(destination: HttpDestination) -> list[int]:
    """Return the numbers of the records that arrived, in order."""
    return [json.loads(record.raw)["n"] for record in list(destination.records)]


def test_a_sink_that_is_added_begins_at_the_end(place: Place) -> None:
    """What came before it does not get, and that is recorded; what comes after goes to both."""
    place.write_config(first=place.http(place.first))
    sidecar = place.sidecar()
    place.write(3)
    place.first.wait_for(lambda d: len(d.records) == 3)
    place.write_config(first=place.http(place.first), second=place.http(place.second))
    place.hang_up(sidecar)
    assert [("sink-added", 360, "second")] == place.incidents()
    place.write(2)
    place.first.wait_for(lambda d: len(d.records) == 5)
    place.second.wait_for(lambda d: len(d.records) == 2)
    place.stop(sidecar)
    assert ([0, 1, 2, 3, 4], [3, 4]) == (numbers(place.first), numbers(place.second))


def test_a_sink_that_is_removed_releases_the_journal(place: Place) -> None:
    """While it is configured nothing that it has not had is deleted; afterwards keep deletes it."""
    place.second.answer(503, -1)
    place.write_config(first=place.http(place.first), second=place.http(place.second))
    sidecar = place.sidecar()
    place.write(200)
    place.first.wait_for(lambda d: len(d.records) == 200)
    wait_until(lambda: place.offset("first") == 200 * 120, "the first sink has all of it")
    assert len(place.bases()) > 3
    assert 0 == place.bases()[0]
    place.write_config(first=place.http(place.first))
    place.hang_up(sidecar)
    assert [("sink-removed", 0, "second")] == place.incidents()
    wait_until(lambda: place.bases()[0] > 0, "segments are deleted")
    place.second.answer_normally()
    place.write_config(first=place.http(place.first), second=place.http(place.second))
    place.hang_up(sidecar, count=2)
    sidecar.wait_for("was outside what the journal holds and was moved")  # told when it is back
    place.write(1)
    place.second.wait_for(lambda d: bool(d.records) and numbers(d)[-1] == 200)
    assert 0 not in numbers(place.second)
    place.stop(sidecar)


def test_a_bad_config_is_refused(place: Place) -> None:
    """Whatever is wrong with it, the old one goes on; a good one is taken then."""
    place.write_config(first=place.http(place.first))
    sidecar = place.sidecar()
    good = place.config.read_text()
    bad = {
        "no YAML": "sinks: {",
        "an unknown key": good + "nonsense: 1\n",
        "a sink that cannot be opened": good + f"  second: {{{CLOSED}}}\n",
    }
    for count, text in enumerate(bad.values(), start=1):
        place.config.write_text(text)
        place.hang_up(sidecar, REFUSED, count)
        place.write(1)
        place.first.wait_for(lambda d, count=count: len(d.records) == count)  # type: ignore[misc]
    assert [] == place.incidents()
    assert ["first"] == list(read_entries(place.layout.sinks) or {})
    assert good == (place.runs.journal / "config.yaml").read_text()
    place.config.write_text(good)
    place.hang_up(sidecar)
    place.stop(sidecar)


def test_a_ship_that_is_killed_after_the_config_was_broken_goes_on(place: Place) -> None:
    """It takes the copy of the config that was accepted last, and says so; nothing is lost or changed by it."""
    place.write_config(first=place.http(place.first))
    sidecar = place.sidecar()
    place.write(1)
    place.first.wait_for(lambda d: len(d.records) == 1)
    place.config.write_text("sinks: {")
    os.kill(sidecar.wait_for_roles()["ship"], signal.SIGKILL)
    place.write(1)
    sidecar.wait_for("the config cannot be used; the one that was accepted last goes on")
    place.first.wait_for(lambda d: numbers(d)[-1] == 1)
    assert [] == place.incidents()
    place.stop(sidecar)


def test_a_sink_that_is_changed_goes_on(place: Place) -> None:
    """Its cursor stays, whatever else is new; the others do not notice."""
    place.write_config(first=place.http(place.first), second=place.http(place.second))
    sidecar = place.sidecar()
    place.write(3)
    for destination in (place.first, place.second):
        destination.wait_for(lambda d: len(d.records) == 3)
    wait_until(lambda: place.offset("second") == 360, "it is acknowledged")
    changed = place.http(place.second, "deliver_seals: false, add: {cluster: blue}")
    place.write_config(first=place.http(place.first), second=changed)
    place.hang_up(sidecar)
    place.write(2)
    for destination in (place.first, place.second):
        destination.wait_for(lambda d: len(d.records) == 5)
    assert [0, 1, 2, 3, 4] == numbers(place.second)
    labels = [json.loads(record.raw)["standpipe"].get("labels") for record in place.second.records]
    assert [None] * 3 + [{"cluster": "blue"}] * 2 == labels
    assert [] == place.incidents()
    place.stop(sidecar)


def test_run_passes_sighup_to_ship_and_to_vault(place: Place) -> None:
    """Both read again what is theirs."""
    place.write_config(first=place.http(place.first))
    flag = place.runs.directory / "hup"
    script = f"exec 3> {place.runs.fifo}; trap 'echo > {flag}' HUP; trap 'exit 0' TERM; while :; do sleep 0.05; done"
    run = place.runs.run("sh", "-c", script)
    run.wait_for('"message": "delivering"')
    place.write(1)
    place.first.wait_for(lambda d: len(d.records) == 1)
    wait_until(lambda: place.offset("first") == 120, "it is acknowledged")
    place.write_config(second=place.http(place.second, "deliver_seals: false, start: earliest"))
    place.hang_up(run)
    wait_until(flag.exists, "COMMAND got it too")
    place.second.wait_for(lambda d: len(d.records) == 1)
    place.write(1)
    place.second.wait_for(lambda d: len(d.records) == 2)
    assert [("sink-removed", 120, "first"), ("sink-added", 0, "second")] == place.incidents()
    place.close_writer()
    run.signal(signal.SIGTERM)
    assert EXIT_OK == run.status()
    assert ([0], [0, 1]) == (numbers(place.first), numbers(place.second))


def test_one_failing_sink_delays_no_other(place: Place) -> None:
    """One never answers, one refuses, one has no library and one no secret: the good one has everything meanwhile."""
    place.second.hold()
    refusing = place.another()
    refusing.answer(403, -1)
    place.write_config(
        first=place.http(place.first),
        silent=place.http(place.second),
        refusing=place.http(refusing),
        closed=CLOSED,
        secretless=place.http(place.first, f"token: {{file: {place.runs.directory}/nowhere}}"),
    )
    sidecar = place.sidecar()
    place.write(500)
    place.first.wait_for(lambda d: len(d.records) == 500)
    wait_until(lambda: place.offset("first") == 500 * 120, "it is acknowledged")
    assert [0, 0] == [place.offset(sink) for sink in ("silent", "refusing")]

    def states() -> dict[str, str]:
        return {name: entry.state for name, entry in (read_entries(place.layout.sinks) or {}).items()}

    bad = ("refusing", "closed", "secretless")
    wait_until(lambda: [states()[name] for name in bad] == ["config-fault"] * 3, "it is told")
    assert "Run: pip install 'standpipe[kafka]'" in sidecar.said()
    assert "delivering" == states()["first"]
    place.second.release()
    refusing.answer_normally()
    place.second.wait_for(lambda d: len(d.records) == 500)
    refusing.wait_for(lambda d: len(d.records) == 500)
    place.write_config(first=place.http(place.first))
    place.hang_up(sidecar)
    place.stop(sidecar)
    assert list(range(500)) == sorted(set(numbers(place.first)))


def test_once_ends_where_a_sink_cannot_be_opened(place: Place) -> None:
    """A job does not wait for a person; its status says so, and the words what to do."""
    place.write_config(first=place.http(place.first))
    sidecar = place.sidecar()
    place.stop(sidecar)
    place.write_config(first=CLOSED)
    door = FrontDoor(
        place.runs.directory, "ship", "--once", "--journal", place.layout.root, "--config", str(place.config)
    )
    assert EXIT_UNABLE == door.status()
    assert "pip install 'standpipe[kafka]'" in str(door.messages()[-1]["message"])
