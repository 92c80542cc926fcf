from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.followed_fifo import NOT_OPEN, FollowedFifo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a path where nothing is."""
    return str(tmp_path / "pipe")


@pytest.fixture
def followed(path: str) -> Iterator[FollowedFifo]:
    """Return a followed path; nothing is open yet."""
    made = FollowedFifo(path)
    yield made
    made.close()


def replace(path: str) -> None:
    """Put a new FIFO where one is."""
    os.mkfifo(path + ".new")
    os.rename(path + ".new", path)


def test_waits_for_a_fifo(followed: FollowedFifo, path: str) -> None:
    """Nothing there is trouble, not an error; a FIFO that comes is opened once."""
    assert not followed.refresh()
    assert "No such file" in followed.trouble
    os.mkfifo(path)
    assert followed.refresh()
    assert followed.trouble == ""
    assert not followed.refresh()


def test_regular_file_is_trouble(followed: FollowedFifo, path: str) -> None:
    """A file that is no FIFO is told and not opened."""
    with open(path, "w", encoding="utf-8"):
        pass
    assert not followed.refresh()
    assert "is a regular file, not a FIFO" in followed.trouble
    assert followed.current == NOT_OPEN


def test_missing_path_keeps_the_pipe(followed: FollowedFifo, path: str) -> None:
    """When the path goes away the pipe is kept, with its bytes, and is the same when the path comes back."""
    os.mkfifo(path)
    followed.refresh()
    fd = followed.current
    os.write(fd, b"record\n")
    os.rename(path, path + ".away")
    assert not followed.refresh()
    assert followed.trouble != ""
    os.rename(path + ".away", path)
    assert not followed.refresh()
    assert (fd, [], "") == (followed.current, followed.replaced, followed.trouble)
    assert os.read(fd, 100) == b"record\n"


def test_replaced_pipe_lives_while_it_has_bytes_or_a_writer(followed: FollowedFifo, path: str) -> None:
    """The old pipe is closed when it is empty and its writer has gone, and neither alone is enough."""
    os.mkfifo(path)
    followed.refresh()
    writer = os.open(path, os.O_WRONLY)
    replace(path)
    assert followed.refresh()
    (old,) = followed.replaced
    assert old != followed.current
    assert followed.close_finished() == []  # empty, but a writer has it
    os.write(writer, b"late\n")
    os.close(writer)
    assert followed.close_finished() == []  # no writer, but not empty
    assert os.read(old, 100) == b"late\n"
    assert followed.close_finished() == [old]
    assert followed.replaced == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(old)


def test_two_replacements_keep_their_order(followed: FollowedFifo, path: str) -> None:
    """Each replaced pipe is kept, the oldest first."""
    os.mkfifo(path)
    for number in (b"1", b"2", b"3"):
        assert followed.refresh()
        os.write(followed.current, number)
        replace(path)
    followed.refresh()
    assert [b"1", b"2", b"3"] == [os.read(fd, 1) for fd in followed.replaced]
