"""`standpipe rotate` as a process, beside a real writer."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from standpipe.cli.rotate import command
from standpipe.rotate import names
from standpipe.rotate.content import blocks
from standpipe.rotate.state import decode
from tests.docs.pages import DOCS, codes, section, tables
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_SECONDS = 60.0
MAX_SIZE = 64 << 10
LINE_BYTES = 201

# Appends numbered lines until the count is reached, or without one until SIGTERM; reopens on SIGHUP as Vault does:
# close, then create.
WRITER = """
import os, signal, sys, time
path, count, hangup = sys.argv[1], int(sys.argv[2]) or 1 << 30, sys.argv[3]
def reopen():
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
file = reopen()
wanted = stop = False
def end(number, frame):
    global stop
    stop = True
def note(number, frame):
    global wanted
    wanted = True
signal.signal(signal.SIGHUP, note if hangup == "reopen" else signal.SIG_IGN)
signal.signal(signal.SIGTERM, end)
def look():
    global file, wanted
    if wanted:
        wanted = False
        os.close(file)
        file = reopen()
for i in range(count):
    look()
    os.write(file, b"%0200d\\n" % i)
    if i % 50 == 0:
        time.sleep(0.002)
    if stop:
        break
print(i + 1, flush=True)
while True:
    look()
    time.sleep(0.005)
