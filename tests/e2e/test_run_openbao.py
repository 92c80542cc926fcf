"""The main job: a real OpenBao below `standpipe run`, its clients' own lists against the raw bytes of stdout."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.openbao import (
    Client,
    Load,
    OpenBao,
    bao_path,
    count_records,
    differences,
    expected_records,
    running_openbao,
    without_repeats,
)
from tests.e2e.run_harness import (
    ROLES,
    STANDPIPE,
    Tap,
    cursor_offset,
    incidents,
    journal_bytes,
    journal_end,
    repeats,
    role_pid,
    run_prefix,
    wait_until,
)
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STALL_SECONDS = 20  # the issue's figure; a Vault that waits for stdout would miss its clients' patience by far
HEALTHY_SECONDS = 1.1
KILL_LOAD_PER_SECOND = 200  # of each client, so that the journal keeps all of a long test
REQUEST_SECONDS_MAX = 10.0  # Vault's own limit for an audit write


class Place:
    """The paths of one test."""

    def __init__(self, directory: Path) -> None:
        """Use one directory for everything."""
        self.directory = directory
        self.fifo = directory / "pipe"
        self.journal = directory / "journal"
        self.config = directory / "standpipe.yaml"
        self.config.write_text("journal: {segment_size: 256KiB, max_size: 512MiB, fsync: 100ms}\n")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return the paths."""
    return Place(tmp_path)


@contextmanager
def openbao_under_run(place: Place, tap: Tap) -> Iterator[OpenBao]:
    """Start OpenBao below `standpipe run` with stdout on the tap."""
    prefix = run_prefix(place.fifo, place.journal, place.config)
    with running_openbao(
        place.directory, bao=bao_path(), audit_path=place.fifo, prefix=prefix, stdout=tap.write_end
    ) as server:
        yield server


def check_everything_arrived(place: Place, tap: Tap, clients: list[Client], starts: int = 1) -> int:
    """Compare the clients' lists, stdout and the journal; return how many records came twice."""
    journal = journal_bytes(place.journal)
    found = without_repeats(bytes(tap.data), journal, 0, repeats(place.journal))
    assert [] == found.problems
    assert hashlib.sha256(journal).hexdigest() == hashlib.sha256(found.data).hexdigest()
    assert [] == differences(expected_records(clients, starts), count_records(found.data), clients)
    verdict = subprocess.run([*STANDPIPE, "verify", "--journal", str(place.journal)], capture_output=True, check=False)
    assert 0 == verdict.returncode, verdict.stdout
    return found.repeated


def kill_role(place: Place, role: str) -> None:
    """Kill a child with SIGKILL; it counts only if the journal grew since and another process has taken over."""
    pid, end = role_pid(place.journal, role), journal_end(place.journal)
    assert pid > 1
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: role_pid(place.journal, role) not in (pid, 0), f"a new {role}")
    wait_until(lambda: journal_end(place.journal) > end, f"records after {role} was killed")


@pytest.mark.parametrize("role", ROLES)
def test_children_killed_under_load(place: Place, role: str) -> None:
    """However often a child is killed with SIGKILL under load, every record arrives; repeats are listed."""
    kills = scale(10, 100)
    with Tap() as tap, openbao_under_run(place, tap) as server:
        clients = [Client(server.port, name) for name in "ab"]
        for client in clients:
            client.set_up()
        with Load(clients[0], KILL_LOAD_PER_SECOND), Load(clients[1], KILL_LOAD_PER_SECOND):
            wait_until(lambda: role_pid(place.journal, role), f"the first {role}")
            for _ in range(kills):
                kill_role(place, role)
                time.sleep(HEALTHY_SECONDS)  # a child that dies younger is restarted later each time
        assert 0 == server.terminate()
    repeated = check_everything_arrived(place, tap, clients)
    assert role == "ship" or repeated == 0


