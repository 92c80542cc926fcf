"""A local directory as a store of objects: a file appears whole under its name, or not at all, and is never replaced.

The file is written aside, fsynced, and linked to its name: link(2) fails with EEXIST where the name is taken, whoever
took it. The directory and all above it, up to the archive's root, are fsynced before anybody is told that it is there.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from standpipe.journal.atomic import fsync_directory, unlink_if_there, write_all
from standpipe.journal.layout import DIRECTORY_MODE, FILE_MODE, TEMPORARY_SUFFIX
from standpipe.sinks.base import Retry
from standpipe.sinks.objects_contract import GoneError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READ_BYTES = 1 << 20
LASTING = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EIO, errno.EOPNOTSUPP}
)
"""What only a person can mend; no space (ENOSPC, EDQUOT) is mended by whoever deletes something."""


class DirectoryStore:
    """Files below a directory that exists. One writer a journal: `writer` tells its unfinished files from others'."""

    def __init__(self, root: str, writer: str) -> None:
        self.where = f"file://{root}"
        self._root = root
        self._writer = writer

    def create(self, key: str, pieces: Sequence[bytes]) -> bool:
        """Store an object; False where the name is taken. Raises StoreError."""
        path = f"{self._root}/{key}"
        temporary = f"{path}.{self._writer}{TEMPORARY_SUFFIX}"
        try:
            self._make_directories(key)
            # Unlinked, never truncated: a kill after link(2) left the finished file's second name here.
            unlink_if_there(temporary)
            created = self._write_and_link(temporary, path, pieces)
            self._sync_directories(key)
        except OSError as error:
            raise self._failure(error, f"{path} cannot be written") from error
        return created

    def _write_and_link(self, temporary: str, path: str, pieces: Sequence[bytes]) -> bool:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, FILE_MODE)
        try:
            for piece in pieces:
                write_all(descriptor, piece)
            os.fsync(descriptor)
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            os.close(descriptor)
            unlink_if_there(temporary)
        return True

    def _levels(self, key: str) -> list[str]:
        """Return the directories above a key, the archive's root first."""
        levels = [self._root]
        for part in key.split("/")[:-1]:
            levels.append(f"{levels[-1]}/{part}")
        return levels

    def _make_directories(self, key: str) -> None:
        for level in self._levels(key)[1:]:  # the root must be there: it may be a volume that is not mounted
            try:
                os.mkdir(level, DIRECTORY_MODE)
            except FileExistsError:
                continue

    def _sync_directories(self, key: str) -> None:
        """Make every name on the way durable; whoever made it may have died before it was."""
        for level in reversed(self._levels(key)):
            fsync_directory(level)

    def blocks(self, key: str) -> Iterator[bytes]:
        """Yield an object's content in pieces. Raises StoreError."""
        path = f"{self._root}/{key}"
        try:
            with open(path, "rb", buffering=0) as file:
                yield from iter(lambda: file.read(READ_BYTES), b"")
        except FileNotFoundError as error:
            raise GoneError(self._failure(error, f"{path} is not there").retry) from error
        except OSError as error:
            raise self._failure(error, f"{path} cannot be read") from error

    def names(self) -> Iterator[tuple[str, int]]:
        """Yield every regular file below the root, as its path from there, and its size. Raises StoreError."""
        waiting = [""]
        while waiting:
            above = waiting.pop()
            path = f"{self._root}/{above}"
            try:
                with os.scandir(path) as entries:
                    found = [(entry, entry.stat(follow_symlinks=False)) for entry in entries]
            except OSError as error:
                raise self._failure(error, f"{path} cannot be listed") from error
            for entry, status in found:
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(f"{above}{entry.name}/")
                elif stat.S_ISREG(status.st_mode):
                    yield f"{above}{entry.name}", status.st_size

    def look(self) -> None:
        """Find out whether the archive's root can be listed. Raises StoreError."""
        try:
            with os.scandir(self._root) as entries:
                next(entries, None)
        except OSError as error:
            raise self._failure(error, f"{self._root} cannot be listed") from error

    def _failure(self, error: OSError, what: str) -> StoreError:
        if error.errno == errno.ENOENT and not os.path.isdir(self._root):
            return StoreError(Retry(f"there is no directory {self._root}; create it, or mount it", config_fault=True))
        return StoreError(Retry(f"{what}: {error.strerror}", config_fault=error.errno in LASTING))
