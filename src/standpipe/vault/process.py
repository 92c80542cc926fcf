"""Which process is Vault's server, who has a file open, and how SIGHUP reaches Vault without harm.

Everything is read from /proc (proc_pid_cmdline(5), proc_pid_fd(5), proc_pid_fdinfo(5), proc_pid_stat(5)): it shows the
processes of our own PID namespace, so beside Vault in a pod it needs `shareProcessNamespace`. Probes such as
`vault status` run every few seconds in Vault's container, so a server is told by its sub-command, never by its name.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import time

from standpipe.errors import SourceError

PROGRAMS = ("vault", "bao", "openbao")
SUB_COMMAND = "server"
PID_FILE_BYTES_MAX = 64  # a process id has at most 7 digits; Vault writes no newline, others do
CMDLINE_BYTES_MAX = 64 << 10  # the sub-command stands near the front; argv may have megabytes
PROC_FILE_BYTES = 4096  # stat, status and fdinfo are shorter
WRITING = (os.O_WRONLY, os.O_RDWR)
PF_KTHREAD = 0x00200000  # linux/sched.h, in the field `flags` of /proc/<pid>/stat
# A process is older than its own pid file. Both ages come from different clocks and with different grain.
AGE_TOLERANCE_SECONDS = 2.0
GONE = (errno.ENOENT, errno.ESRCH)  # what /proc says of a process or a descriptor that has just ended

NAME_IT = "Name the process with --signal-pid or --pid-file"


class Holders:
    """Who else has an inode open, as far as we can see."""

    __slots__ = ("complete", "readers", "writers")

    def __init__(self, writers: list[int], readers: list[int], *, complete: bool) -> None:
        """Keep process ids: one for each descriptor open for writing, and those that only read, once each."""
        self.writers = writers
        self.readers = readers
        self.complete = complete


class _State:
    """What /proc/<pid>/stat tells of a process."""

    __slots__ = ("ended", "kernel_thread", "parent", "start_ticks")

    def __init__(self, text: bytes) -> None:
        fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold blanks and brackets
        self.ended = fields[0] in (b"Z", b"X")
        self.parent = int(fields[1])
        self.kernel_thread = bool(int(fields[6]) & PF_KTHREAD)
        self.start_ticks = int(fields[19])  # since the boot


def _read(path: str, size: int = PROC_FILE_BYTES) -> bytes | None:
    """Return the first bytes of a file of /proc; None where the process has gone or is hidden from us."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, size)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _state(pid: int) -> _State | None:
    text = _read(f"/proc/{pid}/stat")
    return _State(text) if text else None


def _pids() -> list[int]:
    """Return all process ids that we can see, but our own."""
    own = os.getpid()
    return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal() and int(name) != own)


def _access(pid: int, name: str) -> int | None:
    """Return O_RDONLY, O_WRONLY or O_RDWR of a descriptor; None for O_PATH, which can do neither, and for a closed one.

    Raises PermissionError where we may not look.
    """
    try:
        with open(f"/proc/{pid}/fdinfo/{name}", "rb", buffering=0) as file:
            lines = file.read(PROC_FILE_BYTES).splitlines()
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    flags = next((int(line.split()[1], 8) for line in lines if line.startswith(b"flags:")), os.O_PATH)
    return None if flags & os.O_PATH else flags & os.O_ACCMODE


def _descriptors(pid: int) -> tuple[dict[str, os.stat_result], bool]:
    """Return the status of each file that a process has open, by the descriptor's number, and whether that is all."""
    directory = f"/proc/{pid}/fd"
    found: dict[str, os.stat_result] = {}
    try:
        names = os.listdir(directory)
    except OSError as error:
        state = _state(pid)
        return found, error.errno in GONE or state is None or state.ended or state.kernel_thread
    complete = True
    for name in names:
        try:
            found[name] = os.stat(f"{directory}/{name}")
        except OSError as error:
            complete = complete and error.errno in GONE
    return found, complete


