from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.fifo import open_fifo, pipe_fill
from tests.processes.front_door import FrontDoor, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a path where nothing is."""
    return str(tmp_path / "pipe")


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., FrontDoor]]:
    """Return a function that starts a holder of these paths."""
    started: list[FrontDoor] = []

    def start(*paths: str) -> FrontDoor:
        started.append(FrontDoor(tmp_path, "hold", *paths))
        return started[-1]

    yield start
    for holder in started:
        holder.kill()


def replace(path: str) -> None:
    """Put a new FIFO where one is."""
    os.mkfifo(path + ".new")
    os.rename(path + ".new", path)


def put(path: str, content: bytes) -> None:
    """Write into a FIFO that somebody holds, and close it."""
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    assert len(content) == os.write(fd, content)
    os.close(fd)


def take(path: str) -> bytes:
    """Read what is in a FIFO, and close it."""
    fd = open_fifo(path)
    content = os.read(fd, 1 << 20)
    os.close(fd)
    return content


def test_bytes_outlive_writer_and_reader(hold: Callable[..., FrontDoor], path: str) -> None:
    """What is written while nobody reads is there for the next reader, and holding reads nothing of it."""
    os.mkfifo(path)
    holder = hold(path)
    message = holder.wait_for("holding")
    assert (path, 0) == (message["fifo"], message["inside_bytes"])
    put(path, b"one\n")
    put(path, b"two\n")
    assert take(path) == b"one\ntwo\n"
    put(path, b"three\n")
    assert take(path) == b"three\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it(hold: Callable[..., FrontDoor], path: str, number: int) -> None:
    """SIGTERM and SIGINT end the holder with 0, also while it waits for a FIFO."""
    holder = hold(path)
    holder.wait_for("waiting for a FIFO")
    holder.signal(number)
    assert holder.status() == 0


def test_waits_for_each_path(hold: Callable[..., FrontDoor], tmp_path: Path) -> None:
    """Paths that come later are held then, each told once; one that is missing does not delay another."""
    paths = [str(tmp_path / name) for name in ("pipe", "reserve")]
    holder = hold(*paths)
    holder.wait_for("waiting for a FIFO", count=2)
    os.mkfifo(paths[1])
    assert holder.wait_for("holding")["fifo"] == paths[1]
    os.mkfifo(paths[0])
    assert holder.wait_for("holding", count=2)["fifo"] == paths[0]
    assert {"holding": 2, "waiting for a FIFO": 2} == {
        words: len(holder.said(words)) for words in ("holding", "waiting for a FIFO")
    }


def test_same_path_twice(hold: Callable[..., FrontDoor], path: str) -> None:
    """A path that is named twice is held once."""
    os.mkfifo(path)
    holder = hold(path, path)
    holder.wait_for("holding")
    assert holder.open_files().count(path) == 1


def test_regular_file_is_told_and_waited_out(hold: Callable[..., FrontDoor], path: str) -> None:
    """A regular file is told with the reason, not opened, and a FIFO that takes its place is held."""
    with open(path, "w", encoding="utf-8"):
        pass
    holder = hold(path)
    assert "is a regular file, not a FIFO" in str(holder.wait_for("waiting for a FIFO")["reason"])
    assert path not in holder.open_files()
    replace(path)
    holder.wait_for("holding")


def test_replaced_and_empty(hold: Callable[..., FrontDoor], path: str) -> None:
    """When another FIFO takes the path, the new one is held, and the old one, empty and unused, is let go."""
    os.mkfifo(path)
    holder = hold(path)
    holder.wait_for("holding")
    replace(path)
    holder.wait_for("holding", count=2)
    holder.wait_for("let go of a replaced FIFO")
    assert [path] == [name for name in holder.open_files() if name.startswith(path)]
    put(path, b"new\n")
    assert take(path) == b"new\n"


def test_replaced_with_bytes_inside(hold: Callable[..., FrontDoor], path: str) -> None:
    """Bytes in a replaced FIFO are kept until somebody takes them, and the message says how; then it is let go."""
    os.mkfifo(path)
    holder = hold(path)
    holder.wait_for("holding")
    put(path, b"saved\n")
    replace(path)
    message = holder.wait_for("a replaced FIFO has bytes inside")
    assert message["inside_bytes"] == 6
    rescue = str(message["rescue"]).rpartition("cat ")[2]
    fd = os.open(rescue, os.O_RDONLY | os.O_NONBLOCK)
    assert pipe_fill(fd) == 6
    assert os.read(fd, 100) == b"saved\n"
    os.close(fd)
    holder.wait_for("let go of a replaced FIFO")


def test_replaced_under_a_writer(hold: Callable[..., FrontDoor], path: str) -> None:
    """A writer that still has the replaced FIFO is not cut off; it is let go when the writer goes."""
    os.mkfifo(path)
    holder = hold(path)
    holder.wait_for("holding")
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    replace(path)
    holder.wait_for("holding", count=2)
    assert os.write(writer, b"x") == 1  # EPIPE, if the holder had closed it
    reader = os.open(f"/proc/self/fd/{writer}", os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(reader, 10) == b"x"
    os.close(reader)
    assert not holder.said("let go")
    os.close(writer)
    holder.wait_for("let go of a replaced FIFO")


def test_empty_replaced_fifo_is_no_warning(hold: Callable[..., FrontDoor], path: str) -> None:
    """A replaced FIFO that is kept for its writer alone, with nothing inside, is not warned of."""
    os.mkfifo(path)
    holder = hold(path)
    holder.wait_for("holding")
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    replace(path)
    holder.wait_for("holding", count=2)
    os.close(writer)
    holder.wait_for("let go of a replaced FIFO")
    assert holder.said("a replaced FIFO has bytes inside") == []


def test_removed_path_is_still_held(hold: Callable[..., FrontDoor], path: str) -> None:
    """A FIFO whose path went away is held on, and that is told."""
    os.mkfifo(path)
    holder = hold(path)
    holder.wait_for("holding")
    os.unlink(path)
    assert "No such file" in str(holder.wait_for("still holding the FIFO that was here")["reason"])
    wait_until(lambda: f"{path} (deleted)" in holder.open_files(), "the pipe is held")
    os.mkfifo(path)
    holder.wait_for("holding", count=2)


def test_first_process_of_a_container(tmp_path: Path, path: str) -> None:
    """As PID 1 of a PID namespace, where signals have no default action, SIGTERM still ends it with 0."""
    os.mkfifo(path)
    holder = FrontDoor(tmp_path, "hold", path, before=("unshare", "--pid", "--fork", "--mount-proc"))
    try:
        holder.wait_for("holding")
        (child,) = holder.children()
        os.kill(child, signal.SIGTERM)
        assert holder.status() == 0
    finally:
        for child in holder.children():
            os.kill(child, signal.SIGKILL)
        holder.kill()
