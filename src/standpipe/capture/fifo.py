"""How a FIFO is made, opened and measured: the rules that relay, capture, hold and the supervisor share.

We open it O_RDWR, which Linux allows (fifo(7)): the writer's open then never waits for a reader, no end of file comes
when writers go, and the bytes inside live for as long as we do. Vault opens it O_WRONLY|O_APPEND|O_CREAT, so it makes a
regular file where there is none; therefore everything that is not a FIFO is refused, never repaired.
"""

from __future__ import annotations

import array
import fcntl
import os
import stat
import termios

from standpipe.errors import SourceError, UsageError

OPEN_FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
DEFAULT_MODE = 0o600  # Vault's own default for its audit file
EXECUTE_BITS = 0o111  # Vault from 1.20.1 on refuses an audit file that has any of them
OWNER_READ_WRITE = 0o600  # the least that our own O_RDWR needs
PERMISSION_BITS = 0o777
PIPE_MAX_SIZE_FILE = "/proc/sys/fs/pipe-max-size"  # bytes, the most an unprivileged process may ask for: pipe(7)
DEFAULT_PIPE_MAX_SIZE = 1 << 20  # bytes; the kernel's default, for where /proc/sys cannot be read
FIRST_ORDINARY_FD = 3  # below are stdin, stdout, stderr

KINDS = (
    (stat.S_ISREG, "a regular file"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISFIFO, "a FIFO"),
)
REMEDIES = {
    "a regular file": "Vault makes one silently when it starts before the FIFO exists. Stop Vault, move the file away"
    " (it may hold audit records), and start standpipe before Vault",
    "a symbolic link": "Name the FIFO itself: a link could be turned to another file between two opens",
}
OTHER_REMEDY = "Name a path that is free, or a FIFO"


def kind_of(mode: int) -> str:
    """Return what a file is, in words, from its ``st_mode``."""
    for test, words in KINDS:
        if test(mode):
            return words
    return "a file of an unknown kind"


def check_mode(mode: int) -> None:
    """Raise UsageError where a FIFO with this mode would be of no use to Vault or to us."""
    if mode & EXECUTE_BITS:
        raise UsageError(
            f"the FIFO's mode {mode:04o} has executable bits",
            f"Vault 1.20.1 and later refuse them; use {mode & ~EXECUTE_BITS:04o}",
        )
    if mode & ~PERMISSION_BITS:
        raise UsageError(
            f"the FIFO's mode {mode:04o} is more than read and write permissions", "Use a mode such as 0600 or 0660"
        )
    if mode & OWNER_READ_WRITE != OWNER_READ_WRITE:
        raise UsageError(
            f"the FIFO's mode {mode:04o} does not let its owner read and write",
            "standpipe itself opens it for both; use a mode such as 0600 or 0660",
        )


def _refuse_unless_fifo(path: str, status: os.stat_result) -> None:
    if not stat.S_ISFIFO(status.st_mode):
        kind = kind_of(status.st_mode)
        raise SourceError(f"{path} is {kind}, not a FIFO", REMEDIES.get(kind, OTHER_REMEDY))


def _unusable(path: str, doing: str, error: OSError) -> SourceError:
    """Turn an errno into a sentence with what to do about it."""
    if isinstance(error, FileNotFoundError):
        remedy = "Create its directory, or mount the volume, before standpipe starts"
    elif isinstance(error, PermissionError):
        remedy = (
            f"We are uid {os.geteuid()}, gid {os.getegid()}, and {_owner_text(path)}. Run Vault and standpipe as one"
            " user, or give the FIFO mode 0660 and a group that both have; where a sticky, world-writable directory"
            " such as /tmp is used, fs.protected_fifos forbids Vault a FIFO of another user, so use another directory"
        )
    else:
        remedy = "Use a directory on a local file system, an emptyDir for example"
    return SourceError(f"cannot {doing} {path}: {error.strerror}", remedy)


def _owner_text(path: str) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return "its directory is closed to us"
    return f"it belongs to uid {status.st_uid}, gid {status.st_gid} with mode {stat.S_IMODE(status.st_mode):04o}"


