"""One process a role: flock(2) on ``lock.<role>``, with the holder's process id inside for people.

The kernel drops the lock when the holder dies, however it dies, so a stale lock cannot exist. A holder that is
stuck in the kernel after SIGKILL still has it, and rightly so: it may still write.
"""

import errno
import fcntl
import os
import time

from standpipe.errors import JournalError, LockHeldError
from standpipe.journal.layout import FILE_MODE

RETRY_SECONDS = 0.02  # a predecessor that was killed drops its lock within a few of these
PROBE_GRACE_SECONDS = 0.2  # status and a dying predecessor hold a lock for microseconds; a person does not notice this
PID_WIDTH = 10  # digits; pid_max is at most 2^22 (proc(5))


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise JournalError(
            f"cannot open the lock {path}: {error.strerror}",
            "Check that the journal's directory exists and belongs to this user",
        ) from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def acquire(path: str, role: str, wait_seconds: float = 0.0) -> int:
    """Take a role's lock and return the descriptor that holds it; it is held until closed or until we die.

    Waits up to wait_seconds for a predecessor. Raises LockHeldError where another process keeps it, JournalError
    where the file cannot be opened.
    """
    descriptor = _open(path)
    deadline = time.monotonic() + max(wait_seconds, PROBE_GRACE_SECONDS)
    while not _try_lock(descriptor):
        if time.monotonic() >= deadline:
            pid = _read_pid(descriptor)
            os.close(descriptor)
            raise LockHeldError(
                f"another standpipe {role} (process {pid or 'unknown'}) works on this journal: it holds {path}",
                "Only one of each role may run on a journal; stop the other one, or name another journal",
            )
        time.sleep(RETRY_SECONDS)
    os.pwrite(descriptor, f"{os.getpid():<{PID_WIDTH}}\n".encode(), 0)  # one write, one width: never a mix of two ids
    return descriptor


def _read_pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None


def holder(path: str) -> int | None:
    """Return the process id of a role's live holder, or None where nobody holds the lock. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_pid(descriptor) or 0
        return None
    finally:
        os.close(descriptor)
