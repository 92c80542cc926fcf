from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import select
import signal
import socket
import stat
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.fifo import open_fifo, pipe_fill
from tests.processes.front_door import FrontDoor, wait_until
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MIB = 1 << 20
KILLS = scale(10, 200)
READ_SIZE = 1 << 20


def numbered(count: int, size: int = 100) -> bytes:
    """Return so many records that differ; all but the number is filling."""
    return b"".join(b'{"n":%d,"filling":"%s"}\n' % (n, b"x" * size) for n in range(count))


class Feeder(threading.Thread):
    """Writes into a FIFO from a thread of its own, because a full FIFO makes a writer wait."""

    def __init__(self, path: str, *parts: bytes) -> None:
        super().__init__(daemon=True)  # or a test that failed would wait for ever for one that waits for a reader
        self._path = path
        self._parts = parts

    def run(self) -> None:
        """Open the FIFO anew for each part, write it and close."""
        for part in self._parts:
            with open(self._path, "wb", buffering=0) as fifo:
                rest = memoryview(part)
                while rest:
                    rest = rest[fifo.write(rest) :]


class Pipe:
    """stdout for a relay, and its other end."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def read(self, size: int) -> bytes:
        """Read exactly so many bytes."""
        parts = []
        while size:
            parts.append(os.read(self.reader, min(size, READ_SIZE)))
            assert parts[-1], "stdout was closed too early"
            size -= len(parts[-1])
        return b"".join(parts)

    def read_all(self) -> bytes:
        """Read to the end; our own writing end is closed for that."""
        self.close_writer()
        parts = []
        while part := os.read(self.reader, READ_SIZE):
            parts.append(part)
        return b"".join(parts)

    def close_writer(self) -> None:
        """Close our copy of the end that the relay writes to."""
        if self.writer >= 0:
            os.close(self.writer)
        self.writer = -1

    def close_reader(self) -> None:
        """Be the reader that goes away."""
        if self.reader >= 0:
            os.close(self.reader)
        self.reader = -1


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a path where nothing is."""
    return str(tmp_path / "pipe")


@pytest.fixture
def out() -> Iterator[Pipe]:
    """Return a pipe for stdout."""
    made = Pipe()
    yield made
    made.close_reader()
    made.close_writer()


@pytest.fixture
def relay(tmp_path: Path, path: str) -> Iterator[Callable[..., FrontDoor]]:
    """Return a function that starts a relay of ``path`` and waits until it runs."""
    started: list[FrontDoor] = []

    def start(stdout: int, *options: str, before: tuple[str, ...] = ()) -> FrontDoor:
        started.append(FrontDoor(tmp_path, "relay", path, *options, stdout=stdout, before=before))
        started[-1].wait_for("relaying")
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def holder(path: str, relay: Callable[..., FrontDoor]) -> Iterator[int]:
    """Return a descriptor of the FIFO that outlives every relay."""
    os.mkfifo(path)
    fd = open_fifo(path)
    yield fd
    os.close(fd)


def fill(fd: int, stdout: int) -> bytes:
    """Write numbered records until stdout and the FIFO are full, so that nothing moves; return all that went in."""
    content = bytearray()
    number = 0

    def try_to_write() -> bool:
        nonlocal number
        before = number
        with contextlib.suppress(BlockingIOError):
            while True:
                record = b"%08d\n" % number
                os.write(fd, record)  # below PIPE_BUF: all or nothing
                content.extend(record)
                number += 1
        return number == before and is_full(fd) and is_full(stdout)

    wait_until(try_to_write, "the FIFO is full")
    return bytes(content)


def is_full(fd: int) -> bool:
    """Tell whether a pipe or socket takes nothing now."""
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    return not poller.poll(0)


# ---- bytes


