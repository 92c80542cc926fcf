"""A file that we append whole batches to while others may rename it, fill its disk, or put something else in its place.

Every append looks first at what the path names now: a renamed file (logrotate) is left, and a new one made. An append
that was cut off, by a crash or a full disk, left a fragment without a newline; the next one ends it with a newline, so
it stays a line of its own. Nothing is ever truncated: a reader that follows the file would begin again.
"""

from __future__ import annotations

import errno
import os
import stat

from standpipe.journal.atomic import fsync_directory
from standpipe.sinks.base import Retry

FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO must not wait for its other end; regular files do not know it. O_RDWR: for the last byte.
FILE_MODE = 0o600  # audit records are nobody else's
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
LASTING = {
    errno.EACCES: "standpipe's user may not write it",
    errno.EPERM: "standpipe's user may not write it",
    errno.EISDIR: "it is a directory",
    errno.ELOOP: "it is a symbolic link, which is not followed",
    errno.ENOENT: "its directory does not exist",
    errno.ENOTDIR: "what should be its directory is none",
    errno.ENXIO: "it is a socket, or a device that is not there",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EROFS: "its file system is mounted read-only",
    errno.EFBIG: "it is as large as its file system or our limit (ulimit -f) allows",
}
"""Failures that only a person can mend, in words; see open(2) and write(2)."""
KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def kind_of(mode: int) -> str:
    """Return what a file is, in words; "" for a regular one."""
    return next((words for test, words in KINDS if test(mode)), "")


class AppendedFile:
    """The file of one sink. Opens nothing before the first append; one thread."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = -1
        self._end = 0  # where our last append ended; a shorter file was truncated by somebody

    def append(self, data: bytes) -> str | Retry:
        """Append data, which ends with a newline, and sync it; return a remark for a person, mostly empty.

        Retry means that it is not known to be there whole: append it again.
        """
        try:
            return self._append(data)
        except OSError as error:
            self.close()  # after a failed fsync the kernel calls the pages clean: this descriptor would now say yes
            return self._failure(error)

    def close(self) -> None:
        """Close it; the next append opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, data: bytes) -> str | Retry:
        if self._descriptor >= 0 and not self._is_in_place():
            self.close()
        if self._descriptor < 0 and (refused := self._open()):
            return refused
        size = os.fstat(self._descriptor).st_size
        remark = ""
        if size < self._end:
            remark = (
                f"somebody truncated {self.path}: what stood in it may be lost there; rotate it by renaming, never with"
                " copytruncate"
            )
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data
        if refused := self._no_room(len(data)):
            self._end = size
            return refused
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        os.fdatasync(self._descriptor)
        self._end = os.fstat(self._descriptor).st_size
        if not self._is_in_place():
            # Whoever renamed it may be compressing it already, or have removed it, without our last bytes.
            self.close()
            return Retry(f"{self.path} was renamed or removed while a batch was written to it; the batch goes again")
        return remark

    def _is_in_place(self) -> bool:
        """Say whether the path still names the open file."""
        own = os.fstat(self._descriptor)
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (own.st_dev, own.st_ino) == (named.st_dev, named.st_ino)

    def _open(self) -> Retry | None:
        """Open the file, or make it, and make its name durable. Raises OSError."""
        descriptor = os.open(self.path, FLAGS, FILE_MODE)
        try:
            status = os.fstat(descriptor)
            if kind := kind_of(status.st_mode):
                return Retry(f"{self.path} is {kind}, no regular file; nothing is written to it", config_fault=True)
            fsync_directory(os.path.dirname(self.path) or ".")
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor, self._end = descriptor, 0
        return None

    def _no_room(self, length: int) -> Retry | None:
        """Look before writing: a batch of which the disk takes a part would leave a fragment at each try."""
        volume = os.fstatvfs(self._descriptor)
        blocks = volume.f_bfree if os.geteuid() == 0 else volume.f_bavail
        if volume.f_blocks and blocks * volume.f_frsize < length:  # some file systems say 0 for all of them
            return self._failure(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        return None

    def _failure(self, error: OSError) -> Retry:
        number = error.errno or 0
        if number in DISK_FULL:
            what = "disk is full" if number == errno.ENOSPC else "disk quota is used up"
            return Retry(f"cannot append to {self.path}: its {what}")
        if number in LASTING:
            return Retry(f"cannot append to {self.path}: {LASTING[number]}", config_fault=True)
        return Retry(f"cannot append to {self.path}: {error.strerror or error}")
