from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from standpipe.capture import fifo
from standpipe.capture.fifo import (
    above_standard_streams,
    ensure_fifo,
    grow_pipe,
    is_same_pipe,
    open_fifo,
    pipe_capacity,
    pipe_fill,
    pipe_max_size,
    reopen_read_only,
)
from standpipe.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = 65534  # a user id without any rights here


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a path where nothing is."""
    return str(tmp_path / "pipe")


@pytest.fixture
def fd(path: str) -> Iterator[int]:
    """Return an open FIFO."""
    ensure_fifo(path)
    opened = open_fifo(path)
    yield opened
    os.close(opened)


def mode_of(path: str) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777])
@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_mode_is_exact(path: str, umask: int, mode: int) -> None:
    """A new FIFO has exactly the mode asked for, whatever the umask is."""
    before = os.umask(umask)
    try:
        ensure_fifo(path, mode)
    finally:
        os.umask(before)
    assert stat.S_ISFIFO(os.lstat(path).st_mode)
    assert mode == mode_of(path)


def test_default_mode(path: str) -> None:
    """Without a mode the FIFO is for its owner alone."""
    ensure_fifo(path)
    assert mode_of(path) == 0o600


def test_existing_fifo_is_left_alone(path: str) -> None:
    """A FIFO that exists keeps its inode and its mode, because Vault sets the mode itself."""
    os.mkfifo(path)
    os.chmod(path, 0o640)
    inode = os.stat(path).st_ino
    ensure_fifo(path, 0o600)
    assert (inode, 0o640) == (os.stat(path).st_ino, mode_of(path))


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (0o700, "executable"),
        (0o610, "executable"),
        (0o601, "executable"),
        (0o4600, "more than"),
        (0o1600, "more than"),
        (0o400, "owner"),
        (0o060, "owner"),
    ],
)
def test_useless_mode_is_refused(path: str, mode: int, why: str) -> None:
    """A mode that Vault would refuse, or that shuts us out, is a usage error, and nothing is made."""
    with pytest.raises(UsageError, match=why):
        ensure_fifo(path, mode)
    assert not os.path.lexists(path)


def make_file(path: str, kind: str) -> socket.socket | None:
    """Put something that is not a FIFO at a path."""
    if kind == "a regular file":
        with open(path, "w", encoding="utf-8") as file:
            file.write("records\n")
    elif kind == "a directory":
        os.mkdir(path)
    elif kind == "a symbolic link":
        os.mkfifo(path + ".target")
        os.symlink(path + ".target", path)
    elif kind == "a socket":
        made = socket.socket(socket.AF_UNIX)
        made.bind(path)
        return made
    return None


@pytest.mark.parametrize("kind", ["a regular file", "a directory", "a symbolic link", "a socket"])
def test_other_files_are_refused(path: str, kind: str) -> None:
    """Anything that is not a FIFO is refused by name, by both functions, and stays as it is."""
    made = make_file(path, kind)
    before = os.lstat(path)
    with pytest.raises(SourceError, match=f"pipe is {kind}, not a FIFO"):
        ensure_fifo(path)
    with pytest.raises(SourceError, match=f"pipe is {kind}, not a FIFO"):
        open_fifo(path)
    after = os.lstat(path)
    assert (before.st_ino, before.st_mode, before.st_size) == (after.st_ino, after.st_mode, after.st_size)
    if made:
        made.close()


def test_device_is_refused() -> None:
    """A device is refused without being opened."""
    with pytest.raises(SourceError, match="/dev/tty is a character device, not a FIFO"):
        open_fifo("/dev/tty")


def test_regular_file_is_explained(path: str) -> None:
    """The refusal of a regular file says how Vault made it and what to do."""
    make_file(path, "a regular file")
    with pytest.raises(
        SourceError, match=r"Vault makes one silently when it starts before the FIFO exists. Stop Vault"
    ):
        ensure_fifo(path)


def test_dangling_link_is_refused(path: str) -> None:
    """A link to nothing is refused, and its target is not made."""
    os.symlink(path + ".target", path)
    with pytest.raises(SourceError, match="symbolic link"):
        ensure_fifo(path)
    assert not os.path.lexists(path + ".target")


def test_missing_directory(path: str) -> None:
    """A directory that is not there is named, with what to do."""
    with pytest.raises(SourceError, match=r"cannot create the FIFO .*/no/pipe: No such file.* Create its directory"):
        ensure_fifo(os.path.join(os.path.dirname(path), "no", "pipe"))


def test_missing_fifo(path: str) -> None:
    """To open a FIFO that is not there is a source error, and makes nothing."""
    with pytest.raises(SourceError, match="No such file"):
        open_fifo(path)
    assert not os.path.lexists(path)


def test_permission_is_explained(path: str) -> None:
    """Another user's FIFO is a source error that tells both users, the mode and the remedies."""
    ensure_fifo(path)
    os.chmod(os.path.dirname(path), 0o755)  # noqa: S103 - a directory that others may look into
    code = (
        f"import os, sys; sys.path[:] = {sys.path!r}\n"
        "from standpipe.capture.fifo import open_fifo\n"
        "from standpipe.errors import SourceError\n"
        f"os.chdir({os.path.dirname(path)!r}); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "try:\n    open_fifo('pipe')\nexcept SourceError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "cannot open pipe: Permission denied. We are uid 65534, gid 65534" in done.stdout
    assert "it belongs to uid 0, gid 0 with mode 0600" in done.stdout
    assert "fs.protected_fifos" in done.stdout


def test_open_flags(fd: int) -> None:
    """The descriptor reads and writes, never blocks and is not inherited."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    assert os.O_RDWR == flags & os.O_ACCMODE
    assert flags & os.O_NONBLOCK
    assert not os.get_inheritable(fd)


def test_descriptor_above_the_standard_streams(path: str) -> None:
    """With stderr closed, the FIFO does not become descriptor 2, where messages would go into the audit log."""
    ensure_fifo(path)
    code = (
        f"import os, sys; sys.path[:] = {sys.path!r}\n"
        "from standpipe.capture.fifo import open_fifo\n"
        f"os.close(0); os.close(2); fd = open_fifo({path!r})\n"
        "print(fd > 2, os.get_inheritable(fd))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True False\n"


def test_ordinary_descriptor_is_not_moved(fd: int) -> None:
    """A descriptor above 2 stays what it is."""
    assert fd == above_standard_streams(fd)


def test_grow_to_the_maximum(fd: int) -> None:
    """A pipe grows to what the kernel allows, and the answer is its real capacity."""
    assert pipe_capacity(fd) == 65536
    assert pipe_max_size() == grow_pipe(fd)
    assert pipe_max_size() == pipe_capacity(fd)


def test_grow_never_shrinks(fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that is larger than the kernel's maximum, because a privileged process made it so, stays so."""
    maximum = tmp_path / "pipe-max-size"
    maximum.write_text("4096\n")
    monkeypatch.setattr(fifo, "PIPE_MAX_SIZE_FILE", str(maximum))
    assert grow_pipe(fd) == 65536


def test_maximum_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc/sys the kernel's own default is asked for."""
    monkeypatch.setattr(fifo, "PIPE_MAX_SIZE_FILE", str(tmp_path / "no"))
    assert pipe_max_size() == 1 << 20


def test_grow_at_the_users_limit(path: str) -> None:
    """Near the user's limit a pipe grows as far as it can, beyond it not at all, and the answer says so."""
    code = (
        f"import os, sys; sys.path[:] = {sys.path!r}\n"
        "import fcntl\n"
        "from standpipe.capture.fifo import grow_pipe, pipe_capacity, pipe_max_size\n"
        "os.setgid(64321); os.setuid(64321)\n"
        "limit = int(open('/proc/sys/fs/pipe-user-pages-soft').read()) * os.sysconf('SC_PAGE_SIZE')\n"
        "os.pipe()  # not grown, so the last megabyte is not to be had whole\n"
        "sizes = []\n"
        "while sum(sizes) <= limit + 2 * pipe_max_size():\n"
        "    fd = os.pipe()[0]\n"
        "    sizes.append(grow_pipe(fd))\n"
        "    assert sizes[-1] == pipe_capacity(fd)\n"
        "    if sizes[-1] < 16384: break\n"
        "print(sizes[0] == pipe_max_size(), pipe_max_size() // 2 in sizes, sizes[-1] < 65536)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True True True\n"


def test_fill(fd: int) -> None:
    """The fill is the number of bytes inside."""
    assert pipe_fill(fd) == 0
    os.write(fd, b"x" * 5000)
    assert pipe_fill(fd) == 5000
    os.read(fd, 1000)
    assert pipe_fill(fd) == 4000


def test_same_pipe(fd: int, path: str) -> None:
    """The path names the pipe until another one takes its place, and also through a link, as for Vault."""
    assert is_same_pipe(fd, path)
    os.rename(path, path + ".old")
    assert not is_same_pipe(fd, path)
    os.symlink(path + ".old", path)
    assert is_same_pipe(fd, path)
    os.unlink(path)
    os.mkfifo(path)
    assert not is_same_pipe(fd, path)


def test_reopen_read_only_keeps_the_bytes(path: str) -> None:
    """The bytes inside survive the exchange of the only descriptor, and the old descriptor is closed."""
    ensure_fifo(path)
    fd = open_fifo(path)
    os.write(fd, b"record\n")
    os.unlink(path)
    reader = reopen_read_only(fd)
    assert os.O_RDONLY == fcntl.fcntl(reader, fcntl.F_GETFL) & os.O_ACCMODE
    assert os.read(reader, 100) == b"record\n"
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_writer_does_not_wait(fd: int, path: str) -> None:
    """A writer's plain open returns at once while we have the FIFO, although nobody opened it to read."""
    signal.alarm(30)  # open(2) would wait for ever
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    finally:
        signal.alarm(0)
    with pytest.raises(BlockingIOError):
        os.read(fd, 1)  # and no end of file when it goes
