from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standpipe.cli.supervised import undelivered_bytes
from standpipe.config import apply_flags, default_config
from standpipe.errors import (
    EXIT_COMMAND_NOT_EXECUTABLE,
    EXIT_COMMAND_NOT_FOUND,
    EXIT_OK,
    EXIT_RUN_FAILED,
    EXIT_SIGNAL_BASE,
)
from standpipe.journal.cursor import read_cursor
from tests.evidence.craft import records
from tests.processes.front_door import wait_until
from tests.processes.run_rig import ROLES, ZOMBIE, Place, Run, alive, children_of, stat_of

if TYPE_CHECKING:
    from collections.abc import Iterator

FORWARDED = ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH")
FOREVER = ("sh", "-c", "ulimit -c 0; exec sleep 1000")
NOTES_SIGNALS = """
import os, signal, sys
def note(number, frame):
    os.write(2, ("got " + signal.Signals(number).name[3:] + "\\n").encode())
for name in sys.argv[1:]:
    signal.signal(getattr(signal, "SIG" + name), note)
os.write(2, b"listening\\n")
sys.stdin.read() if os.isatty(0) else None
while True:
    signal.pause()
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Return a place for runs."""
    with ExitStack() as ends:
        yield Place(tmp_path, ends)


def python(code: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line of a small program."""
    return (sys.executable, "-I", "-S", "-c", code, *arguments)


def write_fifo(place: Place, data: bytes) -> None:
    """Write into the FIFO, as Vault does."""
    with open(place.fifo, "wb", buffering=0) as fifo:
        while data:
            data = data[fifo.write(data) :]


def journal_end(place: Place) -> int:
    """Return the journal's end."""
    path = max(place.journal.glob("segments/*.log"))
    return int(path.name[:20]) + path.stat().st_size


def undelivered(place: Place) -> int:
    """Return what is in the journal and not acknowledged."""
    state = read_cursor(str(place.journal / "cursors" / "stdout"))
    return journal_end(place) - (state.offset if state else 0)


# The exit status.


@pytest.mark.parametrize("status", [0, 7])
def test_the_exit_status_is_commands(place: Place, status: int) -> None:
    """COMMAND's exit status is ours; all that it wrote into the FIFO has been delivered before, and nothing else."""
    data = place.directory / "data"
    data.write_bytes(records(0, 50))
    run = place.run("sh", "-c", f"cat {data} > {place.fifo}; echo out; echo err >&2; exit {status}")
    assert (status, records(0, 50)) == run.status_and_rest()
    assert ["out", "err"] == [line for line in run.said().split("\n") if line in ("out", "err")]
    assert "everything that was captured was delivered" in run.said()
    assert 0o600 == place.fifo.stat().st_mode & 0o777


def test_a_large_rest_is_delivered(place: Place) -> None:
    """A megabyte that COMMAND writes just before it ends reaches stdout, also the last line without its newline."""
    data = place.directory / "data"
    data.write_bytes(records(0, 8000) + b'{"half')
    run = place.run("sh", "-c", f"cat {data} > {place.fifo}")
    assert (EXIT_OK, data.read_bytes()) == run.status_and_rest()


def test_signals_end_command_and_us(tmp_path: Path) -> None:
    """For every signal that ends COMMAND, the status is 128 + its number."""
    with ExitStack() as ends:
        runs: dict[str, Run] = {}
        for name in FORWARDED[:-1]:
            (tmp_path / name).mkdir()
            runs[name] = Place(tmp_path / name, ends).run(*FOREVER)
        for name, run in runs.items():
            run.command_is("sleep")
            run.signal(getattr(signal, f"SIG{name}"))
        expected = {name: EXIT_SIGNAL_BASE + getattr(signal, f"SIG{name}") for name in runs}
        assert expected == {name: run.status() for name, run in runs.items()}


def test_every_forwarded_signal_reaches_command(place: Place) -> None:
    """TERM, INT, HUP, QUIT, USR1, USR2 and WINCH reach COMMAND, each once, and nothing else happens."""
    run = place.run(*python(NOTES_SIGNALS, *FORWARDED))
    run.wait_for("listening")
    for name in FORWARDED:
        run.signal(getattr(signal, f"SIG{name}"))
        run.wait_for(f"got {name}\n")
    assert list(FORWARDED) == [line[4:] for line in run.said().split("\n") if line.startswith("got ")]
    os.kill(run.command_pid(), signal.SIGKILL)
    assert EXIT_SIGNAL_BASE + signal.SIGKILL == run.status()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("no-such-command-anywhere", EXIT_COMMAND_NOT_FOUND),
        ("plain-file", EXIT_COMMAND_NOT_EXECUTABLE),
        ("plain-file/below", EXIT_COMMAND_NOT_FOUND),
        (".", EXIT_COMMAND_NOT_EXECUTABLE),
    ],
)
def test_a_command_that_cannot_be_started(place: Place, command: str, expected: int) -> None:
    """126 and 127 are as env(1) has them, and the message names COMMAND."""
    (place.directory / "plain-file").write_text("not a program")
    name = str(place.directory / command) if command.startswith((".", "plain")) else command
    run = place.run(name)
    assert expected == run.status()
    assert f"cannot start COMMAND {name}" in run.said()


