"""A real OpenBao that writes a file, and `standpipe sidecar --file` beside it: every record once, the room given back.

The clients' own lists are compared with the journal, the journal with stdout and with what the file still holds. How
much room the file may take is the issue's figure: `reclaim.at` + 2 MiB + what one fdatasync takes. The last is
observed: the most by which the files grew while the kernel said that a thread of capture was in one fsync or fdatasync.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.file_processes import capture_pid, catches, deaf_process, kill_all, own_pid_namespace, states_of
from tests.e2e.file_watch import Watch, left_bytes, renamed_files
from tests.e2e.openbao import (
    Client,
    Load,
    OpenBao,
    bao_path,
    children_of,
    count_records,
    differences,
    expected_records,
    running_openbao,
    without_repeats,
)
from tests.e2e.run_harness import ROLES, STANDPIPE, Tap, incidents, journal_bytes, journal_end, repeats, wait_until
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20
RECLAIMS = 100
AT_BYTES = scale(64 * KIB, 1 * MIB)  # 64 KiB is the least that a config may ask for
SEGMENT_SIZE, MAX_SIZE = "8MiB", "2GiB"  # the journal keeps all of a test
FSYNC = "10s"  # in which the file would grow far beyond its bound: reclaim must not wait for it
LOAD_PER_SECOND = scale(500.0, None)  # of each of the two clients; None: as fast as the server answers
LOAD_SECONDS = scale(0, 60)
RECLAIM_SECONDS_MAX = 120.0 + LOAD_SECONDS
OUTAGES = scale(2, 3)  # of each kind
OUTAGE_RECORDS = 1000
OUTAGE_SECONDS = scale(0, 20)
KILLS = scale(15, 150)
FULL_LIVES = 0.5  # of so many lives the 50 to 500 ms begin when bytes move; of the others, with the process
KILLS_SECONDS_MAX = 240.0 + 2.0 * KILLS
SLACK_BYTES = 2 * MIB
PUNCH, NAMED, FOUND = "punch", "reopen-signal-pid", "reopen-found"


@dataclass
class Place:
    """The paths of one test, and the processes' surroundings."""

    directory: Path
    way: str
    prefix: tuple[str, ...] = ()  # nsenter, where the server is to be the only one to be seen
    deaf: int = 0  # a process that is signalled in place of the server

    def __post_init__(self) -> None:
        """Make the directory of the file, and the config."""
        (self.directory / "audit").mkdir()
        self.file = self.directory / "audit" / "audit.log"
        self.journal = self.directory / "journal"
        self.config = self.directory / "standpipe.yaml"
        reclaim = f"{{way: {self.way.partition('-')[0]}, at: {AT_BYTES}B}}"
        journal = f"{{segment_size: {SEGMENT_SIZE}, max_size: {MAX_SIZE}, fsync: {FSYNC}}}"
        self.config.write_text(f"source: {{reclaim: {reclaim}}}\njournal: {journal}\n")

    def target(self, server: OpenBao) -> list[str]:
        """Return the arguments that name the process to signal."""
        return ["--signal-pid", str(self.deaf or server.server_pid)] if self.way == NAMED else []

    def note(self, figures: str) -> None:
        """Keep the figures of a run beside its files."""
        (self.directory / "figures").write_text(figures + "\n")

    def capture_command(self, server: OpenBao) -> list[str]:
        """Return capture's command line, alone, with the config's settings."""
        way = self.way.partition("-")[0]
        command = [*STANDPIPE, "capture", "--file", str(self.file), "--journal", str(self.journal)]
        command += ["--segment-size", SEGMENT_SIZE, "--max-size", MAX_SIZE, "--fsync", FSYNC]
        command += ["--reclaim", way, "--reclaim-at", f"{AT_BYTES}B"]
        return [*command, *self.target(server)]


@contextmanager
def openbao(place: Place) -> Iterator[OpenBao]:
    """Start OpenBao with the file as its audit device."""
    with running_openbao(place.directory, bao=bao_path(), audit_path=place.file, prefix=place.prefix) as server:
        yield server


