"""What every child of the supervisor does first: die with it, and tell when it is ready."""

import ctypes
import os
import signal

from standpipe.errors import StandpipeError

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def prctl(option: int, argument: int) -> None:
    """Set an option of this process with the system call of this name. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGKILL when the supervisor dies; raise if it has died already.

    PR_SET_PDEATHSIG is cleared by execve of a privileged program only, so the child sets it itself, and a
    parent that died before the call is seen by getppid(2).
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        raise StandpipeError(f"the supervisor (process {parent_pid}) is gone", "Start `standpipe run` again")


def tell_ready(ready_fd: int) -> None:
    """Write one newline to the descriptor that the supervisor waits on, and close it."""
    os.write(ready_fd, b"\n")
    os.close(ready_fd)
