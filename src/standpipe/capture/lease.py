"""The proof that nobody has a file open for writing, in whatever PID namespace: a read lease, taken and given back.

fcntl(2), F_SETLEASE: a read lease can be placed only while no process has the file open for writing; EAGAIN says that
one has. It needs the file's owner, or CAP_LEASE. Who opens the file for writing in the moment in which we hold the
lease waits for that moment, and we get a SIGIO, whose default would end us.
"""

from __future__ import annotations

import errno
import fcntl
import signal

from standpipe.vault.process import holders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.capture.regular_file import OpenFile


def nobody_writes(descriptor: int) -> bool | None:
    """Tell whether no process has the file open for writing; None where the file system or our uid cannot tell.

    descriptor: open for reading only, and no other one of this process may be open for writing.
    """
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return False if error.errno == errno.EAGAIN else None
    finally:
        signal.signal(signal.SIGIO, before)  # what we start would inherit that it is ignored
    return True


def is_unused(file: OpenFile) -> bool | None:
    """Tell whether nobody has a file open for writing; None where neither the lease nor /proc can tell."""
    free = nobody_writes(file.descriptor)
    if free is not None:
        return free
    found = holders(file.device, file.inode)
    if found.writers:
        return False
    return None  # a process in another PID namespace is not in our /proc