@contextmanager
def started(place: Place, command: Sequence[str], stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process of ours and end it, and what is below it, afterwards."""
    with (place.directory / "standpipe.log").open("ab") as messages:
        process = subprocess.Popen([*place.prefix, *command], stdin=subprocess.DEVNULL, stdout=stdout, stderr=messages)
    try:
        yield process
    finally:
        kill_all(process)


@contextmanager
def sidecar(place: Place, server: OpenBao, tap: Tap) -> Iterator[subprocess.Popen[bytes]]:
    """Start `standpipe sidecar --file` with stdout on the tap."""
    command = [*STANDPIPE, "sidecar", "--file", str(place.file), "--journal", str(place.journal)]
    command += ["--config", str(place.config), *place.target(server)]
    with started(place, command, tap.write_end) as process:
        yield process


def outermost_of_ours(place: Place, process: subprocess.Popen[bytes]) -> int:
    """Return the process id of our own outermost process, which nsenter is not."""
    return children_of(process.pid)[0] if place.prefix else process.pid


@contextmanager
def load(server: OpenBao) -> Iterator[list[Client]]:
    """Let two clients work."""
    clients = [Client(server.port, name) for name in "ab"]
    for client in clients:
        client.set_up()
    with Load(clients[0], LOAD_PER_SECOND), Load(clients[1], LOAD_PER_SECOND):
        yield clients


def stop(place: Place, server: OpenBao, process: subprocess.Popen[bytes]) -> None:
    """Stop the server, then our process, in order."""
    ours = outermost_of_ours(place, process)
    wait_until(lambda: catches(ours, signal.SIGTERM), "our process to be ready")
    wait_until(lambda: not renamed_files(place.file), "the last renamed file to go")
    os.kill(server.server_pid, signal.SIGTERM)
    server.process.wait(60)
    os.kill(ours, signal.SIGTERM)
    assert 0 == process.wait(60)


def digest(data: bytes) -> str:
    """Return a digest, so that a failure does not print megabytes."""
    return hashlib.sha256(data).hexdigest()


def check_everything_is_there(place: Place, clients: list[Client], stdout: bytes | None = None) -> int:
    """Compare the clients' lists, the journal, what is left in the file, and stdout; return the journal's records."""
    journal = journal_bytes(place.journal)
    found = count_records(journal)
    assert [] == differences(expected_records(clients), found, clients)
    left = left_bytes(place.file)
    assert digest(journal[len(journal) - len(left) :]) == digest(left)
    if place.way == PUNCH:
        assert place.file.stat().st_size == len(journal)
    if stdout is not None:
        once = without_repeats(stdout, journal, 0, repeats(place.journal))
        assert [] == once.problems
        assert digest(journal) == digest(once.data)
    verdict = subprocess.run([*STANDPIPE, "verify", "--journal", str(place.journal)], capture_output=True, check=False)
    assert 0 == verdict.returncode, verdict.stdout
    return found.total()


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Return the paths for a way; where the server is to be found, it is in a PID namespace of its own."""
    way = request.param
    if way == FOUND:
        with own_pid_namespace() as prefix:
            yield Place(tmp_path, way, prefix)
    else:
        yield Place(tmp_path, way)


@pytest.mark.parametrize("place", [PUNCH, NAMED, FOUND], indirect=True)
def test_reclaim_under_load(place: Place) -> None:
    """Room is given back a hundred times under load: every record arrives once, and the file stays small."""
    with Tap() as tap, openbao(place) as server, sidecar(place, server, tap) as process:
        wait_until(lambda: journal_end(place.journal) > 0, "the first records")
        watch = Watch(place.file, AT_BYTES, lambda: capture_pid(process.pid))
        with watch, load(server) as clients:
            began = time.monotonic()
            wait_until(lambda: watch.reclaims >= RECLAIMS, f"{RECLAIMS} reclaims", RECLAIM_SECONDS_MAX)
            wait_until(lambda: time.monotonic() > began + LOAD_SECONDS, "the load's end", RECLAIM_SECONDS_MAX)
        stop(place, server, process)
    records = check_everything_is_there(place, clients, bytes(tap.data))
    assert [] == incidents(place.journal)
    place.note(f"{watch}, {records} records")
    assert watch.largest_bytes <= AT_BYTES + SLACK_BYTES + watch.sync_growth_bytes


@pytest.mark.parametrize("place", [PUNCH, NAMED], indirect=True)
def test_capture_killed_while_it_reclaims(place: Place) -> None:
    """However often capture is killed with SIGKILL while it copies and reclaims, every record is there once."""
    chance = random.Random(1)  # noqa: S311 - moments of death, not secrets
    kills, began = 0, time.monotonic()
    with openbao(place) as server:
        command = place.capture_command(server)
        with Watch(place.file, AT_BYTES, lambda: 0) as watch, load(server) as clients:
            while kills < KILLS or watch.reclaims < RECLAIMS:
                assert time.monotonic() < began + KILLS_SECONDS_MAX, f"only {watch} with {kills} kills"
                end = journal_end(place.journal)
                with started(place, command, subprocess.DEVNULL) as process:
                    if chance.random() < FULL_LIVES:
                        wait_until(lambda end=end: journal_end(place.journal) > end, "growth since the last start")
                    time.sleep(chance.uniform(0.05, 0.5))
                    wait_until(lambda end=end: journal_end(place.journal) > end, "growth since the last start")
                    assert process.poll() is None
                kills += 1
        with started(place, command, subprocess.DEVNULL) as process:
            stop(place, server, process)
    records = check_everything_is_there(place, clients)
    assert [] == incidents(place.journal)
    place.note(f"{watch}, {records} records, {kills} kills")


def records_of(clients: list[Client]) -> int:
    """Return how many records the clients have caused."""
    return sum(2 * len(client.expected) for client in clients)


def wait_for_outage(place: Place, clients: list[Client]) -> None:
    """Wait until enough records are unread, and in the long tier for as long as the issue says."""
    end, before, began = journal_end(place.journal), records_of(clients), time.monotonic()
    wait_until(lambda: records_of(clients) >= before + OUTAGE_RECORDS, "unread records")
    wait_until(lambda: time.monotonic() > began + OUTAGE_SECONDS, "the outage's end")
    assert end == journal_end(place.journal)


def stopped_for_a_while(place: Place, process: subprocess.Popen[bytes], clients: list[Client]) -> None:
    """Stop all processes of a sidecar with SIGSTOP, and let them go on later."""
    pids = [process.pid, *children_of(process.pid)]
    assert len(pids) == 1 + len(ROLES)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: {"T"} == {state for pid in pids for state in states_of(pid)}, "all threads to stop")
        wait_for_outage(place, clients)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("place", [PUNCH, NAMED], indirect=True)
