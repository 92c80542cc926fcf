"""One life of `standpipe run` with six sinks: its paths and processes, and what must be everywhere in the end.

Imports nothing from standpipe.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.e2e.openbao import Client, expected_records, lines_of
from tests.e2e.run_harness import STANDPIPE, cursor_offset, journal_bytes, journal_end, role_pid, wait_until
from tests.e2e.six_destinations import ONE_IN_A_HUNDRED, Row
from tests.tier import scale

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping
    from pathlib import Path

    from tests.e2e.openbao import Name

CATCH_UP_SECONDS = scale(120.0, 900.0)


def peak_memory_bytes(pid: int) -> int:
    """Return the most memory that a process has had at once (proc_pid_status(5): VmHWM, in KiB); 0 where it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return next((int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


@dataclass
class Place:
    """The paths of one run, its clients, and what was seen of ship."""

    directory: Path
    clients: list[Client] = field(default_factory=list)
    ship_bytes: int = 0
    figures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Name the files."""
        self.fifo = self.directory / "pipe"
        self.journal = self.directory / "journal"
        self.config = self.directory / "standpipe.yaml"

    def write_config(self, rows: Mapping[str, Row]) -> None:
        """Write the config; JSON is YAML. Segments are closed often, so that the archive has something to take."""
        journal = {"segment_size": "1MiB", "max_size": "2GiB", "fsync": "100ms", "seal_every": "2s"}
        sinks = {"stdout": {"type": "stdout"}, **{name: row.config for name, row in rows.items()}}
        self.config.write_text(json.dumps({"journal": journal, "sinks": sinks}))

    @property
    def requests(self) -> int:
        """How many requests have been answered."""
        return sum(len(client.expected) for client in self.clients)

    def see_ship(self) -> int:
        """Note how much memory ship has had; return its process id."""
        pid = role_pid(self.journal, "ship")
        self.ship_bytes = max(self.ship_bytes, peak_memory_bytes(pid))
        return pid

    def kill_ship(self) -> None:
        """Kill it with SIGKILL; a new one must take over."""
        pid = self.see_ship()
        assert pid > 1
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: role_pid(self.journal, "ship") not in (pid, 0), "a new ship")

    def sinks(self) -> dict[str, dict[str, Any]]:
        """Return what `status --json` says of the sinks, by name."""
        command = [*STANDPIPE, "status", "--json", "--journal", str(self.journal)]
        found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        sinks: dict[str, dict[str, Any]] = found["sinks"]
        return sinks

    def wait_for_state(self, sink: str, state: str) -> None:
        """Wait until status has a word for a sink; ship writes it once a second."""
        wait_until(lambda: self.sinks()[sink]["state"] == state, f"{sink} to be {state}")

    def wait_for_end(self, sink: str) -> None:
        """Wait until a sink has acknowledged everything."""

        def done() -> bool:
            return cursor_offset(self.journal, sink) == journal_end(self.journal)

        wait_until(done, f"{sink} to be complete", CATCH_UP_SECONDS)

    def note(self, text: str) -> None:
        """Keep a figure of the run beside its files."""
        self.figures.append(text)
        (self.directory / "figures").write_text("\n".join(self.figures) + "\n")


@dataclass(frozen=True)
class Expected:
    """What must be everywhere: each record's members by its id, from the journal's bytes, and the clients' list.

    seals: of segments; idle_seals may be there, too: the last one may come when ship has just left.
    """

    records: dict[str, dict[str, Any]]
    listed: Counter[Name]
    seals: set[str]
    idle_seals: set[str]

    @property
    def refused(self) -> set[str]:
        """The ids of the one in a hundred."""
        found = self.records.items()
        return {identity for identity, members in found if ONE_IN_A_HUNDRED.search(members["request"]["path"])}


def expected_of(place: Place) -> Expected:
    """Read the journal's plain files."""
    journal_id = json.loads((place.journal / "journal.json").read_bytes())["journal"]
    records, offset = {}, 0
    for line in lines_of(_live_journal_bytes(place.journal)):
        records[f"{journal_id}-{offset:020d}"] = json.loads(line)
        offset += len(line)
    names = [path.name.removesuffix(".seal.json") for path in (place.journal / "segments").glob("*.seal.json")]
    idle = {f"{journal_id}-{name.replace('.', '-')}-seal" for name in names if "." in name}
    seals = {f"{journal_id}-{name}-seal" for name in names if "." not in name}
    return Expected(records, expected_records(place.clients), seals, idle)


def _live_journal_bytes(journal: Path) -> bytes:
    """Return the journal's bytes while keep may put a compressed file in the place of the one that is being read."""
    found: list[bytes] = []

    def read() -> bool:
        with suppress(FileNotFoundError, subprocess.CalledProcessError):
            found.append(journal_bytes(journal))
        return bool(found)

    wait_until(read, "a moment in which no file is replaced")
    return found[0]


def name_of(members: Mapping[str, Any]) -> Name:
    """Return how the clients list a record."""
    return members["type"], members["request"]["operation"], members["request"]["path"]


def dead_letter_ids(journal: Path, sink: str) -> list[str]:
    """Return the ids in a sink's dead letters, in order."""
    path = journal / "deadletter" / f"{sink}.jsonl"
    return [json.loads(line)["id"] for line in path.read_bytes().splitlines()] if path.exists() else []