def test_stalled_stdout_under_load(place: Place) -> None:
    """While nobody reads stdout, the journal goes on, the cursor stands, no request waits; then everything arrives."""
    with Tap() as tap, openbao_under_run(place, tap) as server:
        client = Client(server.port)
        client.set_up()
        with Load(client):
            wait_until(lambda: len(tap.data) > 100_000, "the first records")
            tap.stall()
            wait_until(lambda: journal_end(place.journal) > cursor_offset(place.journal) + 1_000_000, "a lag")
            stalled_cursor, stalled_at = cursor_offset(place.journal), time.monotonic()
            ends = []
            while time.monotonic() < stalled_at + STALL_SECONDS:
                end = journal_end(place.journal)
                wait_until(lambda end=end: journal_end(place.journal) > end, "the journal's growth")
                ends.append(end)
                assert stalled_cursor == cursor_offset(place.journal)
            tap.flow()
        assert client.longest_seconds() < REQUEST_SECONDS_MAX
        assert 0 == server.terminate()
    assert len(ends) > STALL_SECONDS
    assert 0 == check_everything_arrived(place, tap, [client])


def test_sighup_closes_and_opens_the_fifo(place: Place) -> None:
    """OpenBao closes and opens the FIFO at SIGHUP, which `run` forwards; no record is lost by it."""
    with Tap() as tap, openbao_under_run(place, tap) as server:
        client = Client(server.port)
        client.set_up()
        with Load(client):
            for _ in range(10):
                end = journal_end(place.journal)
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda end=end: journal_end(place.journal) > end, "records after SIGHUP")
        assert 0 == server.terminate()
    assert 0 == check_everything_arrived(place, tap, [client])
    assert b"reload triggered" in (place.directory / "messages.log").read_bytes()


def test_restart_on_the_same_journal(place: Place) -> None:
    """A second run on the same FIFO, journal and stdout goes on where the first one stopped, and repeats nothing."""
    clients = []
    with Tap() as tap:
        for name in "ab":
            with openbao_under_run(place, tap) as server:
                client = Client(server.port, name)
                client.set_up()
                client.ask_many(50)
                client.close()
                clients.append(client)
                assert 0 == server.terminate()
    assert 0 == check_everything_arrived(place, tap, clients, starts=2)
    assert [] == incidents(place.journal)


def test_sigterm_with_full_pipes(place: Place) -> None:
    """SIGTERM while stdout's pipe is full and capture is stopped: once both go on, every record is delivered."""
    with Tap() as tap, openbao_under_run(place, tap) as server:
        client = Client(server.port)
        client.set_up()
        tap.stall()
        capture = role_pid(place.journal, "capture")
        os.kill(capture, signal.SIGSTOP)
        client.ask_many(60)  # 120 records stay in the FIFO, which has 256 slots
        client.close()
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not server.healthy, "the server's end")
        os.kill(capture, signal.SIGCONT)
        tap.flow()
        assert 0 == server.process.wait(60)
    assert 0 == check_everything_arrived(place, tap, [client])


def test_undelivered_bytes_are_told_and_kept(place: Place) -> None:
    """Where stdout stays blocked past the deadline, `run` tells how many bytes are left; the next run delivers them."""
    with place.config.open("a") as config:
        config.write("shutdown: {deadline: 1s}\n")
    with Tap() as tap:
        with openbao_under_run(place, tap) as server:
            client = Client(server.port)
            client.set_up()
            tap.stall()
            client.ask_many(100)
            client.close()
            assert 0 == server.terminate()
        left = journal_end(place.journal) - cursor_offset(place.journal)
        assert left > 0
        assert f'"undelivered_bytes": {left}' in (place.directory / "messages.log").read_text()
        tap.flow()
        prefix = run_prefix(place.fifo, place.journal, place.config)
        subprocess.run([*prefix, "true"], check=True, stdout=tap.write_end, stderr=subprocess.DEVNULL)
    check_everything_arrived(place, tap, [client])