@pytest.mark.parametrize("trouble", ["file", "format", "segments", "fifo"])
def test_a_failure_before_command_is_125(place: Place, trouble: str) -> None:
    """A journal or a FIFO that cannot be used is 125, with a remedy; COMMAND is not started and nothing is touched."""
    journal = place.journal
    if trouble == "file":
        journal.write_text("precious")
    elif trouble == "fifo":
        place.fifo.write_text("precious")
    elif trouble == "format":
        journal.mkdir()
        (journal / "journal.json").write_text(json.dumps({"format": 2, "journal": "x"}))
    else:
        (journal / "segments").mkdir(parents=True)
        (journal / "segments" / f"{0:020d}.log").write_text("precious")
    before = sorted(journal.rglob("*")) if trouble != "fifo" else []
    run = place.run("sh", "-c", f"echo started > {place.directory}/witness")
    assert EXIT_RUN_FAILED == run.status()
    assert not (place.directory / "witness").exists()
    assert ["error"] == [str(message["severity"]).lower() for message in run.messages()]
    if trouble == "fifo":
        assert "precious" == place.fifo.read_text()
    else:
        assert before == sorted(journal.rglob("*"))
        assert not place.fifo.exists()


def test_a_capture_that_cannot_work_is_125(place: Place) -> None:
    """Where capture says that it cannot work, COMMAND is never started, and the status is 125."""
    (place.journal).mkdir()
    (place.journal / "lock.capture").mkdir()
    run = place.run("sh", "-c", f"echo started > {place.directory}/witness")
    assert EXIT_RUN_FAILED == run.status()
    assert "capture could not start, so COMMAND was not started" in run.said()
    assert not (place.directory / "witness").exists()


def test_a_closed_stdout_is_125(place: Place) -> None:
    """Without a stdout nothing is started: the records would go into whatever file got its number."""
    run = place.run("true", before=("sh", "-c", 'exec "$@" >&-', "sh"))
    assert EXIT_RUN_FAILED == run.status()
    assert "stdout is closed" in run.said()


# What COMMAND inherits.


def test_what_command_inherits(place: Place) -> None:
    """COMMAND has descriptors 0, 1 and 2 only, whatever run was given; stdout is our stderr; no signal is ignored."""
    run = place.run(*FOREVER, before=("sh", "-c", 'exec 7< /dev/null; exec "$@"', "sh"))
    pid = run.command_is("sleep")
    # The loader of a program that has just been started opens its libraries.
    wait_until(lambda: {"0", "1", "2"} == set(os.listdir(f"/proc/{pid}/fd")), "no other descriptor is open")
    links = [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)]
    assert ["/dev/null", links[2], str(place.directory / "run-1.stderr")] == links
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        fields = dict(line.split(":\t") for line in file.read().splitlines() if ":\t" in line)
    standard = (1 << 31) - 1  # glibc's posix_spawn ignores two of its own beyond these
    assert [0, 0] == [int(fields[key], 16) & standard for key in ("SigIgn", "SigBlk")]


