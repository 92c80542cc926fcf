"""The one way in which a state file is replaced: write aside, fsync, rename, fsync the directory.

A reader sees the old content or the new one, and after a power loss either survives whole. fsync(2) says that a
file's directory entry needs an fsync of the directory of its own.
"""

import os

from standpipe.journal.layout import FILE_MODE, TEMPORARY_SUFFIX


def fsync_directory(path: str) -> None:
    """Make the names in a directory durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte of data. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def atomic_write(path: str, data: bytes, mode: int = FILE_MODE) -> None:
    """Replace the file at path by data, durably. One writer a path. Raises OSError, and leaves the old file then."""
    temporary = path + TEMPORARY_SUFFIX
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        try:
            os.fchmod(descriptor, mode)
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError:
        unlink_if_there(temporary)
        raise
    fsync_directory(os.path.dirname(path) or ".")


def unlink_if_there(path: str) -> bool:
    """Unlink path; False where it was gone already. Raises OSError for any other failure."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
