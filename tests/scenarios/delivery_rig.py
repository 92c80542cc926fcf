"""A journal, its sinks on loopback, and `ship`: what arrived is compared, by id, with what the writer wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from standpipe.journal.cursor import read_cursor
from tests.faults.injection import Injection, Process, wait_until
from tests.faults.rig import DEADLINE_SECONDS, STANDPIPE
from tests.scenarios.rig import Scene
from tests.sinks.http_destination import HttpDestination, Received, _Planned, objects_of, received

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEGMENT = "16KiB"
JOURNAL: dict[str, object] = {"segment_size": SEGMENT, "max_size": "1GiB"}
OK = 200

Sinks = dict[str, dict[str, object]]


class Outlets(Scene):
    """A scene with sinks, by name, as the config has them."""

    def fill(self, data: bytes, segment_size: str = SEGMENT) -> bytes:
        """Have these bytes captured, and return them."""
        self.append(data)
        self.finish(self.capture(segment_size=segment_size), data)
        return data

    def configure(self, sinks: Mapping[str, Mapping[str, object]], **journal: object) -> str:
        """Write the config, whole at any moment, and return its path. JSON is YAML."""
        path = self.directory / "standpipe.yaml"
        whole = {"journal": {"path": str(self.journal), **JOURNAL, **journal}, "sinks": sinks}
        path.with_suffix(".new").write_text(json.dumps(whole))
        path.with_suffix(".new").replace(path)
        return str(path)

    def run_ship(self, config: str, stdout: int = subprocess.DEVNULL, injection: Injection | None = None) -> Process:
        """Start a ship that goes on until it is told to stop."""
        ship = Process(self.directory, ["ship", "--config", config], injection, stdout=stdout)
        self._ends.callback(ship.__exit__)
        return ship

    def stop_ship(self, ship: Process) -> None:
        """Stop it in order."""
        ship.signal(signal.SIGTERM)
        assert 0 == ship.status(), ship.messages()

    def ids(self, data: bytes) -> list[str]:
        """Return the ids of the records of a whole journal, in order."""
        journal_id = json.loads((self.journal / "journal.json").read_bytes())["journal"]
        found, offset = [], 0
        for line in data.splitlines(keepends=True):
            found.append(f"{journal_id}-{offset:020d}")
            offset += len(line)
        return found

    def cursor(self, sink: str = "stdout") -> int:
        """Return a cursor's offset, also while it is written; -1 where there is none."""
        state = read_cursor(str(self.journal / "cursors" / sink))
        return -1 if state is None else state.offset

    def wait_cursor(self, sink: str, offset: int) -> None:
        """Wait until a sink has acknowledged so much."""
        wait_until(lambda: self.cursor(sink) >= offset, f"{sink} has acknowledged {offset}")

    def sink_status(self, sink: str) -> dict[str, object]:
        """Return what `status --json` says of a sink; nothing where it does not know it."""
        command = [*STANDPIPE, "status", "--json", "--journal", str(self.journal)]
        done = subprocess.run(command, capture_output=True, check=True, timeout=DEADLINE_SECONDS)
        found: dict[str, dict[str, object]] = json.loads(done.stdout)["sinks"]
        return found.get(sink, {})

    def wait_state(self, sink: str, state: str) -> dict[str, object]:
        """Wait until `status --json` says a word of a sink; return all that it says."""
        wait_until(lambda: self.sink_status(sink).get("state") == state, f"{sink} is told as {state}")
        return self.sink_status(sink)

    def dead_letters(self, sink: str) -> list[dict[str, object]]:
        """Return a sink's dead letters."""
        path = self.dead_letter_file(sink)
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []

    def dead_letter_file(self, sink: str) -> Path:
        """Return where they are."""
        return self.journal / "deadletter" / f"{sink}.jsonl"


class JudgingHttp(HttpDestination):
    """An HTTP intake that answers what `judge` says of a request's records; 200 stores them. `refused` counts."""

    def __init__(self) -> None:
        """Take everything."""
        self.judge: Callable[[list[Received]], int] = lambda _: OK
        self.refused = 0
        super().__init__()

    def _verdict(self, headers: Mapping[str, str], body: bytes, plain: bytes) -> _Planned:
        status = self.judge([received(raw) for raw in objects_of(plain)])
        if status == OK:
            return super()._verdict(headers, body, plain)
        self.refused += 1
        return _Planned(status, 1, body=b"not now, or never")


class PacedHttp(HttpDestination):
    """An HTTP intake that stores a request when `may_take` says so; asked again and again, until `released`."""

    def __init__(self, may_take: Callable[[], bool]) -> None:
        """Listen."""
        self._may_take = may_take
        self.released = threading.Event()
        super().__init__()

    def _take(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Planned | None:
        while not (self.released.is_set() or self._may_take()):
            self.released.wait(0.01)
        return super()._take(method, path, headers, body)

    def down(self) -> None:
        """Let nobody wait any more."""
        self.released.set()
        super().down()


def http_sink(web: HttpDestination, **options: object) -> dict[str, object]:
    """Return a sink's section. Seals are left out: what arrives is then what was written."""
    return {"type": "http", "url": web.url, "timeout": "10m", "deliver_seals": False, **options}


def peak_memory(pid: int) -> int:
    """Return the most memory in bytes that a process has had (VmHWM of proc_pid_status(5), in KiB)."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmHWM:")[2].split()[0]) << 10


def count_of(pid: int, what: str) -> int:
    """Return how many descriptors (`fd`) or threads (`task`) a process has."""
    return len(os.listdir(f"/proc/{pid}/{what}"))


def in_first_order(ids: list[str]) -> list[str]:
    """Return each id once, in the order in which they came first."""
    return list(dict.fromkeys(ids))