def test_whole_sidecar_stopped_and_killed(place: Place) -> None:
    """A sidecar that is stopped for a while, or killed whole and started later, goes on where it was."""
    with Tap() as tap, openbao(place) as server, Watch(place.file, AT_BYTES, lambda: 0) as watch:
        with load(server) as clients:
            for outage in range(OUTAGES):
                end, wanted = journal_end(place.journal), (outage + 0.5) * RECLAIMS / OUTAGES
                with sidecar(place, server, tap) as process:
                    wait_until(lambda end=end: journal_end(place.journal) > end, "growth after the start")
                    wait_until(lambda wanted=wanted: watch.reclaims >= wanted, "reclaims")
                    stopped_for_a_while(place, process, clients)
                    wait_until(lambda wanted=wanted: watch.reclaims >= wanted + RECLAIMS / OUTAGES / 2, "more reclaims")
                wait_for_outage(place, clients)
        with sidecar(place, server, tap) as process:
            stop(place, server, process)
    records = check_everything_is_there(place, clients, bytes(tap.data))
    assert {"repeat"} >= {incident["kind"] for incident in incidents(place.journal)}
    place.note(f"{watch}, {records} records, {OUTAGES} times stopped, {OUTAGES} times killed")


@pytest.mark.parametrize("place", [NAMED], indirect=True)
def test_server_that_ignores_sighup(place: Place) -> None:
    """Where SIGHUP opens no new file, the old one gets its name back, that is told, and nothing is deleted or lost."""
    with deaf_process() as (place.deaf, told), Tap() as tap, openbao(place) as server:
        inode = place.file.stat().st_ino
        with sidecar(place, server, tap) as process:
            with Watch(place.file, AT_BYTES, lambda: 0) as watch, load(server) as clients:
                wait_until(lambda: incidents(place.journal), "an incident")
                end = journal_end(place.journal)
                wait_until(lambda: journal_end(place.journal) > end + 4 * AT_BYTES, "records after it")
            stop(place, server, process)
    assert ([b"H"], 1, inode) == (told, len(watch.renames), place.file.stat().st_ino)
    assert ["reclaim-stopped"] == [incident["kind"] for incident in incidents(place.journal)]
    assert digest(journal_bytes(place.journal)) == digest(place.file.read_bytes())
    records = check_everything_is_there(place, clients, bytes(tap.data))
    place.note(f"{watch}, {records} records")