def ensure_fifo(path: str, mode: int = DEFAULT_MODE) -> None:
    """Create the FIFO with exactly this mode, whatever the umask is; leave one that exists as it is.

    Vault sets the mode of an existing one itself at each open. Raises UsageError for a mode that cannot work,
    SourceError where the path is something else or cannot be made.
    """
    check_mode(mode)
    try:
        os.mkfifo(path, mode)  # the umask can only take bits away, so nobody can get in before the chmod
    except FileExistsError:
        _refuse_unless_fifo(path, _look(path))
        return
    except OSError as error:
        raise _unusable(path, "create the FIFO", error) from error
    try:
        # O_PATH needs no permission on the file, so even umask 0777 cannot shut us out, and NOFOLLOW keeps the chmod on
        # the file that was looked at.
        fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _unusable(path, "open the new FIFO", error) from error
    try:
        _refuse_unless_fifo(path, os.fstat(fd))
        os.chmod(f"/proc/self/fd/{fd}", mode)
    except OSError as error:
        raise _unusable(path, "set the mode of", error) from error
    finally:
        os.close(fd)


def _look(path: str) -> os.stat_result:
    try:
        return os.lstat(path)
    except OSError as error:
        raise _unusable(path, "look at", error) from error


def open_fifo(path: str) -> int:
    """Open a FIFO O_RDWR|O_NONBLOCK and return its descriptor, never 0, 1 or 2; raise SourceError where it is none.

    The path is looked at before the open, because opening a device can do things, and after it, because it may have
    been replaced between the two.
    """
    _refuse_unless_fifo(path, _look(path))
    try:
        fd = os.open(path, OPEN_FLAGS)
    except OSError as error:
        raise _unusable(path, "open", error) from error
    fd = above_standard_streams(fd)
    try:
        _refuse_unless_fifo(path, os.fstat(fd))
    except SourceError:
        os.close(fd)
        raise
    return fd


def above_standard_streams(fd: int) -> int:
    """Move a descriptor above 2 if a closed stdin, stdout or stderr made room for it below.

    A FIFO that became descriptor 2 would carry our own messages to whoever reads the audit log.
    """
    if fd >= FIRST_ORDINARY_FD:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_ORDINARY_FD)
    os.close(fd)
    return moved


def reopen_read_only(fd: int) -> int:
    """Trade an O_RDWR descriptor of a FIFO for an O_RDONLY one, so that POLLHUP tells when its last writer has gone.

    The bytes inside stay: the new descriptor is opened before the old one is closed. Raises OSError, with ``fd``
    still open, where the permissions have changed since or /proc is not mounted.
    """
    reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.close(fd)
    return above_standard_streams(reader)


def pipe_capacity(fd: int) -> int:
    """Return a pipe's capacity in bytes. It is counted in page slots, and a small write takes a whole slot."""
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


def pipe_fill(fd: int) -> int:
    """Return how many bytes are in a pipe (FIONREAD).

    A pipe can be full well below its capacity: it is counted in pages, and a small write takes a whole one.
    """
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def pipe_max_size() -> int:
    """Return the largest capacity in bytes that an unprivileged process may ask for."""
    try:
        with open(PIPE_MAX_SIZE_FILE, "rb") as file:
            return int(file.read())
    except (OSError, ValueError):
        return DEFAULT_PIPE_MAX_SIZE


def grow_pipe(fd: int) -> int:
    """Make a pipe as large as we may, never smaller than it is; return its capacity in bytes.

    EPERM is met by asking for half: fs.pipe-user-pages-soft is counted for all processes of a user id, on all the node.
    """
    size = pipe_max_size()
    while size > pipe_capacity(fd):
        try:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size)
        except OSError:  # EPERM: over a limit; ENOMEM: so many slots at once were not to be had
            size //= 2
    return pipe_capacity(fd)


def is_same_pipe(fd: int, path: str) -> bool:
    """Tell whether a path still leads to this FIFO, that is, whether Vault's next open would find it."""
    try:
        status = os.stat(path)  # follows links, as Vault's open does
    except OSError:
        return False
    mine = os.fstat(fd)
    return (status.st_dev, status.st_ino) == (mine.st_dev, mine.st_ino)