@pytest.mark.parametrize("size", [1, 2, 4095, 4096, 4097, 65536, MIB, 5 * MIB + 1, 64 * MIB])
def test_record_of_any_size(relay: Callable[..., FrontDoor], path: str, out: Pipe, size: int) -> None:
    """A record from 1 byte to 64 MiB comes out as it went in, with one before and one after it."""
    relay(out.writer)
    content = b"before\n" + os.urandom(MIB) * (size // MIB) + os.urandom(size % MIB) + b"after\n"
    feeder = Feeder(path, content)
    feeder.start()
    got = out.read(len(content))
    feeder.join()
    assert hashlib.sha256(content).digest() == hashlib.sha256(got).digest()


def test_many_records_from_many_opens(relay: Callable[..., FrontDoor], path: str, out: Pipe) -> None:
    """Writers come and go, and no end of file is ever seen."""
    process = relay(out.writer)
    assert process.said("relaying")[0]["way"] == "splice"
    parts = [numbered(count) for count in (1, 2, 1, 700, 3, 5000, 1)]
    feeder = Feeder(path, *parts)
    feeder.start()
    expected = b"".join(parts)
    assert expected == out.read(len(expected))
    feeder.join()
    assert process.process.poll() is None


def test_small_stdout(relay: Callable[..., FrontDoor], path: str, out: Pipe) -> None:
    """Into a stdout of a single page every move is short, and still nothing is lost or repeated."""
    fcntl.fcntl(out.writer, fcntl.F_SETPIPE_SZ, 4096)
    relay(out.writer)
    content = numbered(20000)
    feeder = Feeder(path, content)
    feeder.start()
    assert content == out.read(len(content))
    feeder.join()


@pytest.mark.parametrize("flag", [0, os.O_NONBLOCK])
def test_flags_of_stdout_are_left_alone(relay: Callable[..., FrontDoor], path: str, out: Pipe, flag: int) -> None:
    """O_NONBLOCK or not, stdout works and stays so, for others share the description."""
    before = fcntl.fcntl(out.writer, fcntl.F_GETFL) | flag
    fcntl.fcntl(out.writer, fcntl.F_SETFL, before)
    relay(out.writer)
    content = numbered(20000)
    feeder = Feeder(path, content)
    feeder.start()
    assert content == out.read(len(content))
    feeder.join()
    assert before == fcntl.fcntl(out.writer, fcntl.F_GETFL)


@pytest.mark.parametrize("refusal", ["EINVAL", "ENOSYS", "EPERM"])
def test_splice_refused(relay: Callable[..., FrontDoor], path: str, out: Pipe, refusal: str) -> None:
    """Where a sandbox refuses splice, the relay says so and copies."""
    tracer = ("strace", "-f", "-o", os.devnull, "-e", "trace=splice", "-e", f"inject=splice:error={refusal}")
    process = relay(out.writer, before=tracer)
    content = numbered(20000)
    feeder = Feeder(path, content)
    feeder.start()
    assert content == out.read(len(content))
    feeder.join()
    assert len(process.said("splice is refused")) == 1
    (child,) = process.children()
    os.kill(child, signal.SIGTERM)
    assert process.status() == 0


# ---- other kinds of stdout


@pytest.mark.parametrize("flag", [0, os.O_APPEND])
def test_file_as_stdout(relay: Callable[..., FrontDoor], path: str, tmp_path: Path, flag: int) -> None:
    """A file, opened for appending or not, gets the exact bytes behind what it had."""
    target = tmp_path / "out"
    target.write_bytes(b"first\n")
    fd = os.open(target, os.O_WRONLY | flag)
    os.lseek(fd, 0, os.SEEK_END)
    process = relay(fd)
    os.close(fd)
    assert process.said("relaying")[0]["way"] == "copy"  # splice would hold the FIFO's lock while the disk works
    content = numbered(30000)
    feeder = Feeder(path, content)
    feeder.start()
    feeder.join()
    process.signal()
    assert process.status() == 0
    assert b"first\n" + content == target.read_bytes()


@pytest.mark.parametrize("blocking", [True, False])
def test_socket_as_stdout(relay: Callable[..., FrontDoor], path: str, blocking: bool) -> None:  # noqa: FBT001
    """A stream socket gets the exact bytes, whether it blocks or not."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(blocking)
        process = relay(theirs.fileno())
        theirs.close()
        content = numbered(30000)
        feeder = Feeder(path, content)
        feeder.start()
        got = bytearray()
        while len(got) < len(content):
            got += ours.recv(READ_SIZE)
        feeder.join()
        assert content == bytes(got)
        ours.close()
        assert process.status() == 2
    assert process.said("cannot write to stdout: its reader has gone")


def test_full_disk_as_stdout(relay: Callable[..., FrontDoor], path: str) -> None:
    """A stdout that takes nothing ends the relay with a message and the count of what is left."""
    fd = os.open("/dev/full", os.O_WRONLY)
    process = relay(fd)
    os.close(fd)
    feeder = Feeder(path, b"record\n")
    feeder.start()
    assert process.status() == 2
    feeder.join()
    assert process.said("cannot write to stdout: No space left on device (0 bytes were moved, 7 are left)")


def test_terminal_as_stdout(relay: Callable[..., FrontDoor], path: str) -> None:
    """A terminal gets every record, with its own line ends."""
    ours, theirs = os.openpty()
    try:
        relay(theirs)
        content = numbered(500)
        feeder = Feeder(path, content)
        feeder.start()
        expected = content.replace(b"\n", b"\r\n")
        got = b""
        while len(got) < len(expected):
            got += os.read(ours, READ_SIZE)
        feeder.join()
        assert expected == got
    finally:
        os.close(ours)
        os.close(theirs)


# ---- stdout stalls or goes away


def test_stall_and_resume(relay: Callable[..., FrontDoor], holder: int, out: Pipe) -> None:
    """While stdout stalls the FIFO fills to its maximum, and everything comes when stdout is read again."""
    process = relay(out.writer)
    content = fill(holder, out.writer)
    assert pipe_fill(holder) > MIB // 2
    assert process.process.poll() is None
    assert content == out.read(len(content))


def test_reader_gone_while_idle(relay: Callable[..., FrontDoor], out: Pipe) -> None:
    """A reader of stdout that goes is noticed although no record comes."""
    process = relay(out.writer)
    out.close_reader()
    assert process.status() == 2
    assert process.said("cannot write to stdout: its reader has gone (0 bytes were moved, 0 are left)")


def test_reader_gone_while_stalled(relay: Callable[..., FrontDoor], holder: int, out: Pipe) -> None:
    """A reader that goes while stdout is full ends the relay; what it had not moved is still in the FIFO."""
    process = relay(out.writer)
    content = fill(holder, out.writer)
    left = pipe_fill(holder)
    out.close_reader()
    assert process.status() == 2
    assert left == pipe_fill(holder)
    assert content[-left:] == os.read(holder, 2 * MIB)
    assert process.said(
        f"cannot write to stdout: its reader has gone ({len(content) - left} bytes were moved, {left} are"
    )


def test_closed_stdout(tmp_path: Path, path: str) -> None:
    """Without a stdout the relay does not start, and makes no FIFO."""
    process = FrontDoor(tmp_path, "relay", path, before=("sh", "-c", 'exec "$@" >&-', "sh"))
    assert process.status() == 2
    assert process.said("stdout is closed")
    assert not os.path.lexists(path)


def test_fifo_as_stdout(tmp_path: Path, path: str, holder: int) -> None:
    """The FIFO itself as stdout is refused: its bytes would go round."""
    process = FrontDoor(tmp_path, "relay", path, stdout=holder)
    assert process.status() == 64
    assert process.said(f"stdout is {path} itself")


# ---- signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_while_idle(relay: Callable[..., FrontDoor], out: Pipe, number: int) -> None:
    """SIGTERM and SIGINT end an idle relay with 0."""
    process = relay(out.writer)
    process.signal(number)
    assert process.status() == 0
    assert out.read_all() == b""


def test_signal_drains(relay: Callable[..., FrontDoor], holder: int, out: Pipe) -> None:
    """After SIGTERM what the FIFO holds is still moved, however long stdout stalls, and then the relay ends with 0."""
    process = relay(out.writer)
    content = fill(holder, out.writer)
    process.signal()
    message = process.wait_for("stopping, draining the FIFO")
    assert message["left_bytes"] == pipe_fill(holder)
    assert content == out.read(len(content))
    assert process.status() == 0
    assert (len(content), 0) == (process.wait_for("stopped")["moved_bytes"], pipe_fill(holder))


def test_signal_drains_a_record_under_way(relay: Callable[..., FrontDoor], path: str, out: Pipe) -> None:
    """A writer that waits in the middle of a record larger than the pipe gets it all out after SIGTERM."""
    process = relay(out.writer)
    content = os.urandom(8 * MIB)
    feeder = Feeder(path, content)
    feeder.start()
    got = out.read(1)
    process.signal()
    process.wait_for("stopping, draining the FIFO")
    got += out.read(len(content) - 1)
    assert content == got
    feeder.join()
    assert process.status() == 0


def test_signal_with_a_writer_that_never_stops(relay: Callable[..., FrontDoor], path: str, out: Pipe) -> None:
    """Somebody who writes on and on cannot keep the relay from ending."""
    fcntl.fcntl(out.writer, fcntl.F_SETPIPE_SZ, 4096)
    process = relay(out.writer)
    out.close_writer()
    with open(path, "wb") as fifo:
        writer = subprocess.Popen(["yes"], stdout=fifo)
    # A reader this slow keeps the FIFO full, so that no pause of the writer's can pass for its end.
    reader = subprocess.Popen(["dd", "bs=4", "status=none"], stdin=out.reader, stdout=subprocess.DEVNULL)
    try:
        process.signal()
        assert process.status() == 0
    finally:
        for other in (writer, reader):
            other.kill()
            other.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_while_stalled(relay: Callable[..., FrontDoor], holder: int, out: Pipe, number: int) -> None:
    """A second signal ends a stalled relay at once with 128+n, and no byte is lost while somebody holds the FIFO."""
    process = relay(out.writer)
    content = fill(holder, out.writer)
    process.signal()
    process.wait_for("stopping, draining the FIFO")
    process.signal(number)
    assert process.status() == 128 + number
    left = os.read(holder, 2 * MIB)
    assert content == out.read_all() + left


def test_second_signal_in_a_blocking_write(relay: Callable[..., FrontDoor], holder: int) -> None:
    """A second signal also ends a relay that hangs in a write to a terminal that nobody reads."""
    ours, theirs = os.openpty()
    try:
        process = relay(theirs)
        fill(holder, theirs)
        wait_until(lambda: "poll" not in waits_in(process.pid), "it hangs in the write itself")

        def has_ended() -> bool:
            process.signal()  # two that come at once count as one, so more than two may be needed
            return process.process.poll() is not None

        wait_until(has_ended, "it ends")
        assert process.status() == 128 + signal.SIGTERM
    finally:
        os.close(ours)
        os.close(theirs)


def waits_in(pid: int) -> str:
    """Return the name of the kernel function that a process sleeps in."""
    with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
        return file.read()


def test_killed_again_and_again(relay: Callable[..., FrontDoor], holder: int, path: str, out: Pipe) -> None:
    """SIGKILL at any moment, beside a holder, neither loses nor repeats a byte."""
    content = numbered(KILLS * 5000)
    feeder = Feeder(path, content)
    feeder.start()
    got = bytearray()
    for _ in range(KILLS):
        process = relay(out.writer)
        got += out.read(len(content) // (2 * KILLS))
        process.kill()
    relay(out.writer)
    got += out.read(len(content) - len(got))
    feeder.join()
    assert content == bytes(got)


# ---- the path


@pytest.mark.parametrize(("options", "mode"), [((), 0o600), (("--mode", "0660"), 0o660), (("--mode=666",), 0o666)])
def test_mode_of_a_new_fifo(
    relay: Callable[..., FrontDoor], path: str, out: Pipe, options: tuple[str, ...], mode: int
) -> None:
    """A missing FIFO is made with the mode asked for, in spite of the umask."""
    before = os.umask(0o027)
    try:
        relay(out.writer, *options)
    finally:
        os.umask(before)
    status = os.lstat(path)
    assert stat.S_ISFIFO(status.st_mode)
    assert mode == stat.S_IMODE(status.st_mode)


def test_executable_mode_is_refused(tmp_path: Path, path: str) -> None:
    """A mode with executable bits is a usage error, and nothing is made."""
    process = FrontDoor(tmp_path, "relay", path, "--mode", "0700")
    assert process.status() == 64
    assert process.said("the FIFO's mode 0700 has executable bits. Vault 1.20.1 and later refuse them; use 0600")
    assert not os.path.lexists(path)


def test_regular_file_is_refused(tmp_path: Path, path: str) -> None:
    """A regular file at the path is refused in one line and left alone."""
    with open(path, "wb") as file:
        file.write(b"records\n")
    process = FrontDoor(tmp_path, "relay", path)
    assert process.status() == 2
    (message,) = process.messages()
    assert str(message["message"]).startswith(f"{path} is a regular file, not a FIFO. Vault makes one silently")
    with open(path, "rb") as file:
        assert file.read() == b"records\n"


def test_replaced_fifo(relay: Callable[..., FrontDoor], path: str, out: Pipe) -> None:
    """When another FIFO takes the path, both are read until the old one's writer has gone; the old one comes first."""
    process = relay(out.writer)
    old = os.open(path, os.O_WRONLY)
    os.mkfifo(path + ".new")
    os.rename(path + ".new", path)
    process.wait_for("another FIFO took the path")
    os.write(old, b"old 1\n")
    assert out.read(6) == b"old 1\n"
    new = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # ENXIO, if nobody read it
    os.write(new, b"new 1\n")
    assert out.read(6) == b"new 1\n"
    os.write(old, b"old 2\n")
    assert out.read(6) == b"old 2\n"
    os.close(old)
    wait_until(lambda: f"{path} (deleted)" not in process.open_files(), "the old FIFO is closed")
    os.write(new, b"new 2\n")
    assert out.read(6) == b"new 2\n"
    os.close(new)
    assert len(process.said("another FIFO took the path")) == 1
    process.signal()
    assert process.status() == 0


def test_path_that_went_wrong_is_told_once(relay: Callable[..., FrontDoor], path: str, out: Pipe) -> None:
    """A removed path, and a regular file in its place, are told once each; the old FIFO is still read."""
    process = relay(out.writer)
    fifo = os.open(path, os.O_WRONLY)
    os.unlink(path)
    words = "the path is no longer our FIFO"
    assert "No such file" in str(process.wait_for(words)["reason"])
    with open(path, "wb"):
        pass
    assert "is a regular file" in str(process.wait_for(words, count=2)["reason"])
    os.write(fifo, b"still read\n")
    assert out.read(11) == b"still read\n"
    os.close(fifo)
    os.unlink(path)
    os.mkfifo(path)
    process.wait_for("another FIFO took the path")
    assert len(process.said(words)) == 2


def test_messages_do_not_reach_stdout(tmp_path: Path, path: str, out: Pipe) -> None:
    """With stderr closed too, stdout carries the records alone."""
    closing = ("sh", "-c", 'exec "$@" 0<&- 2>&-', "sh")
    process = FrontDoor(tmp_path, "relay", path, stdout=out.writer, before=closing)
    try:
        wait_until(lambda: os.path.lexists(path) and can_open(path), "the FIFO is open")
        feeder = Feeder(path, b"record\n")
        feeder.start()
        feeder.join()
        process.signal()
        assert process.status() == 0
        assert out.read_all() == b"record\n"
    finally:
        process.kill()


def can_open(path: str) -> bool:
    """Tell whether a FIFO has a reader."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:  # ENXIO
        return False
    return True
