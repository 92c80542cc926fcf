"""What a case works with: a journal, a destination behind a proxy, a config, and the real `standpipe` on them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from standpipe.journal import sink_entries
from standpipe.journal.cursor import Cursor, read_cursor
from standpipe.journal.incidents import read as read_incidents
from standpipe.testing import arrivals
from standpipe.testing.arrivals import NotAsPromised, require
from standpipe.testing.destination import NETWORK, ORDER, SEGMENTS, SEVERAL_IN_FLIGHT, Wish
from standpipe.testing.faulty_proxy import FaultyProxy
from standpipe.testing.journals import MadeJournal, Unit, make_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from standpipe.testing.destination import Certificates, Destination, Kind, Received

SINK = "under-test"
WITNESS = "witness"
DEADLINE_SECONDS = 60.0  # generous: the machine may be busy; nothing that works comes near it
POLL_SECONDS = 0.02


class Ship:
    """One `standpipe ship` in a process of its own; its output goes to files."""

    def __init__(self, stem: str, arguments: list[str]) -> None:
        """Start it; stem: of its files' paths."""
        self.paths = (f"{stem}.stdout", f"{stem}.stderr")
        with open(self.paths[0], "wb") as out, open(self.paths[1], "wb") as err:
            command = [sys.executable, "-m", "standpipe", *arguments]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def ended(self) -> bool:
        """Tell whether it has ended."""
        return self._process.poll() is not None

    def status(self) -> int:
        """Wait for its end and return its exit status."""
        try:
            return self._process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise NotAsPromised(f"ship did not end: {self.said()}") from error

    def stop(self) -> None:
        """End it with SIGTERM, which must work."""
        self._process.send_signal(signal.SIGTERM)
        status = self.status()
        require(status == 0, f"after SIGTERM ship ended with status {status}: {self.said()}")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait(DEADLINE_SECONDS)

    def said(self) -> str:
        """Return its messages."""
        with open(self.paths[1], encoding="utf-8", errors="replace") as file:
            return file.read()


