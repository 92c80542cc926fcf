"""Starting programs: our children, and COMMAND, which must inherit nothing of ours.

posix_spawn(3) is used instead of fork: it is quick and does not copy our memory. Every descriptor that Python opens is
close-on-exec, so a new program gets stdin, stdout and stderr and what is named here.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

import standpipe

STDIN, STDOUT, STDERR = 0, 1, 2
READY_DESCRIPTOR = 3  # the number under which a child sees its end of the ready pipe
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # a new program must get these with their default action

PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(standpipe.__file__)))
BARE_BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from standpipe.__main__ import run; run()"


def bare_python(arguments: Sequence[str]) -> list[str]:
    """Return the command line of one of our programs that needs only the standard library (-I -S: 5 MB less)."""
    return [sys.executable, "-I", "-S", "-c", BARE_BOOT, PACKAGE_PARENT, *arguments]


def full_python(arguments: Sequence[str]) -> list[str]:
    """Return the command line of one of our other programs (-P: never import from the working directory)."""
    return [sys.executable, "-P", "-m", "standpipe", *arguments]


def spawn_child(command: list[str], ready_end: int) -> int:
    """Start one of our children in a process group of its own, so that Ctrl-C does not reach it. Raises OSError."""
    return os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, ready_end, READY_DESCRIPTOR)],
        setpgroup=0,
        setsigdef=IGNORED_BY_PYTHON,
    )


def spawn_command(command: list[str], environment: Mapping[str, str]) -> int:
    """Start COMMAND with its stdout on our stderr: our stdout is for records. Raises OSError as execvp(3) does."""
    return os.posix_spawnp(
        command[0],
        command,
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, STDERR, STDOUT)],
        setpgroup=0,
        setsigdef=IGNORED_BY_PYTHON,
    )


def keep_descriptors_private() -> None:
    """Let no program of ours inherit what we were started with beyond stderr: an entrypoint's `exec 3<>pipe`, say.

    Vault would hand it on to its plugins, which could then read or forge records.
    """
    for name in os.listdir("/proc/self/fd"):
        if int(name) > STDERR:
            with suppress(OSError):  # the descriptor of the listing itself
                os.set_inheritable(int(name), False)  # noqa: FBT003 - its only parameter


def give_terminal(pid: int) -> None:
    """Let COMMAND be the terminal's foreground job in our place, so that it may read and gets Ctrl-C.

    Nothing happens where we are a background job, or where stdin is no terminal, or one that does not control us.
    """
    try:
        if os.tcgetpgrp(STDIN) != os.getpgrp():
            return
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # tcsetpgrp(3) stops a background process otherwise
        os.tcsetpgrp(STDIN, pid)  # COMMAND's process id is its group's
        os.killpg(pid, signal.SIGCONT)  # it may have read before this, and been stopped for it
    except OSError:
        return  # ENOTTY: see above; ESRCH, EPERM: COMMAND has ended, or its group is not ours to signal


def take_terminal_back(pid: int) -> None:
    """Be the foreground job again after COMMAND has ended, so that Ctrl-C can end a drain that stalls."""
    try:
        if os.tcgetpgrp(STDIN) == pid:
            os.tcsetpgrp(STDIN, os.getpgrp())
    except OSError:
        return  # ENOTTY: stdin is no terminal of ours