def test_a_broken_pipe_kills_inside_command(place: Place) -> None:
    """SIGPIPE has its default action in COMMAND: a writer whose reader has gone dies of it, as in a shell."""
    run = place.run("bash", "-c", "yes | true; echo status ${PIPESTATUS[0]}")
    assert EXIT_OK == run.status()
    assert "status 141\n" in run.said()


# Processes.


@pytest.mark.parametrize("as_init", [False, True])
def test_orphans_are_reaped(place: Place, *, as_init: bool) -> None:
    """A process that COMMAND's child leaves behind is reaped when it ends, also where we are PID 1: no zombie stays."""
    orphan = place.directory / "orphan"
    script = f"(sh -c 'echo > {orphan}.started; read line < {orphan}; exit 3' &) ; exec sleep 1000"
    os.mkfifo(orphan)
    before = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc") if as_init else ()
    run = place.run("sh", "-c", script, before=before)
    run.command_pid()
    supervisor = next(iter(children_of(run.pid))) if as_init else run.pid
    wait_until(Path(f"{orphan}.started").exists, "the orphan is there")
    wait_until(lambda: len(children_of(supervisor)) == len(ROLES) + 2, "the orphan has become ours")
    orphan.write_text("go\n")
    wait_until(lambda: len(children_of(supervisor)) == len(ROLES) + 1, "the orphan has been reaped")
    assert ZOMBIE not in children_of(supervisor).values()
    os.kill(supervisor, signal.SIGTERM)
    assert EXIT_SIGNAL_BASE + signal.SIGTERM == run.status()


def test_children_are_restarted_and_command_never(place: Place) -> None:
    """A child that is killed is started again as another process; COMMAND stays the one it was, and records flow."""
    run = place.run(*FOREVER)
    command, first = run.command_is("sleep"), run.wait_for_roles()
    for role in ROLES:
        os.kill(first[role], signal.SIGKILL)
    wait_until(lambda: all(run.role_pid(role) not in (0, first[role]) for role in ROLES), "new children")
    write_fifo(place, records(0, 3))
    assert records(0, 3) == run.read(len(records(0, 3)))
    assert (command, 1) == (run.command_pid(), run.said().count('"message": "started"'))
    assert alive(command)
    for role in ROLES:
        assert f"{role} died; it is started again" in run.said()
    os.kill(command, signal.SIGKILL)
    assert (EXIT_SIGNAL_BASE + signal.SIGKILL, b"") == run.status_and_rest()
    assert 1 == run.said().count('"message": "started"')


def test_bytes_in_the_pipes_survive_capture(place: Place) -> None:
    """What is in the FIFO when capture dies waits there, held by the supervisor, for the next capture."""
    run = place.run(*FOREVER)
    run.command_is("sleep")
    capture = run.wait_for_roles()["capture"]
    os.kill(capture, signal.SIGSTOP)
    write_fifo(place, records(0, 5))
    os.kill(capture, signal.SIGKILL)
    assert records(0, 5) == run.read(len(records(0, 5)))
    run.signal(signal.SIGTERM)
    assert (EXIT_SIGNAL_BASE + signal.SIGTERM, b"") == run.status_and_rest()


def test_children_die_with_a_killed_supervisor(place: Place) -> None:
    """SIGKILL of the supervisor takes its children along; COMMAND lives on, and the next run uses the journal."""
    run = place.run(*FOREVER)
    command, children = run.command_is("sleep"), run.wait_for_roles()
    write_fifo(place, records(0, 2))
    assert records(0, 2) == run.read(len(records(0, 2)))
    run.process.kill()
    run.process.wait()
    wait_until(lambda: not any(alive(pid) for pid in children.values()), "the children are dead")
    assert alive(command)
    data = place.directory / "data"
    data.write_bytes(records(2, 2))
    again = place.run("sh", "-c", f"cat {data} > {place.fifo}")
    status, came = again.status_and_rest()
    assert EXIT_OK == status
    assert came.endswith(records(2, 2))


