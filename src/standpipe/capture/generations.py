"""All files beside the live one that may hold records of it, open, in the order in which they were written."""

from __future__ import annotations

import os

from standpipe.capture.generation_names import OURS, is_generation, is_gzipped_generation, is_ours
from standpipe.capture.regular_file import OpenFile, open_regular, why_not_regular
from standpipe.capture.unpacked import unpack_gzip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from standpipe.capture.follow_report import Report


MANY = 128  # generations in one directory; a rotator keeps fewer, and each look at them costs


class Gzipped:
    """A compressed generation. number: (device, inode, size), which a rename keeps; time_ns: of the last write."""

    __slots__ = ("number", "path", "time_ns")

    def __init__(self, path: str, status: os.stat_result) -> None:
        self.path = path
        self.number = (status.st_dev, status.st_ino, status.st_size)
        self.time_ns = status.st_mtime_ns


class Generations:
    """The candidates of one look. `close` closes all that nobody has taken."""

    def __init__(self, path: str, report: Report, nothing_in: Container[tuple[int, int, int, int]] = ()) -> None:
        """Open them, the live file last. Raises OSError where the directory cannot be read.

        nothing_in: keys of files that need not be opened where there are very many.
        """
        self._report = report
        self.files: list[OpenFile] = []
        seen: set[tuple[int, int]] = set()
        live = self._open(path, follow_symlink=True)
        if live is not None:
            seen.add((live.device, live.inode))
        self._live = live
        self._gzipped: list[Gzipped] = []
        for directory, name in _places(path):
            names = self._names(directory)
            self._gzipped += [
                Gzipped(f"{directory}/{entry}", status)
                for entry in names
                if is_gzipped_generation(name, entry)
                and (status := _status(f"{directory}/{entry}")) is not None
                and not why_not_regular(status)
            ]
            entries = [entry for entry in names if is_generation(name, entry)]
            for entry in entries:
                if len(entries) < MANY or _key_at(f"{directory}/{entry}") not in nothing_in:
                    file = self._open(f"{directory}/{entry}", follow_symlink=False)
                    if file is not None and (file.device, file.inode) in seen:
                        file.close()
                    elif file is not None:
                        seen.add((file.device, file.inode))
                        self.files.append(file)
        self.files.sort(key=written)
        if live is not None:
            self.files.append(live)

    def _open(self, path: str, *, follow_symlink: bool) -> OpenFile | None:
        try:
            return open_regular(path, follow_symlink=follow_symlink)
        except OSError as error:
            self._report.cannot_open(path, error)
            return None

    def _names(self, directory: str) -> list[str]:
        try:
            return os.listdir(directory)
        except FileNotFoundError:
            return []
        except OSError as error:  # then only the live file is seen
            self._report.cannot_open(directory, error)
            return []

    def gzipped(self) -> list[Gzipped]:
        """Return the compressed generations, in the order in which they were written."""
        return sorted(self._gzipped, key=lambda found: (found.time_ns, found.path))

    def add(self, file: OpenFile) -> None:
        """Add a file that was unpacked, at its place in the order; the live one stays the last."""
        self.files = sorted([*self.files, file], key=lambda each: (each is self._live, *written(each)))

    def take(self, file: OpenFile) -> OpenFile:
        """Keep a file open beyond `close`."""
        self.files.remove(file)
        return file

    def close(self) -> None:
        """Close what was not taken."""
        while self.files:
            self.files.pop().close()


def _places(path: str) -> list[tuple[str, str]]:
    """Return (directory, live name): of the path, and of what it leads to where it is a symbolic link."""
    real = os.path.realpath(path)
    places = [os.path.split(path), os.path.split(real)]
    return list(dict.fromkeys((os.path.realpath(directory or "."), name) for directory, name in places))


def open_gzipped(path: str, scratch_directory: str) -> OpenFile | None:
    """Unpack a compressed generation into a file without a name; None where it is not whole. Raises OSError."""
    descriptor = unpack_gzip(path, scratch_directory)
    if descriptor is None:
        return None
    time_ns = os.stat(path).st_mtime_ns
    os.utime(descriptor, ns=(time_ns, time_ns))  # its place in the order of generations
    return OpenFile(path, descriptor)


def is_reclaimed(path: str, file: OpenFile) -> bool:
    """Tell whether our own reclaim gave a file its name; path: the live one's, which may be a symbolic link."""
    if OURS not in file.path:  # nearly always, and it costs nothing
        return False
    return is_ours(os.path.basename(os.path.realpath(path)), os.path.basename(file.path))


def key_of(file: OpenFile) -> tuple[int, int, int, int]:
    """Return what changes when a file's content does: device, inode, size, time of the last write."""
    return _key(os.fstat(file.descriptor))


def _key(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _key_at(path: str) -> tuple[int, int, int, int] | None:
    status = _status(path)
    return None if status is None else _key(status)


def _status(path: str) -> os.stat_result | None:
    """Return what a name itself is; None where it has gone, renamed at this moment, say."""
    try:
        return os.stat(path, follow_symlinks=False)
    except OSError:
        return None


def written(file: OpenFile) -> tuple[int, int, str]:
    """Sort by the time of the last write: a rename keeps it, and each generation was written after the one before."""
    status = os.fstat(file.descriptor)
    return status.st_mtime_ns, file.birth_time or 0, file.path