def holders(device: int, inode: int) -> Holders:
    """Look in /proc for everybody else who has an inode (st_dev, st_ino) open.

    `complete` is False where a process did not let us look, or /proc hides processes (hidepid, proc(5)). Processes of
    other PID namespaces are never seen: that Vault is not among those we see is for the caller to know. Nothing is
    opened. Raises OSError where /proc is not mounted.

    OpenBao 2.7 opens the file twice at its start and drops the first descriptor when its garbage is collected, so two
    descriptors of one process are not yet two audit devices.
    """
    writers: list[int] = []
    readers: list[int] = []
    pids = _pids()
    complete = os.path.exists("/proc/1")  # every namespace has a process 1
    for pid in pids:
        found, all_seen = _descriptors(pid)
        names = [name for name, status in found.items() if (status.st_dev, status.st_ino) == (device, inode)]
        try:
            ways = [_access(pid, name) for name in names]
        except OSError:
            ways, all_seen = [], False
        complete = complete and all_seen
        writing = [pid for way in ways if way in WRITING]
        writers += writing
        if not writing and os.O_RDONLY in ways:
            readers.append(pid)
    return Holders(writers, readers, complete=complete)


def is_server(words: list[str]) -> bool:
    """Tell from its argv whether a process is a server of Vault or OpenBao, not one of their many other commands."""
    if not words or os.path.basename(words[0]) not in PROGRAMS:
        return False
    return next((word for word in words[1:] if not word.startswith("-")), "") == SUB_COMMAND


def _argv(pid: int) -> list[str]:
    return os.fsdecode(_read(f"/proc/{pid}/cmdline", CMDLINE_BYTES_MAX) or b"").split("\0")


def find_servers() -> list[int]:
    """Return the processes, our own left out, that run `vault server`, `bao server` or `openbao server`.

    A shell or an init program with these words further on is none, and neither is a zombie.
    """
    return [pid for pid in _pids() if is_server(_argv(pid))]


def read_pid_file(path: str) -> int:
    """Return the process id that a pid file holds, when that process lives and can have written it.

    Process ids are given out again, in a container soon, and SIGHUP kills most programs. So a process that is no
    server by its argv must have been there before the file was written. Raises SourceError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            text = os.read(descriptor, PID_FILE_BYTES_MAX + 1)
            written_seconds = os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SourceError(
            f"cannot read the pid file {path}: {error.strerror}",
            "Vault writes it when its config has pid_file; mount the directory here, and let us read it",
        ) from error
    digits = text.strip()
    if len(text) > PID_FILE_BYTES_MAX or not digits.isdigit() or int(digits) == 0:
        raise SourceError(
            f"the pid file {path} does not hold a process id", "Set pid_file in Vault's config, and name that file"
        )
    pid = int(digits)
    state = _state(pid)
    if state is None or state.ended:
        raise SourceError(
            f"the pid file {path} names process {pid}, which does not run (or not where we can see it)",
            "Start Vault, or share its PID namespace (shareProcessNamespace in a pod)",
        )
    age_seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - state.start_ticks / os.sysconf("SC_CLK_TCK")
    if age_seconds + AGE_TOLERANCE_SECONDS < time.time() - written_seconds and not is_server(_argv(pid)):
        raise SourceError(
            f"the pid file {path} is older than process {pid}, which it names: the id was given out again",
            "Start Vault so that it writes the file anew, or use --signal-pid",
        )
    return pid


def waits_for_fifo(pid: int) -> str | None:
    """Return the path of a full FIFO that a process has open for writing; None where there is none, or we may not look.

    A write into it waits and keeps the lock that Vault's reload needs: SIGHUP would hang Vault's main loop, which then
    does not see SIGTERM either.
    """
    found, _ = _descriptors(pid)
    for name, status in found.items():
        if stat.S_ISFIFO(status.st_mode):
            link = f"/proc/{pid}/fd/{name}"
            try:
                path = os.readlink(link)
                if path.startswith("/") and _access(pid, name) in WRITING and _is_full(link):
                    return path
            except OSError:  # closed just now, or closed to us
                continue
    return None


def _is_full(path: str) -> bool:
    """Tell whether a pipe has no free slot, which is what a writer waits for. Raises OSError.

    ENXIO, nobody has it open for reading: a write fails at once then instead of waiting.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        return not poll.poll(0)
    finally:
        os.close(descriptor)