class Stage:
    """One case's. `begin` opens the destination; the rest can be used then."""

    def __init__(self, kind: Kind, directory: str, certificates: Certificates | None) -> None:
        """Take an empty directory. certificates: None for kinds without TLS."""
        self.kind = kind
        self.directory = directory
        self.journal = MadeJournal(os.path.join(directory, "journal"))
        self.layout = self.journal.layout
        self._certificates = certificates
        self._config_path = os.path.join(directory, "config.yaml")
        self._ends = ExitStack()
        self._destination: Destination | None = None
        self._proxy: FaultyProxy | None = None
        self._ships: list[Ship] = []
        self._said = b""
        self._number = 0

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes and close the destination."""
        for ship in self._ships:
            if not ship.ended():
                ship.kill()
        self._ends.close()

    @property
    def destination(self) -> Destination:
        """The destination, after `begin`."""
        if self._destination is None:
            raise RuntimeError("the case has not begun")
        return self._destination

    @property
    def proxy(self) -> FaultyProxy:
        """The proxy before a destination with NETWORK, after `begin`."""
        if self._proxy is None:
            raise RuntimeError("this destination has no network")
        return self._proxy

    @property
    def certificates(self) -> Certificates:
        """The certificates, for kinds with TLS."""
        if self._certificates is None:
            raise RuntimeError("no certificates were given for a kind with TLS")
        return self._certificates

    @property
    def whole_segments(self) -> bool:
        """Whether the sink takes segments, not records."""
        return SEGMENTS in self.kind.capabilities

    def begin(self, *, tls: str = "", client_ca: str = "", credentials: bool = False) -> None:
        """Open the destination, and the proxy before it; see Wish."""
        place = os.path.join(self.directory, "destination")
        os.mkdir(place)
        client = self.certificates.client if client_ca else ""
        wish = Wish(place, tls=tls, client_ca=client_ca, client=client, credentials=credentials)
        if NETWORK in self.kind.capabilities:
            self._proxy = self._ends.enter_context(FaultyProxy())
            wish = replace(wish, port=self._proxy.port, proxy=self._proxy)
        self._destination = self._ends.enter_context(self.kind.open(wish))
        if self._proxy is not None:
            self._proxy.forward_to(self._destination.port)
        self.configure()

    def configure(self, *, witness: bool = False, **changes: object) -> None:
        """Write the config: the destination's section with changes, and perhaps a second sink, a file."""
        sinks: dict[str, object] = {SINK: {**self.destination.config(), **changes}}
        if witness:
            sinks[WITNESS] = {"type": "file", "path": os.path.join(self.directory, WITNESS)}
        content = {"journal": {"path": self.layout.root}, "sinks": sinks}
        with open(self._config_path, "w", encoding="utf-8") as file:
            json.dump(content, file)  # JSON is YAML

    # The journal.

    def add(
        self, count: int, *, size: int = 700, marked: Mapping[int, str] | None = None, sealed: bool = False
    ) -> None:
        """Write records; where whole segments are taken, or `sealed`, a whole segment of them. marked: by position."""
        first = len(self.journal.records)
        lines = [make_record(first + n, size, (marked or {}).get(n, "")) for n in range(count)]
        self.journal.append(*lines)
        if sealed or self.whole_segments:
            self.journal.close()

    def expected(self, *, seals: bool = True) -> list[Unit]:
        """Return what must have arrived when everything has."""
        units = self.journal.segments if self.whole_segments else self.journal.records
        return units + (self.journal.seals if seals else [])

    # The program.

    def ship(self, *arguments: str) -> Ship:
        """Start a ship."""
        self._number += 1
        stem = os.path.join(self.directory, f"ship-{self._number}")
        ship = Ship(stem, ["ship", "--config", self._config_path, *arguments])
        self._ships.append(ship)
        return ship

    def deliver_once(self) -> None:
        """Run `ship --once`, which must deliver everything."""
        ship = self.ship("--once")
        status = ship.status()
        require(status == 0, f"ship --once ended with status {status}: {ship.said()}")

    def command(self, *arguments: str) -> tuple[int, bytes]:
        """Run another command of ours with the config; return its status and its output."""
        command = [sys.executable, "-m", "standpipe", *arguments, "--config", self._config_path]
        done = subprocess.run(command, capture_output=True, check=False, timeout=DEADLINE_SECONDS)
        self._said += done.stdout + done.stderr
        return done.returncode, done.stdout

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; a ship that ends meanwhile is a fault."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            running = self._ships[-1]
            if running.ended():
                raise NotAsPromised(f"ship ended with status {running.status()} before {what}: {running.said()}")
            if time.monotonic() > deadline:
                raise NotAsPromised(f"waited in vain until {what}; {self._words()}")
            time.sleep(POLL_SECONDS)

    def _words(self) -> str:
        lacking = arrivals.missing(self.expected(), self.destination.received())
        return f"state: {self.state()}, cursor: {self.cursor()}, not arrived: {lacking[:5]}; {self._ships[-1].said()}"

    # What has come of it.

    def received(self) -> list[Received]:
        """Return what has arrived so far."""
        return self.destination.received()

    def cursor(self, sink: str = SINK) -> Cursor:
        """Return a sink's cursor; at 0 where there is none."""
        return read_cursor(self.layout.cursor(sink)) or Cursor(0, 0)

    def state(self, sink: str = SINK) -> tuple[str, str]:
        """Return what ails a sink: sink_entries' word, and why."""
        try:
            with open(self.layout.sinks, "rb") as file:
                entry = (sink_entries.decode(file.read()) or {}).get(sink)
        except FileNotFoundError:
            return "", ""
        return ("", "") if entry is None else (entry.state, entry.why)

    def is_delivered(self, *, seals: bool = True) -> bool:
        """Tell whether everything has arrived, and has been acknowledged."""
        units = self.expected(seals=seals)
        end = max((unit.end for unit in units), default=0)
        sealed = self.journal.seals[-1].end if seals and self.journal.seals else 0
        now = self.cursor()
        acknowledged = now.offset >= end and (self.whole_segments or not sealed or (now.sealed or 0) >= sealed)
        return acknowledged and not arrivals.missing(units, self.received())

    def wait_delivered(self, *, seals: bool = True) -> None:
        """Wait for is_delivered."""
        self.wait_until(lambda: self.is_delivered(seals=seals), "everything has arrived and is acknowledged")

    def wait_trouble(self) -> None:
        """Wait until status says that the sink does not deliver, and why."""
        self.wait_until(lambda: self.state()[0] not in ("", sink_entries.DELIVERING), "status tells of trouble")
        require(self.state()[1], "status gives no reason")

    def check_complete(self, *, seals: bool = True, dead: frozenset[str] = frozenset()) -> None:
        """All that must hold whatever happened: complete, contents, same bytes, order, `after`."""
        units = [unit for unit in self.expected(seals=seals) if unit.id not in dead]
        got = self.received()
        arrivals.check_complete(units, got)
        arrivals.check_same(got)
        if ORDER in self.kind.capabilities and SEVERAL_IN_FLIGHT not in self.kind.capabilities:
            arrivals.check_order(got)
        if not self.whole_segments:
            arrivals.check_after(self.expected(seals=False), got, dead)

    def dead_letters(self) -> list[dict[str, object]]:
        """Return the sink's dead letters."""
        try:
            with open(self.layout.dead_letters(SINK), encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def incidents(self, kind: str) -> list[dict[str, object]]:
        """Return the incidents of a kind."""
        return [entry for entry in read_incidents(self.layout.incidents) if entry["kind"] == kind]

    def go_away(self) -> None:
        """Make the destination unreachable."""
        if self._proxy is not None:
            self._proxy.down()
        else:
            self.destination.go_away()

    def come_back(self) -> None:
        """Make it reachable again."""
        if self._proxy is not None:
            self._proxy.up()
        else:
            self.destination.come_back()

    def expire_credentials(self) -> None:
        """Have the destination refuse what the sink has, also on connections that are open."""
        self.destination.expire_credentials()
        if self._proxy is not None:
            self._proxy.reset()

    def check_secrets(self) -> None:
        """No secret is in a message, an output, or any file of the journal or of the config."""
        if self._destination is None:
            return
        texts = {"an output": self._said}
        paths = [self._config_path, *(path for ship in self._ships for path in ship.paths)]
        for directory, _, names in os.walk(self.layout.root):
            paths += [os.path.join(directory, name) for name in names]
        for path in paths:
            with open(path, "rb") as file:
                texts[path] = file.read()
        for where, text in texts.items():
            for secret in self.destination.secrets:
                require(secret.encode() not in text, f"a secret is in {where}")
