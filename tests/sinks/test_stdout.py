from __future__ import annotations

import fcntl
import os
import pty
import select
import socket
import threading
import tty
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Self

import pytest

from standpipe.capture.fifo import pipe_capacity, pipe_fill
from standpipe.errors import JournalError
from standpipe.sinks.stdout import Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOOT = "0123456789abcdef"
PAGE = 4096
SIZE = 300_000  # more than any pipe here holds
DATA = b"".join(b"%07d\n" % number for number in range(SIZE // 8))


def writable(descriptor: int) -> bool:
    """Wait until a descriptor takes more."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(60_000))


def never(_descriptor: int) -> bool:
    """Give up at once."""
    return False


class Reader:
    """Takes everything out of a descriptor, in a thread."""

    def __init__(self, descriptor: int, piece_bytes: int = 1000) -> None:
        self._descriptor = descriptor
        self._piece_bytes = piece_bytes
        self._data = b""
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the end of the data, which the writer must have told."""
        self._thread.join()

    def _work(self) -> None:
        try:
            while piece := os.read(self._descriptor, self._piece_bytes):
                self._data += piece
        except OSError:
            return  # EIO: how a terminal says the end

    def all(self) -> bytes:
        """Return all that came until the end."""
        self._thread.join()
        return self._data


@pytest.fixture
def source(tmp_path: Path) -> Iterator[int]:
    """Return an open file with the data in it, after 10 other bytes."""
    (tmp_path / "source").write_bytes(b"0123456789" + DATA)
    with open(tmp_path / "source", "rb") as file:
        yield file.fileno()


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    """Close what a test opens."""
    with ExitStack() as stack:
        yield stack


def pipe(ends: ExitStack, capacity: int = PAGE) -> tuple[int, int]:
    """Return a pipe as small as a pipe can be."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, capacity)
    ends.callback(os.close, read_end)
    return read_end, write_end


def send_all(output: Output, source: int) -> None:
    """Send the data once from the file and once from memory, and close what was opened for it."""
    with closing(output):
        assert len(DATA) == output.send_file(source, 10, len(DATA))
        assert len(DATA) == output.send_bytes(DATA)


def test_a_tiny_pipe_takes_everything(source: int, ends: ExitStack) -> None:
    """Through a pipe of one page every byte goes once, in order, and nothing else."""
    read_end, write_end = pipe(ends)
    with Reader(read_end) as reader:
        send_all(Output(BOOT, writable, write_end), source)
        os.close(write_end)
        assert 2 * DATA == reader.all()


@pytest.mark.parametrize("blocking", [True, False])
def test_the_shared_flags_are_not_touched(source: int, ends: ExitStack, *, blocking: bool) -> None:
    """Whoever shares stdout finds O_NONBLOCK as it was, during and after a send; we cope with either value."""
    read_end, write_end = pipe(ends)
    os.set_blocking(write_end, blocking)
    seen = set()

    def wait(descriptor: int) -> bool:
        seen.add(os.get_blocking(descriptor))
        return writable(descriptor)

    with Reader(read_end) as reader:
        send_all(Output(BOOT, wait, write_end), source)
        seen.add(os.get_blocking(write_end))
        os.close(write_end)
        assert 2 * DATA == reader.all()
    assert {blocking} == seen


@pytest.mark.parametrize("from_file", [True, False])
def test_a_full_pipe_never_blocks(source: int, ends: ExitStack, *, from_file: bool) -> None:
    """When nobody reads, a send that is told to give up says how much went, and that much is in the pipe."""
    read_end, write_end = pipe(ends, 4 * PAGE)
    ends.callback(os.close, write_end)
    output = ends.enter_context(closing(Output(BOOT, never, write_end)))

    def send(done: int) -> int:
        return output.send_file(source, 10 + done, SIZE - done) if from_file else output.send_bytes(DATA[done:])

    first = send(0)
    assert 0 < first <= 4 * PAGE
    assert (first, 0) == (pipe_fill(write_end), send(first))
    assert DATA[:first] == os.read(read_end, SIZE)
    second = send(first)
    assert DATA[first : first + second] == os.read(read_end, SIZE)


def test_memory_that_was_given_up_comes_once(ends: ExitStack) -> None:
    """What was taken from memory and not sent when the wait ended is not sent later by itself."""
    read_end, write_end = pipe(ends)
    patient = False
    output = ends.enter_context(closing(Output(BOOT, lambda descriptor: patient and writable(descriptor), write_end)))
    done = output.send_bytes(DATA)
    got = os.read(read_end, SIZE)
    patient = True
    with Reader(read_end) as reader:
        assert len(DATA) - done == output.send_bytes(DATA[done:])
        assert 4 == output.send_bytes(b"end\n")
        os.close(write_end)
        assert DATA + b"end\n" == got + reader.all()


def test_a_reader_that_goes_away(source: int, ends: ExitStack) -> None:
    """When the reader has gone, a send raises; what went before that is counted first."""
    read_end, write_end = os.pipe()
    ends.callback(os.close, write_end)

    def wait(_descriptor: int) -> bool:
        os.close(read_end)
        return True

    output = ends.enter_context(closing(Output(BOOT, wait, write_end)))
    capacity = pipe_capacity(write_end)
    assert capacity == output.send_bytes(DATA)
    with pytest.raises(BrokenPipeError):
        output.send_file(source, 10, SIZE)
    with pytest.raises(BrokenPipeError):
        output.send_bytes(DATA)


def test_a_fifo_gets_another_reader(source: int, tmp_path: Path, ends: ExitStack) -> None:
    """On a FIFO, a new reader gets what is sent after it came, from the byte on at which the send had stopped."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_end = os.open(path, os.O_WRONLY)
    output = ends.enter_context(closing(Output(BOOT, never, write_end)))
    done = output.send_bytes(DATA)
    got = os.read(first, SIZE)
    assert len(got) == done
    os.close(first)
    with pytest.raises(BrokenPipeError):
        output.send_bytes(DATA[done:])
    second = os.open(path, os.O_RDONLY)
    ends.callback(os.close, second)
    output = ends.enter_context(closing(Output(BOOT, writable, write_end)))
    with Reader(second) as reader:
        assert SIZE - done == output.send_file(source, 10 + done, SIZE - done)
        os.close(write_end)
        assert DATA == got + reader.all()


@pytest.mark.parametrize("flags", [os.O_TRUNC, os.O_APPEND])
def test_a_file(source: int, tmp_path: Path, flags: int) -> None:
    """A file gets everything, after what is in it when it is open for appending (splice(2) cannot do that)."""
    path = tmp_path / "out"
    path.write_bytes(b"before\n")
    descriptor = os.open(path, os.O_WRONLY | flags)
    output = Output(BOOT, writable, descriptor)
    send_all(output, source)
    assert (False, 0, 0) == (output.is_pipe, output.capacity_bytes, output.unread_bytes)
    os.close(descriptor)
    assert (b"before\n" if flags == os.O_APPEND else b"") + 2 * DATA == path.read_bytes()


def test_dev_null(source: int) -> None:
    """/dev/null takes everything."""
    with open(os.devnull, "wb") as null:
        send_all(Output(BOOT, writable, null.fileno()), source)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_terminal(source: int, ends: ExitStack, *, blocking: bool) -> None:
    """A terminal gets every byte, whether or not its description is non-blocking."""
    ours, theirs = pty.openpty()
    ends.callback(os.close, ours)
    tty.setraw(theirs)
    os.set_blocking(theirs, blocking)
    with Reader(ours) as reader:
        send_all(Output(BOOT, writable, theirs), source)
        os.close(theirs)
        assert 2 * DATA == reader.all()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_socket(source: int, *, blocking: bool) -> None:
    """A socket gets every byte, whether or not it is non-blocking."""
    ours, theirs = socket.socketpair()
    with ours:
        theirs.setblocking(blocking)
        with Reader(ours.fileno()) as reader:
            send_all(Output(BOOT, writable, theirs.fileno()), source)
            theirs.close()
            assert 2 * DATA == reader.all()


def test_a_source_that_is_too_short(tmp_path: Path, ends: ExitStack) -> None:
    """A segment that somebody cuts while it is sent is an error that says so; it is not waited for for ever."""
    (tmp_path / "source").write_bytes(b"short\n")
    read_end, write_end = pipe(ends, 4 * PAGE)
    ends.callback(os.close, write_end)
    with open(tmp_path / "source", "rb") as file, open(tmp_path / "out", "wb") as out:
        for descriptor in (write_end, out.fileno()):
            with pytest.raises(JournalError, match="became shorter"):
                ends.enter_context(closing(Output(BOOT, writable, descriptor))).send_file(file.fileno(), 0, 100)
    assert (b"short\n", b"short\n") == (os.read(read_end, 100), (tmp_path / "out").read_bytes())


def names(*descriptors: int, boot: str = BOOT) -> list[str]:
    """Return the names of outputs."""
    outputs = [Output(boot, writable, descriptor) for descriptor in descriptors]
    for output in outputs:
        output.close()
    return [output.name for output in outputs]


def test_a_name_tells_pipes_and_files_apart(tmp_path: Path, ends: ExitStack) -> None:
    """The same pipe or file has the same name however it was opened; any other one, or another boot, another name."""
    (_, first), (_, second) = pipe(ends), pipe(ends)
    copy = os.dup(first)
    files = [os.open(tmp_path / name, os.O_CREAT | os.O_WRONLY) for name in ("a", "b", "a")]
    for descriptor in (first, second, copy, *files):
        ends.callback(os.close, descriptor)
    a, b, a_again = names(*files)
    assert names(first) == names(copy)
    assert a == a_again
    assert 4 == len({*names(first, second), a, b})
    assert names(first) != names(first, boot="another boot")
    assert [True, True, False] == [name.startswith("pipe ") for name in (*names(first, second), a)]


def test_a_pipe_says_what_is_unread(ends: ExitStack) -> None:
    """What the reader has not taken, and how much that can be at most, is asked of the pipe itself."""
    read_end, write_end = pipe(ends, 2 * PAGE)
    ends.callback(os.close, write_end)
    output = ends.enter_context(closing(Output(BOOT, writable, write_end)))
    output.send_bytes(b"x" * 100)
    os.read(read_end, 30)
    assert (70, 2 * PAGE) == (output.unread_bytes, output.capacity_bytes)


def test_a_closed_stdout_is_an_error(ends: ExitStack) -> None:
    """A descriptor that is not open is said at once."""
    _, write_end = pipe(ends)
    os.close(write_end)
    with pytest.raises(OSError, match="Bad file descriptor"):
        Output(BOOT, writable, write_end)


def test_what_stalls_ends_when_told(ends: ExitStack) -> None:
    """A pipe, a socket or a terminal that nobody reads holds nothing up: a send asks before it waits."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    left, right = socket.socketpair()
    _, write_end = pipe(ends)
    for descriptor in (ours, theirs, write_end):
        ends.callback(os.close, descriptor)
    with left, right:
        for descriptor in (write_end, right.fileno(), theirs):
            with closing(Output(BOOT, never, descriptor)) as output:
                assert 0 < output.send_bytes(DATA) < SIZE
