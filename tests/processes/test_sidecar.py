from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import EXIT_OK, EXIT_RUN_FAILED, EXIT_UNABLE, EXIT_USAGE
from standpipe.journal.cursor import read_cursor
from tests.evidence.craft import records
from tests.processes.front_door import DEADLINE_SECONDS, wait_until
from tests.processes.run_rig import ROLES, STANDPIPE, ZOMBIE, Place, Run, alive, children_of

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTED = '"message": "started"'
STOPPING = "stopping: what Vault still writes"
IN_A_POD = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Return a place for sidecars."""
    with ExitStack() as ends:
        yield Place(tmp_path, ends)


def started(place: Place, *options: str) -> Run:
    """Return a sidecar that has started."""
    sidecar = place.sidecar(*options)
    sidecar.wait_for(STARTED)
    return sidecar


@contextmanager
def vault(place: Place) -> Iterator[int]:
    """Have the FIFO open for writing, as Vault has."""
    descriptor = os.open(place.fifo, os.O_WRONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(descriptor, data) :]


def journal_bytes(place: Place) -> bytes:
    """Return what is in the journal, of which nothing was compressed yet."""
    return b"".join(path.read_bytes() for path in sorted(place.journal.glob("segments/*.log")))


# What it does while it lives.


def test_records_come_out_on_stdout(place: Place) -> None:
    """What is written into the FIFO comes out on stdout; after the writer has gone SIGTERM ends with 0."""
    sidecar = started(place)
    with vault(place) as writer:
        write(writer, records(0, 10))
        assert records(0, 10) == sidecar.read(len(records(0, 10)))
    sidecar.signal(signal.SIGTERM)
    assert (EXIT_OK, b"") == sidecar.status_and_rest()
    assert "everything that was captured was delivered" in sidecar.said()
    assert {"sidecar"} == {str(m["role"]) for m in sidecar.messages()} - set(ROLES)


def test_a_killed_capture_is_started_again(place: Place) -> None:
    """SIGKILL of capture loses nothing: what is in the pipes waits there, held by the supervisor."""
    sidecar = started(place)
    first = sidecar.wait_for_roles()["capture"]
    with vault(place) as writer:
        os.kill(first, signal.SIGSTOP)
        write(writer, records(0, 5))
        os.kill(first, signal.SIGKILL)
        assert records(0, 5) == sidecar.read(len(records(0, 5)))
        write(writer, records(5, 5))
    sidecar.signal(signal.SIGTERM)
    assert (EXIT_OK, records(5, 5)) == sidecar.status_and_rest()
    assert "capture died; it is started again" in sidecar.said()


def test_signals_that_do_not_end_it(place: Place) -> None:
    """SIGHUP has ship read its sinks again, and does not end a sidecar; neither do those that `run` only forwards."""
    sidecar = started(place)
    sidecar.wait_for('"message": "delivering"')
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGHUP):
        sidecar.signal(number)
    sidecar.wait_for("the sinks of the config were read again")
    with vault(place) as writer:
        write(writer, records(0, 1))
    assert records(0, 1) == sidecar.read(len(records(0, 1)))
    sidecar.signal(signal.SIGTERM)
    assert EXIT_OK == sidecar.status()


def test_as_pid_1_it_reaps(place: Place) -> None:
    """In a container it is PID 1: an orphan that is handed to it does not stay a zombie, and SIGTERM ends it with 0."""
    sidecar = place.sidecar(before=IN_A_POD)
    sidecar.wait_for(STARTED)
    supervisor = next(iter(children_of(sidecar.pid)))
    orphan = place.directory / "orphan"
    os.mkfifo(orphan)
    script = f"(sh -c 'echo > {orphan}.started; read line < {orphan}' &)"
    enter = ["nsenter", "--target", str(supervisor), "--pid", "--mount", "sh", "-c", script]
    subprocess.run(enter, check=True, timeout=DEADLINE_SECONDS, stdin=subprocess.DEVNULL)
    wait_until(Path(f"{orphan}.started").exists, "the orphan is there")
    wait_until(lambda: len(children_of(supervisor)) == len(ROLES) + 1, "the orphan has become ours")
    orphan.write_text("go\n")
    wait_until(lambda: len(children_of(supervisor)) == len(ROLES), "the orphan has been reaped")
    assert ZOMBIE not in children_of(supervisor).values()
    os.kill(supervisor, signal.SIGTERM)
    assert EXIT_OK == sidecar.status()


# The end.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_vault_writes_after_the_signal_is_delivered(place: Place, number: int) -> None:
    """While Vault still has the FIFO open after the first signal, capture and ship both go on; then it ends with 0."""
    sidecar = started(place)
    with vault(place) as writer:
        write(writer, records(0, 5))
        sidecar.signal(number)
        sidecar.wait_for(STOPPING)
        sidecar.wait_for('"message": "capturing"')
        write(writer, records(5, 5))
        assert records(0, 10) == sidecar.read(len(records(0, 10)))
        write(writer, records(10, 1)[:-1])  # a last line without its newline
    assert (EXIT_OK, records(10, 1)[:-1]) == sidecar.status_and_rest()


def test_the_deadline_ends_the_wait_for_vault(place: Place) -> None:
    """A Vault that stays does not hold up the end for ever: capture ends before the deadline, in order."""
    place.config.write_text("shutdown: {deadline: 3s}\n")
    sidecar = started(place)
    with vault(place) as writer:
        write(writer, records(0, 5))
        sidecar.signal(signal.SIGTERM)
        assert (EXIT_OK, records(0, 5)) == sidecar.status_and_rest()
    assert "killed" not in sidecar.said()


def test_a_second_sigterm_ends_a_stalled_drain(place: Place) -> None:
    """While stdout stalls a second SIGTERM ends the drain with 0; what is left is told, kept, and delivered later."""
    sidecar = started(place)
    data = records(0, 500)
    with vault(place) as writer:
        write(writer, data)
        wait_until(lambda: journal_bytes(place) == data, "everything was captured")
        wait_until(sidecar.is_full, "stdout's pipe is full")
    sidecar.signal(signal.SIGTERM)
    sidecar.wait_for('"role": "sidecar", "message": "delivering"')  # progress is told while it lasts
    sidecar.signal(signal.SIGTERM)
    assert EXIT_OK == sidecar.status()
    assert "the drain ends now" in sidecar.said()
    state = read_cursor(str(place.journal / "cursors" / "stdout"))
    left = len(data) - (state.offset if state else 0)
    assert 0 < left == sidecar.messages()[-1]["undelivered_bytes"]
    got = sidecar.status_and_rest()[1]
    again = started(place)
    again.signal(signal.SIGTERM)
    rest = again.status_and_rest()[1]
    assert (True, True) == (data.startswith(got), data.endswith(rest))
    assert len(got) + len(rest) >= len(data)


def test_sigquit_ends_it_now(place: Place) -> None:
    """SIGQUIT does not wait for Vault to go, nor for the deadline; what was written by then is in the journal."""
    sidecar = started(place)
    with vault(place) as writer:
        write(writer, records(0, 5))
        assert records(0, 5) == sidecar.read(len(records(0, 5)))
        sidecar.signal(signal.SIGQUIT)
        assert sidecar.status() in (EXIT_OK, EXIT_UNABLE)  # 2 where this machine is too slow for the grace
    assert "the drain ends now" in sidecar.said()
    assert records(0, 5) == journal_bytes(place)


def test_bytes_that_stay_in_the_pipes_are_told(place: Place) -> None:
    """Where capture could not take what is in the FIFO, the stop was not in order: 2, and a message says so."""
    place.config.write_text("shutdown: {deadline: 100ms}\n")
    sidecar = started(place)
    capture = sidecar.wait_for_roles()["capture"]
    with vault(place) as writer:
        os.kill(capture, signal.SIGSTOP)
        write(writer, records(0, 5))
        sidecar.signal(signal.SIGTERM)
        assert EXIT_UNABLE == sidecar.status()
    assert "capture did not stop in time and was killed" in sidecar.said()
    assert "bytes stay in the pipes" in sidecar.said()
    assert not alive(capture)


def test_sigterm_before_the_start(place: Place) -> None:
    """SIGTERM while capture still waits for its lock ends everything with 0: nothing was captured, nothing is lost."""
    place.config.write_text("shutdown: {deadline: 100ms}\n")
    place.journal.mkdir()
    with open(place.journal / "lock.capture", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        sidecar = place.sidecar()
        wait_until(lambda: len(children_of(sidecar.pid)) == len(ROLES), "the children are started")
        sidecar.signal(signal.SIGTERM)
        assert EXIT_OK == sidecar.status()
    assert STARTED not in sidecar.said()


# The start.


def test_a_capture_that_cannot_start_is_125(place: Place) -> None:
    """Where capture says that it cannot work, the status is 125."""
    place.journal.mkdir()
    (place.journal / "lock.capture").mkdir()
    sidecar = place.sidecar()
    assert EXIT_RUN_FAILED == sidecar.status()
    assert '"capture could not start"' in sidecar.said()
    assert STARTED not in sidecar.said()


def test_a_fifo_that_cannot_be_used_is_125(place: Place) -> None:
    """A regular file in the FIFO's place is 125, and stays as it is."""
    place.fifo.write_text("precious")
    sidecar = place.sidecar()
    assert EXIT_RUN_FAILED == sidecar.status()
    assert "is a regular file, not a FIFO" in sidecar.said()
    assert "precious" == place.fifo.read_text()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "neither a FIFO nor a file was named. Give --fifo PATH or --file PATH, or source.fifo or source.file"),
        (("--fifo", "a", "--file", "b"), r"--file: \"b\" is given together with --fifo. Keep one of them."),
        (("--fifo", "a", "--signal-pid", "1"), "--signal-pid works with a file only. Leave it out, or give --file"),
        (("--fifo", "a", "--pid-file", "b"), "source.reclaim: works with source.file only."),
        (("--file", "a", "--signal-pid", "1", "--pid-file", "b"), "--pid-file is given together with --signal-pid."),
        (("--file", "a", "--signal-pid", "0"), "Invalid value for '--signal-pid'"),
        (("--file", "journal/a"), "lies inside the journal's directory"),
    ],
)
def test_a_wrong_command_line_is_64(tmp_path: Path, options: tuple[str, ...], expected: str) -> None:
    """What is wrong is told in one line, and nothing is made."""
    done = subprocess.run(
        [*STANDPIPE, "sidecar", "--journal", "journal", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    assert (EXIT_USAGE, "") == (done.returncode, done.stdout)
    assert expected in done.stderr
    assert [] == list(tmp_path.iterdir())
