"""Opening the file that Vault writes to: never anything but a regular file, and never a call that waits."""

from __future__ import annotations

import os
import stat

from standpipe.capture.fifo import kind_of
from standpipe.capture.volume import birth_time_ns

READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class OpenFile:
    """A regular file, open for reading; who has it closes it."""

    __slots__ = ("birth_time", "descriptor", "device", "inode", "path")

    def __init__(self, path: str, descriptor: int) -> None:
        status = os.fstat(descriptor)
        self.path = path
        self.descriptor = descriptor
        self.device = status.st_dev
        self.inode = status.st_ino
        self.birth_time = birth_time_ns(descriptor)

    @property
    def size(self) -> int:
        """Return its size now."""
        return os.fstat(self.descriptor).st_size

    def is_at(self, status: os.stat_result) -> bool:
        """Tell whether a path's stat shows this very file. While we have it open, its number is nobody else's."""
        return (self.device, self.inode) == (status.st_dev, status.st_ino)

    def close(self) -> None:
        """Close it."""
        os.close(self.descriptor)


def why_not_regular(status: os.stat_result) -> str:
    """Return what a path leads to where that is no regular file, else an empty text."""
    if stat.S_ISREG(status.st_mode):
        return ""
    return kind_of(status.st_mode)


def open_regular(path: str, *, follow_symlink: bool) -> OpenFile | None:
    """Open a regular file; None where the path leads to nothing, or to something else. Raises other OSErrors.

    The look before the open keeps a FIFO's writer from being let in for a moment; O_NONBLOCK keeps us from
    waiting where something was swapped in between.
    """
    try:
        if why_not_regular(os.stat(path, follow_symlinks=follow_symlink)):
            return None
        descriptor = os.open(path, READ_FLAGS | (0 if follow_symlink else os.O_NOFOLLOW))
    except FileNotFoundError:
        return None
    if why_not_regular(os.fstat(descriptor)):
        os.close(descriptor)
        return None
    return OpenFile(path, descriptor)