"""


def rotate_command(path: Path, *more: str) -> list[str]:
    """Return a command line of rotate."""
    return [sys.executable, "-m", "standpipe", "rotate", "--file", str(path), *more]


def run_rotate(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a rotator to its end."""
    return subprocess.run(rotate_command(path, *more), capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def process(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Start a process and kill it at the end."""
    started = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def writing(path: Path, count: int, hangup: str = "reopen") -> list[str]:
    """Return the writer's command line."""
    return [sys.executable, "-c", WRITER, str(path), str(count), hangup]


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lines(count: int) -> bytes:
    """Return what the writer writes."""
    return b"".join(b"%0200d\n" % i for i in range(count))


def archived(path: Path) -> bytes:
    """Return what the archives hold."""
    found = names.archives(path.name, os.listdir(path.parent))
    paths = [str(path.parent / archive.name) for archive in found]
    return b"".join(b for p in paths for b in blocks(p if os.path.exists(p) else p + ".zst"))


def held(path: Path) -> bytes:
    """Return archives and live tail."""
    state = decode((path.parent / f".{path.name}.standpipe-rotate").read_bytes())
    done = state.file.archived_to if state.file else 0
    return archived(path) + path.read_bytes()[done:]


def messages(text: str) -> list[str]:
    """Return the sentences of a stderr."""
    return [json.loads(line)["message"] for line in text.splitlines()]


def test_punching_beside_a_writer(tmp_path: Path) -> None:
    """Under a writer that never waits, archives and live tail hold every line once; SIGTERM ends it with status 0."""
    path = tmp_path / "audit.log"
    count = scale(8_000, 80_000)
    more = ["--watch", "--max-size", str(MAX_SIZE), "--keep", "1000", "--way", "punch", "--json", "--compress"]
    with process(writing(path, count)) as writer:
        wait_for(path.exists)
        with process(rotate_command(path, *more)) as rotator:
            assert writer.stdout is not None
            assert int(writer.stdout.readline())
            wait_for(lambda: len(archived(path)) > 0 and os.stat(path).st_blocks * 512 < 3 * MAX_SIZE)
            rotator.send_signal(signal.SIGTERM)
            out, err = rotator.communicate(timeout=PATIENCE_SECONDS)
            assert 0 == rotator.returncode, err
    assert lines(count) == held(path)
    assert len(archived(path)) == sum(json.loads(line)["bytes"] for line in out.splitlines())


# In a namespace of its own, because elsewhere root may not look into every process, and the wait would be a minute.
REOPENING = """
"$@" > written &
writer=$!
until [ -s "$LOG" ]; do sleep 0.05; done
for kill in $KILLS; do
    $ROTATE --watch --signal-pid "$writer" 2>> messages &
    rotator=$!
    sleep "$kill"
    kill -9 "$rotator"
done
$ROTATE --watch --signal-pid "$writer" 2> last &
rotator=$!
until grep -q 'is rotated by' last; do sleep 0.05; done # before that SIGTERM finds a starting interpreter
kill -TERM "$writer"
until [ -s written ] && [ ! -s "$LOG" ]; do sleep 0.05; done
kill -TERM "$rotator"
wait "$rotator"
echo $? > status
kill -9 "$writer"
"""


def test_reopening_beside_a_writer(tmp_path: Path) -> None:
    """Rotated by SIGHUP under load, and the rotator killed again and again: every line is there once, in order."""
    path = tmp_path / "audit.log"
    kills = [0.05 * (i % 12) + 0.1 for i in range(scale(6, 60))]
    environment = {
        **os.environ,
        "LOG": str(path),
        "KILLS": " ".join(map(str, kills)),
        "ROTATE": " ".join(rotate_command(path, "--way", "reopen", "--max-size", "1", "--keep", "100000")),
    }
    namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    words = [*namespace, "sh", "-c", REOPENING, "sh", *writing(path, 0)]
    subprocess.run(words, cwd=tmp_path, env=environment, check=True, timeout=180)
    assert "0\n" == (tmp_path / "status").read_text()
    assert lines(int((tmp_path / "written").read_text())) == archived(path)


def test_killed_again_and_again(tmp_path: Path) -> None:
    """A kill -9 of the rotator at any time, under a writer that never waits, loses and repeats nothing."""
    path = tmp_path / "audit.log"
    more = ["--max-size", "2KiB", "--keep", "100000", "--way", "punch"]
    with process(writing(path, 0)) as writer:
        wait_for(path.exists)
        for kill in range(scale(6, 60)):
            with process(rotate_command(path, *more, "--watch")) as rotator:
                before = set(os.listdir(tmp_path))
                wait_for(lambda: set(os.listdir(tmp_path)) - before)  # noqa: B023 — called in this turn
                time.sleep(0.001 * kill)  # so that the kills come at different moments
                rotator.kill()
                rotator.wait()
        writer.terminate()
        assert writer.stdout is not None
        count = int(writer.stdout.readline())
        done = run_rotate(path, *more)
        assert 0 == done.returncode, done.stderr
    assert lines(count) == held(path)


def test_one_shot_reopen(tmp_path: Path) -> None:
    """Once from cron: the file is renamed, the program opens a new one, the archive is compressed."""
    path = tmp_path / "audit.log"
    with process(writing(path, 500)) as writer:
        assert writer.stdout is not None
        assert int(writer.stdout.readline())
        os.utime(path, (0, 0))  # quiet for more than a minute: nobody else can be writing, whoever we may look into
        pid_file = tmp_path / "pid"
        pid_file.write_text(str(writer.pid))
        done = run_rotate(path, "--way", "reopen", "--pid-file", str(pid_file), "--max-size", "1", "--compress")
        assert (0, "") == (done.returncode, done.stdout), done.stderr
        assert 0 == path.stat().st_size
    assert lines(500) == archived(path)
    assert re.fullmatch(r"archived bytes 0 to 100500 of \S+ as audit\.log\.\w+\.zst", messages(done.stderr)[-1])


def test_a_program_that_ignores_hangup(tmp_path: Path) -> None:
    """A program that does not catch SIGHUP is not signalled, and its file not touched."""
    path = tmp_path / "audit.log"
    with process(writing(path, 5, "ignore")) as writer:
        assert writer.stdout is not None
        assert int(writer.stdout.readline())
        done = run_rotate(path, "--way", "reopen", "--signal-pid", str(writer.pid), "--max-size", "1")
    assert 2 == done.returncode
    assert "does not catch SIGHUP" in messages(done.stderr)[-1]
    assert lines(5) == path.read_bytes()


def test_a_second_rotator_is_refused(tmp_path: Path) -> None:
    """The second one ends with status 2 and names the first one's process; the lock looks like no audit log."""
    path = tmp_path / "audit.log"
    path.touch()
    with process(rotate_command(path, "--watch")) as first:
        wait_for((tmp_path / ".audit.log.standpipe-rotate").exists)
        done = run_rotate(path)
        assert 2 == done.returncode
        assert f"another standpipe rotate (process {first.pid}) works on {path}" in messages(done.stderr)[-1]
    assert ["audit.log"] == [name for name in os.listdir(tmp_path) if not name.startswith(".")]


@pytest.mark.parametrize("kind", ["fifo", "directory", "link", "missing", "nowhere"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    """Anything but a regular file is refused at once, in words, with status 2; a FIFO's writer notices nothing."""
    path = tmp_path / "audit.log"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("other")
    elif kind == "nowhere":
        path = tmp_path / "no" / "audit.log"
    words = {
        "fifo": "is a FIFO, not a regular file",
        "directory": "is a directory, not a regular file",
        "link": "is a symbolic link, not a regular file",
        "missing": "does not exist",
        "nowhere": "No such file or directory",
    }
    done = run_rotate(path, "--max-size", "1")
    assert 2 == done.returncode
    assert words[kind] in messages(done.stderr)[-1]


def test_watching_waits_for_the_file(tmp_path: Path) -> None:
    """With --watch a file that is missing is said once and waited for."""
    path = tmp_path / "audit.log"
    with process(rotate_command(path, "--watch", "--max-size", "1")) as rotator:
        assert rotator.stderr is not None
        said = [rotator.stderr.readline(), rotator.stderr.readline()]
        assert "does not exist" in said[-1]
        path.write_bytes(lines(3))
        wait_for(lambda: path.exists() and archived(path) == lines(3))
        rotator.send_signal(signal.SIGINT)
        assert 0 == rotator.wait(PATIENCE_SECONDS)


def test_the_owner_of_an_archive(tmp_path: Path) -> None:
    """Root gives the archive to the live file's owner, readable by nobody else."""
    path = tmp_path / "audit.log"
    path.write_bytes(lines(1))
    os.chown(path, 100, 1000)
    os.chmod(path, 0o640)
    assert 0 == run_rotate(path, "--max-size", "1", "--compress").returncode
    (archive,) = tmp_path.glob("audit.log.*.zst")
    status = archive.stat()
    assert (100, 1000, 0o600) == (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


@pytest.mark.parametrize(
    "more", [["--max-size", "0"], ["--max-size", "1MB"], ["--keep", "0"], ["--way", "copytruncate"], ["--max-age", "x"]]
)
def test_a_wrong_command_line_touches_nothing(tmp_path: Path, more: list[str]) -> None:
    """Status 64, and no file is made."""
    path = tmp_path / "audit.log"
    assert 64 == run_rotate(path, *more).returncode
    assert [] == os.listdir(tmp_path)


def test_every_key_of_the_json_is_documented(tmp_path: Path) -> None:
    """docs/json.md names the keys of `rotate --json`, in their order."""
    path = tmp_path / "audit.log"
    path.write_bytes(lines(1))
    done = run_rotate(path, "--max-size", "1", "--json")
    documented = [codes(row[0])[0] for row in tables(section(DOCS / "json.md", "rotate --json"))[0]]
    assert list(json.loads(done.stdout)) == documented
    assert command.name == "rotate"