SUPERVISE_A_CAPTURE_THAT_FAILS_AT_ITS_END = """
import os, sys
from standpipe.observe.log import Log
from standpipe.processes.children import Child
from standpipe.processes.command import CommandSupervisor, RunSettings
def script(on_usr1):
    wait = "echo >&3; exec 3>&-; while :; do sleep 0.05; done"
    return ["/bin/sh", "-c", f"trap '{on_usr1}' USR1; trap 'exit 0' TERM; {wait}"]
fails_once = "if mkdir failed 2> /dev/null; then exit 70; else exit 0; fi"
children = [Child("capture", script(fails_once)), Child("keep", script("exit 0")), Child("ship", script("exit 0"))]
settings = RunSettings(("fifo", "reserve"), ["sh", "-c", "exit 3"], os.environ, 20.0)
sys.exit(CommandSupervisor(settings, children, lambda: 0, Log("run")).run())
"""


def test_a_capture_that_fails_while_it_drains_is_started_again(place: Place) -> None:
    """An exit status of a fault is no stop in order: what is in the pipes is not given up before the deadline."""
    command = [sys.executable, "-c", SUPERVISE_A_CAPTURE_THAT_FAILS_AT_ITS_END]
    finished = subprocess.run(command, cwd=place.directory, capture_output=True, check=False, timeout=60)
    assert 3 == finished.returncode
    assert 1 == finished.stderr.count(b"capture died; it is started again")


SUPERVISE_AN_UNREADABLE_JOURNAL = """
import os, sys
from standpipe.observe.log import Log
from standpipe.processes.children import Child
from standpipe.processes.command import CommandSupervisor, RunSettings
ready = ["/bin/sh", "-c", "trap 'exit 0' USR1 TERM; echo >&3; exec 3>&-; while :; do sleep 0.05; done"]
children = [Child(role, ready) for role in ("capture", "keep", "ship")]
settings = RunSettings(("fifo", "reserve"), ["sh", "-c", "exit 3"], os.environ, 5.0)
sys.exit(CommandSupervisor(settings, children, lambda: None, Log("run")).run())
"""


def test_commands_status_counts_where_the_lag_is_not_known(place: Place) -> None:
    """Where nobody can say how much is undelivered, the drain goes on, and the exit status is COMMAND's."""
    command = [sys.executable, "-c", SUPERVISE_AN_UNREADABLE_JOURNAL]
    finished = subprocess.run(command, cwd=place.directory, capture_output=True, check=False, timeout=60)
    assert 3 == finished.returncode
    assert b"how much was left undelivered is not known" in finished.stderr


def test_an_unreadable_cursor_makes_the_lag_unknown(tmp_path: Path) -> None:
    """A directory in a cursor's place is no reason to fail."""
    journal = tmp_path / "journal"
    (journal / "cursors" / "stdout").mkdir(parents=True)
    (journal / "segments").mkdir()
    config = apply_flags(default_config(), journal=str(journal))
    assert undelivered_bytes(config)() is None
    (journal / "cursors" / "stdout").rmdir()
    assert 0 == undelivered_bytes(config)()


SUPERVISE_A_MISSING_KEEP = """
import os, sys
from standpipe.observe.log import Log
from standpipe.processes.children import Child
from standpipe.processes.command import CommandSupervisor, RunSettings
ready = ["/bin/sh", "-c", "echo >&3; exec 3>&-; exec sleep 1000"]
children = [Child("capture", ready), Child("keep", [sys.argv[1]]), Child("ship", ready)]
settings = RunSettings(("fifo", "reserve"), ["sleep", "1000"], os.environ, 0.1)
sys.exit(CommandSupervisor(settings, children, lambda: 0, Log("run")).run())
"""


def test_a_program_that_cannot_be_started_is_tried_again(place: Place) -> None:
    """Where a child's program cannot be started, COMMAND goes on, and the child is started once that is possible."""
    program, messages = place.directory / "keep", place.directory / "messages"
    with open(messages, "wb") as stderr:
        command = [sys.executable, "-c", SUPERVISE_A_MISSING_KEEP, str(program)]
        process = subprocess.Popen(command, cwd=place.directory, stderr=stderr)
    try:
        failed, started = "keep cannot be started; it is tried again", '"message": "started"'
        wait_until(lambda: messages.read_text().count(failed) > 1 or process.poll() is not None, "it was tried twice")
        wait_until(lambda: started in messages.read_text() or process.poll() is not None, "COMMAND was started")
        program.with_suffix(".new").write_text(f"#!/bin/sh\necho > {program}.started\nexec sleep 1000\n")
        program.with_suffix(".new").chmod(0o700)
        program.with_suffix(".new").rename(program)
        wait_until(lambda: Path(f"{program}.started").exists() or process.poll() is not None, "keep was started")
        process.terminate()
        assert EXIT_SIGNAL_BASE + signal.SIGTERM == process.wait(60)
    finally:
        process.kill()
        process.wait()


