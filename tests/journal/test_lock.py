from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import JournalError, LockHeldError
from standpipe.journal import lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG_SECONDS = 60.0
HOLDER = """
import sys
from standpipe.journal import lock
lock.acquire(sys.argv[1], "ship")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def other_holder(path: str) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process hold the lock."""
    command = [sys.executable, "-c", HOLDER, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"held\n" == process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a lock's path."""
    return str(tmp_path / "lock.ship")


def test_a_second_holder_is_refused(path: str) -> None:
    """A second process of a role is refused, told which process has the lock, and what to do."""
    with other_holder(path) as process:
        with pytest.raises(LockHeldError, match=rf"another standpipe ship \(process {process.pid}\).*{path}") as caught:
            lock.acquire(path, "ship")
        assert "Only one of each role" in caught.value.remedy
        assert process.pid == lock.holder(path)


def test_a_killed_holder_frees_the_lock(path: str) -> None:
    """SIGKILL drops the lock; whoever waits gets it, and its own process id is inside."""
    with other_holder(path) as process:
        process.kill()
        held = lock.acquire(path, "ship", LONG_SECONDS)
    assert os.getpid() == lock.holder(path)
    os.close(held)
    assert lock.holder(path) is None


def test_a_shorter_process_id_leaves_no_digits_of_a_longer_one(path: str) -> None:
    """What an earlier holder wrote is written over as a whole."""
    with open(path, "w") as file:
        file.write("4194304000\n")
    os.close(lock.acquire(path, "ship"))
    with open(path) as file:
        assert f"{os.getpid():<{lock.PID_WIDTH}}\n" == file.read()


def test_a_probe_makes_nothing(path: str) -> None:
    """Asking for the holder where no lock file is creates none."""
    assert lock.holder(path) is None
    assert not os.path.exists(path)


def test_a_probe_never_refuses_a_start(path: str) -> None:
    """However often somebody asks for the holder meanwhile, the lock can be taken, and asking does not end it."""
    os.close(lock.acquire(path, "ship"))
    stop = threading.Event()

    def probe() -> None:
        while not stop.is_set():
            assert lock.holder(path) in (None, os.getpid())

    threads = [threading.Thread(target=probe) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            held = lock.acquire(path, "ship", LONG_SECONDS)
            assert os.getpid() == lock.holder(path)
            os.close(held)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_probe_is_no_holder(path: str) -> None:
    """Two who ask at the same time do not take each other for the holder."""
    os.close(lock.acquire(path, "ship"))
    with open(path) as other_probe:
        fcntl.flock(other_probe, fcntl.LOCK_SH)
        assert lock.holder(path) is None


def test_an_unreadable_process_id_is_said(path: str) -> None:
    """A holder that has not written its process id yet is still a holder: 0 for a program, unknown for a person."""
    held = lock.acquire(path, "ship")
    os.ftruncate(held, 0)
    assert 0 == lock.holder(path)
    with pytest.raises(LockHeldError, match="process unknown"):
        lock.acquire(path, "ship")
    os.close(held)


def test_a_lock_that_cannot_be_opened_is_explained(tmp_path: Path) -> None:
    """A missing directory, and a symbolic link in the lock's place, are told with a remedy."""
    os.symlink(tmp_path / "elsewhere", tmp_path / "link")
    for path in (tmp_path / "missing" / "lock.ship", tmp_path / "link"):
        with pytest.raises(JournalError, match="cannot open the lock") as caught:
            lock.acquire(str(path), "ship")
        assert "directory" in caught.value.remedy
    assert not (tmp_path / "elsewhere").exists()


def test_a_program_that_the_holder_starts_does_not_hold(path: str) -> None:
    """The descriptor is not inherited: a program that outlives the holder does not keep the lock."""
    held = lock.acquire(path, "ship")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        os.close(held)
        os.close(lock.acquire(path, "ship"))
        assert child.poll() is None
