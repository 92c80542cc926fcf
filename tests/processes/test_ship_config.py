"""Whose config a ship goes by, and what `ship --once` does beside others: nobody's hold is dropped by accident."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import EXIT_OK, EXIT_UNABLE
from standpipe.journal import incidents, lock
from standpipe.journal.cursor import read_cursor
from standpipe.journal.layout import Layout
from tests.evidence.craft import Crafted, records
from tests.processes.front_door import FrontDoor, wait_until
from tests.sinks.http_destination import HttpDestination

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COUNT = 30
SIZE = 120  # bytes of a record


class Place:
    """A journal with sealed segments and an open one, destinations, and what works on it."""

    def __init__(self, directory: Path, ends: ExitStack) -> None:
        self.directory = directory
        self.journal = Crafted(directory / "journal")
        self.layout = Layout(str(self.journal.root))
        for _ in range(2):
            self.journal.seal(self.journal.add(self.journal.data(COUNT // 3)))
        self.journal.add(self.journal.data(COUNT // 3), mode=0o600)
        self.web = ends.enter_context(HttpDestination())
        self.config = directory / "config.yaml"
        self.out = directory / "out"
        self._ends = ends

    def sinks(self, more: str = "", **sinks: str) -> None:
        """Write a config with these sinks."""
        lines = [f"  {name}: {{{text}}}" for name, text in sinks.items()]
        self.config.write_text("\n".join([more, "sinks:", *lines]) + "\n")

    def http(self, web: HttpDestination | None = None, more: str = "") -> str:
        """Return a sink's config."""
        return f'type: http, url: "{(web or self.web).url}", deliver_seals: false{more}'

    def file(self) -> str:
        """Return a sink's config."""
        return f"type: file, path: {self.out}, format: raw"

    def start(self, *arguments: str) -> FrontDoor:
        """Start a command on the journal."""
        with (self.directory / "stdout").open("wb") as stdout:
            door = FrontDoor(
                self.directory,
                *arguments,
                "--journal",
                str(self.journal.root),
                stdout=stdout.fileno(),
                before=("env", f"PYTHONPATH={self._without_kafka()}"),
            )
        self._ends.callback(door.kill)
        return door

    def _without_kafka(self) -> str:
        """Return where Python looks for modules, so that the library of the sink kafka cannot be loaded."""
        path = self.directory / "confluent_kafka.py"
        path.write_text("raise ModuleNotFoundError('not here', name=__name__)\n")
        return os.pathsep.join([str(self.directory), *filter(None, [os.environ.get("PYTHONPATH")])])

    def ship(self, *arguments: str) -> FrontDoor:
        """Start a ship with the config."""
        return self.start("ship", "--config", str(self.config), *arguments)

    def child(self) -> FrontDoor:
        """Start a ship as a supervisor does."""
        return self.ship("--parent-pid", str(os.getpid()))

    def offset(self, sink: str) -> int:
        """Return where a sink's cursor is."""
        state = read_cursor(self.layout.cursor(sink))
        return -1 if state is None else state.offset

    def files(self) -> Mapping[str, bytes]:
        """Return what is on the disk that says who holds the journal."""
        return {path: Path(path).read_bytes() for path in (self.layout.sinks, self.layout.cursor("cloud"))}

    def kinds(self) -> list[str]:
        """Return the kinds of all incidents."""
        return [str(entry["kind"]) for entry in incidents.read(self.layout.incidents)]

    @property
    def content(self) -> bytes:
        """All records."""
        return records(0, COUNT)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Return a place."""
    with ExitStack() as ends:
        yield Place(tmp_path, ends)


def stop(door: FrontDoor) -> None:
    """End a ship in order."""
    door.signal(signal.SIGTERM)
    assert EXIT_OK == door.status()


def test_a_job_drops_nobody_s_hold(place: Place) -> None:
    """`ship --once` to stdout gives all there is, and what another sink has not had stays, also for keep."""
    place.web.answer(503, -1)
    place.sinks(cloud=place.http(), local=place.file())
    door = place.ship()
    wait_until(lambda: place.offset("local") == COUNT * SIZE, "the good one has everything")
    stop(door)
    before = place.files()
    assert EXIT_OK == place.start("ship", "--once").status()
    assert place.content == (place.directory / "stdout").read_bytes()
    assert (before, []) == (place.files(), place.kinds())
    place.sinks("journal: {retain: {size: 1KiB}}", local=place.file())  # not even a config of keep's own drops it
    assert EXIT_OK == place.start("keep", "--once", "--config", str(place.config)).status()
    assert place.journal.bases[0] == 0
    assert place.journal.file(0, ".seal.json").exists()
    assert any(place.journal.file(0, suffix).exists() for suffix in (".log", ".log.zst"))


def test_a_job_gives_the_others_theirs(place: Place) -> None:
    """A sink that is refused ends the job with its words, once the others have everything."""
    place.web.answer(403, -1)
    with HttpDestination() as slow:
        slow.hold()
        place.sinks(refused=place.http(), slow=place.http(slow, ", batch: {records: 1, in_flight: 1}"))
        door = place.ship("--once")
        door.wait_for("the sink takes nothing until somebody mends it")
        slow.release()
        assert EXIT_UNABLE == door.status()
        assert "403" in str(door.messages()[-1]["message"])
        assert COUNT == len(slow.records)
    assert COUNT * SIZE == place.offset("slow")


def test_a_job_ends_beside_a_busy_capture(place: Place) -> None:
    """It delivers what was there when it began, though the journal grows with each request that it sends."""
    tail = place.journal.file(place.journal.bases[-1], ".log")

    class Growing(HttpDestination):
        def _take(self, *request):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN202
            with tail.open("ab") as file:
                file.write(records(0, 5))
            return super()._take(*request)

    held = lock.acquire(place.layout.lock("capture"), "capture")
    with Growing() as web:
        place.sinks(web=place.http(web, ", batch: {records: 1, in_flight: 1}"))
        door = place.ship("--once")
        assert EXIT_OK == door.status()
        assert COUNT == len(web.records)
        assert COUNT * SIZE == place.offset("web")
    os.close(held)


def test_a_refused_config_is_not_taken_at_a_restart(place: Place) -> None:
    """What SIGHUP would refuse does not come in by a crash: the old sinks go on, and nobody's hold is dropped."""
    place.sinks(cloud=place.http(), local=place.file())
    good = place.config.read_text()
    place.web.answer(503, -1)
    door = place.child()
    wait_until(lambda: place.offset("local") == COUNT * SIZE, "the good one has everything")
    wait_until(lambda: place.offset("cloud") >= 0, "the other one has begun")
    place.sinks(klaud="type: kafka, brokers: ['localhost:9'], topic: audit", local=place.file())
    door.signal(signal.SIGHUP)
    door.wait_for("the new config is refused")
    door.kill()
    place.web.answer_normally()
    door = place.child()
    place.web.wait_for(lambda web: len(web.records) == COUNT)
    assert door.said("the config cannot be used; the one that was accepted last goes on")
    stop(door)
    assert [] == place.kinds()
    assert good == Path(place.layout.config).read_text()


def test_a_good_config_is_taken_at_a_restart(place: Place) -> None:
    """As at SIGHUP: one is added, one is removed, both are told."""
    place.sinks(cloud=place.http())
    door = place.child()
    wait_until(lambda: place.offset("cloud") == COUNT * SIZE, "it has everything")
    door.kill()
    place.sinks(local=place.file())
    door = place.child()
    door.wait_for("delivering")
    stop(door)
    assert ["sink-added", "sink-removed"] == sorted(place.kinds())


def test_a_ship_without_a_config_drops_nobody_s_hold(place: Place) -> None:
    """Somebody looks at a journal with a ship of his own, to stdout: what another sink has not had stays."""
    place.web.answer(503, -1)
    place.sinks(cloud=place.http())
    door = place.child()
    door.wait_for("records are not taken at the moment")
    door.kill()
    before = place.files()
    door = place.start("ship")
    wait_until(lambda: (place.directory / "stdout").read_bytes() == place.content, "everything comes")
    stop(door)
    assert (before, []) == (place.files(), place.kinds())