SUPERVISE_A_CAPTURE_THAT_SIGNALS = """
import os, sys
from standpipe.observe.log import Log
from standpipe.processes.children import Child
from standpipe.processes.command import CommandSupervisor, RunSettings
hup, live = "kill -HUP $PPID", "while kill -0 $PPID; do sleep 0.05; done"
until = "while kill -0 $PPID && ! [ -e listening ]; do sleep 0.05; done"
script = f"trap '{hup}; exit 0' USR1; {hup}; echo >&3; exec 3>&-; {until}; {hup}; {live}"
other = ["/bin/sh", "-c", f"trap 'exit 0' USR1 TERM; echo >&3; exec 3>&-; {live}"]
children = [Child("capture", ["/bin/sh", "-c", script]), Child("keep", other), Child("ship", other)]
vault = f"trap 'echo got HUP >&2; exit 3' HUP; echo > listening; {live}"
settings = RunSettings((), ["sh", "-c", vault], os.environ, 20.0)
sys.exit(CommandSupervisor(settings, children, lambda: 0, Log("run")).run())
"""


def test_captures_sighup_reaches_a_living_command(place: Place) -> None:
    """The SIGHUP by which capture has Vault reopen its file reaches COMMAND; before it and after it, nothing happens.

    Where the source is a file, no pipe is made.
    """
    command = [sys.executable, "-c", SUPERVISE_A_CAPTURE_THAT_SIGNALS]
    before = set(place.directory.iterdir())
    finished = subprocess.run(command, cwd=place.directory, capture_output=True, check=False, timeout=60)
    assert 3 == finished.returncode
    assert 1 == finished.stderr.count(b"got HUP")
    assert {place.directory / "listening"} == set(place.directory.iterdir()) - before


# The end.


