"""One look at ``segments/``: every file's size and mode, none missed while keep renames and unlinks.

A directory that changes while it is read may show neither the old name of something nor the new one. So a look
during which the directory changed is taken again, and a base that shows no data is asked for by name: keep puts the
compressed file in place before it unlinks the raw one, so asking in the order raw, compressed cannot miss both.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.frames import FrameFile
from standpipe.journal.layout import COMPRESSED_SUFFIX, SEGMENT_SUFFIX, Layout, segment_file_name
from standpipe.journal.seal_store import raw_size_of
from standpipe.journal.segments import OWNER_MAY_WRITE, Segment, bases_without_raw_size, group_by_base, list_segments

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOKS_MAX = 8  # the directory changes a few times a second at most; a look takes a millisecond

Files = dict[str, tuple[int, int]]  # name → (size in bytes, st_mode)


def _never_changes(name: str, mode: int) -> bool:
    return not name.endswith(SEGMENT_SUFFIX) or not mode & OWNER_MAY_WRITE


def _look(directory: str, known: Files) -> tuple[Files, bool]:
    """Return the files, and whether one vanished under our eyes. Raises OSError."""
    files: Files = {}
    vanished = False
    with os.scandir(directory) as entries:
        for entry in entries:
            old = known.get(entry.name)
            if old is not None and _never_changes(entry.name, old[1]):
                files[entry.name] = old
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                vanished = True
                continue
            files[entry.name] = (status.st_size, status.st_mode)
    return files, vanished


def _add_by_name(layout: Layout, files: Files) -> None:
    """Ask by name for the data of bases that show none."""
    entries = [(name, size, mode) for name, (size, mode) in files.items()]
    for base, parts in group_by_base(entries).items():
        if SEGMENT_SUFFIX in parts or COMPRESSED_SUFFIX in parts:
            continue
        for suffix in (SEGMENT_SUFFIX, COMPRESSED_SUFFIX):
            try:
                status = os.lstat(layout.segment(base, suffix))
            except FileNotFoundError:
                continue
            files[segment_file_name(base, suffix)] = (status.st_size, status.st_mode)


def read_listing(layout: Layout, known: Files) -> tuple[Files, int]:
    """Return all files and the directory's st_mtime_ns before the look; a missing directory is an empty one.

    known: the listing before, for files that cannot have changed. Raises OSError.
    """
    files: Files = {}
    before = 0
    try:
        for _ in range(LOOKS_MAX):
            before = os.stat(layout.segments).st_mtime_ns
            files, vanished = _look(layout.segments, known)
            if not vanished and os.stat(layout.segments).st_mtime_ns == before:
                break
    except FileNotFoundError:
        return {}, 0
    _add_by_name(layout, files)
    return files, before


class RawSizes:
    """Raw sizes of segments that have no ``.log``: from the seal, else from the frame table; each found once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sizes: dict[int, int] = {}

    def of(self, files: Files) -> Mapping[int, int]:
        """Return base → raw size in bytes for every base that needs one and where it can be told."""
        bases = bases_without_raw_size((name, size, mode) for name, (size, mode) in files.items())
        for base in bases:
            if base not in self._sizes:
                size = raw_size_of(self._layout, base)
                if size is None:
                    size = self._by_frames(base)
                if size is not None:
                    self._sizes[base] = size
        for base in self._sizes.keys() - set(bases):
            del self._sizes[base]
        return self._sizes

    def _by_frames(self, base: int) -> int | None:
        try:
            file = FrameFile(self._layout.segment(base, COMPRESSED_SUFFIX))
        except (OSError, JournalError):
            return None
        file.close()
        return file.raw_size


def segments_of(files: Files, raw_sizes: Mapping[int, int]) -> list[Segment]:
    """Return the segments of a listing, in order."""
    return list_segments(((name, size, mode) for name, (size, mode) in files.items()), raw_sizes)