def catches_hangup(pid: int) -> bool:
    """Tell whether a process has a handler for SIGHUP; without one the signal would end it, or do nothing.

    True where /proc/<pid>/status does not say.
    """
    for line in (_read(f"/proc/{pid}/status") or b"").splitlines():
        if line.startswith(b"SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGHUP - 1) & 1)
    return True


def _children(pid: int) -> list[int]:
    """Return a process's children: where it is the supervisor of `run`, it passes the signal on to one of them."""
    states = {other: _state(other) for other in _pids()}
    return [other for other, state in states.items() if state is not None and state.parent == pid]


def _why_blocked(pid: int) -> str:
    """Return "" unless a process, or one to which it passes the signal on, waits for the reader of a full FIFO."""
    for process in (pid, *_children(pid)):
        fifo = waits_for_fifo(process)
        if fifo is not None:
            return f"process {process} waits for the reader of the FIFO {fifo}, which is full: SIGHUP would hang it"
    return ""


class Reloader:
    """How SIGHUP reaches Vault: a process that was named, a pid file, or the one server that /proc shows."""

    __slots__ = ("pid_file", "signal_pid")

    def __init__(self, signal_pid: int | None, pid_file: str | None) -> None:
        self.signal_pid = signal_pid
        self.pid_file = pid_file

    def target(self) -> int:
        """Return the process id that gets the signal. Raises SourceError where it is not known."""
        if self.signal_pid is not None:
            return self.signal_pid
        if self.pid_file is not None:
            return read_pid_file(self.pid_file)
        found = find_servers()
        if not found:
            raise SourceError(
                "no process of Vault or OpenBao is to be seen",
                f"Share its PID namespace (shareProcessNamespace in a pod). {NAME_IT}",
            )
        if len(found) > 1:
            raise SourceError(f"{len(found)} servers run here: processes {', '.join(map(str, found))}", NAME_IT)
        return found[0]

    def why_not(self) -> str:
        """Return "" where the signal can be sent, else why not. A FIFO that is full passes: only `reload` asks that."""
        try:
            pid = self.target()
        except SourceError as error:
            return str(error)
        return _why_not_signal(pid)

    def why_not_now(self) -> str:
        """Return "" where `reload` would send the signal at this moment, else why not."""
        return self.why_not() or _why_blocked(self.target())

    def reload(self) -> str:
        """Send SIGHUP and return "", or return why it was not sent; then try later."""
        try:
            pid = self.target()
        except SourceError as error:
            return str(error)
        why_not = _why_not_signal(pid)
        if why_not:
            return why_not
        blocked = _why_blocked(pid)
        if blocked:
            return blocked
        try:
            os.kill(pid, signal.SIGHUP)
        except OSError as error:
            return f"cannot signal process {pid}: {error.strerror}"
        return ""


def _why_not_signal(pid: int) -> str:
    if pid <= 0 or pid == os.getpid():
        return f"{pid} is not the process id of a server. {NAME_IT}"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return f"process {pid} does not run, or not where we can see it. Start Vault, or share its PID namespace"
    except PermissionError:
        return f"no permission to signal process {pid}. Run as its user (uid {_owner(pid)}), or with CAP_KILL"
    except OverflowError:
        return f"{pid} is not a process id. {NAME_IT}"
    if not catches_hangup(pid):
        return f"process {pid} does not catch SIGHUP, which would end it: it is not Vault's server. {NAME_IT}"
    return ""


def _owner(pid: int) -> str:
    try:
        return str(os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        return "unknown"