def test_sigterm_before_command_was_started(place: Place) -> None:
    """SIGTERM while capture still waits for its lock ends everything; COMMAND is never started."""
    place.config.write_text("shutdown: {deadline: 100ms}\n")
    place.journal.mkdir()
    with open(place.journal / "lock.capture", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run = place.run("sh", "-c", f"echo started > {place.directory}/witness")
        wait_until(lambda: len(children_of(run.pid)) == len(ROLES), "the children are started")
        run.signal(signal.SIGTERM)
        assert EXIT_SIGNAL_BASE + signal.SIGTERM == run.status()
    assert not (place.directory / "witness").exists()
    assert '"started"' not in run.said()


def fill_and_end(place: Place) -> Run:
    """Run a COMMAND that leaves more than stdout's pipe holds, while nobody reads that."""
    data = place.directory / "data"
    data.write_bytes(records(0, 500))
    run = place.run("sh", "-c", f"cat {data} > {place.fifo}; exit 5")
    run.wait_for("COMMAND ended")
    wait_until(lambda: run.is_full() or run.process.poll() is not None, "stdout's pipe is full")
    return run


def test_a_second_signal_ends_a_stalled_drain(place: Place) -> None:
    """A second SIGTERM ends the drain: the status is COMMAND's; what is left is told, kept, and delivered later."""
    run = fill_and_end(place)
    run.wait_for("delivering")  # progress is told while it lasts, so the journal has everything
    run.signal(signal.SIGTERM)
    run.wait_for("stopping already")
    run.signal(signal.SIGTERM)
    assert 5 == run.status()
    assert "the drain ends now" in run.said()
    left = undelivered(place)
    assert 0 < left <= journal_end(place) == 60_000
    assert left == run.messages()[-1]["undelivered_bytes"]
    got = run.status_and_rest()[1]
    assert (place.directory / "data").read_bytes().startswith(got)
    rest = place.run("true").status_and_rest()[1]
    assert (place.directory / "data").read_bytes().endswith(rest)
    assert len(got) + len(rest) >= journal_end(place)


def test_the_deadline_ends_a_stalled_drain(place: Place) -> None:
    """A drain that takes longer than shutdown.deadline is ended, and what is left undelivered is told."""
    place.config.write_text("shutdown: {deadline: 500ms}\n")
    run = fill_and_end(place)
    assert 5 == run.status()
    assert undelivered(place) == run.messages()[-1]["undelivered_bytes"]
    assert undelivered(place) > 0


def test_a_child_that_hangs_is_killed_after_the_deadline(place: Place) -> None:
    """A child that does not even react to SIGTERM does not hold up the end for ever."""
    place.config.write_text("shutdown: {deadline: 200ms}\n")
    run = place.run(*FOREVER)
    run.command_is("sleep")
    ship = run.wait_for_roles()["ship"]
    os.kill(ship, signal.SIGSTOP)
    run.signal(signal.SIGTERM)
    assert EXIT_SIGNAL_BASE + signal.SIGTERM == run.status()
    assert "ship did not stop in time and was killed" in run.said()
    assert not alive(ship)


# A terminal.


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Return both ends of a terminal, ours first."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def test_ctrl_c_reaches_command_once(place: Place, terminal: tuple[int, int]) -> None:
    """On a terminal Ctrl-C reaches COMMAND once, and none of our processes; COMMAND may read the terminal."""
    ours, theirs = terminal
    run = place.run(*python(NOTES_SIGNALS, "INT", "USR1"), before=("setsid", "--ctty", "--wait"), stdin=theirs)
    run.wait_for("listening")
    os.write(ours, b"\x03")
    run.wait_for("got INT")
    run.signal(signal.SIGUSR1)
    run.wait_for("got USR1")
    assert 1 == run.said().count("got INT")
    assert "died" not in run.said()
    command = run.command_pid()
    assert "T" != stat_of(command)[0]
    os.kill(command, signal.SIGKILL)
    assert EXIT_SIGNAL_BASE + signal.SIGKILL == run.status()


def test_ctrl_c_ends_the_drain_once_command_has_ended(place: Place, terminal: tuple[int, int]) -> None:
    """When COMMAND has ended the terminal is ours again: Ctrl-C ends a drain that stalls."""
    ours, theirs = terminal
    data = place.directory / "data"
    data.write_bytes(records(0, 500))
    run = place.run(
        "sh", "-c", f"cat {data} > {place.fifo}; exit 5", before=("setsid", "--ctty", "--wait"), stdin=theirs
    )
    run.wait_for("COMMAND ended")
    wait_until(run.is_full, "stdout's pipe is full")
    os.write(ours, b"\x03")
    assert 5 == run.status()
    assert "the drain ends now" in run.said()


def test_a_terminal_that_is_not_ours_is_left_alone(place: Place, terminal: tuple[int, int]) -> None:
    """A stdin that is a terminal but does not control us is no reason to fail."""
    run = place.run("sh", "-c", "exit 3", before=("setsid", "--wait"), stdin=terminal[1])
    assert 3 == run.status()


def test_a_background_job_leaves_the_terminal_to_its_shell(place: Place, terminal: tuple[int, int]) -> None:
    """Started in the background of a shell, a run does not take the terminal from it."""
    job = 'set -m; "$@" & echo group $(ps -o tpgid= -p $$) $$ >&2; wait $!; echo group $(ps -o tpgid= -p $$) $$ >&2'
    before = ("setsid", "--ctty", "--wait", "bash", "-c", job, "bash")
    run = place.run("sh", "-c", "ps -o tpgid= -p $$ >&2; exit 3", before=before, stdin=terminal[1])
    assert 0 == run.status()
    groups = [line.split()[1:] for line in run.said().split("\n") if line.startswith("group ")]
    foreground = groups[0][0]
    assert [[foreground, foreground]] * 2 == groups
    assert f"{foreground}\n" in run.said().replace(" ", "")
