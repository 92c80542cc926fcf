"""Files with bytes that are not captured yet, beside the one that is followed: what comes next, and from where."""

from __future__ import annotations

import os

from standpipe.capture.proof import fits_mark, is_same_up_to, skip_nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.capture.generations import Generations
    from standpipe.capture.regular_file import OpenFile
    from standpipe.capture.source_map import SourceFile, SourceMap


class Arrival:
    """A file to read from `position` on. known: what the map says of it, None for a new one.

    skipped: leading bytes that are no records (a hole, NULs).
    """

    __slots__ = ("file", "known", "position", "skipped")

    def __init__(self, file: OpenFile, position: int, known: SourceFile | None, skipped: int = 0) -> None:
        self.file = file
        self.position = position
        self.known = known
        self.skipped = skipped

    @property
    def has_bytes(self) -> bool:
        """Tell whether there is something to read now."""
        return self.file.size > self.position


def find_arrivals(generations: Generations, source_map: SourceMap, followed: Sequence[OpenFile]) -> list[Arrival]:
    """Return what is to be read next, in order. `followed` are open already, and looked after elsewhere.

    Files that are known come first: what they got late was written before what a newer file has. A copy of a known
    file is read from where that one ended, where the original has gone; beside it, a copy that is longer is a file
    of its own that only began alike. Raises OSError.
    """
    late, new = [], []
    for file in generations.files:
        if any((file.device, file.inode) == (other.device, other.inode) for other in followed):
            continue
        if _is_copy_of_open(file, followed):
            continue
        rewritten = _rewritten(file, followed)
        if rewritten is not None:
            new.append(Arrival(file, rewritten.size, None))
            continue
        known = _known(file, source_map)
        if known is None or _is_another(file, known, generations):
            start = skip_nothing(file.descriptor, 0)
            new.append(Arrival(file, start, None, skipped=start))
        elif file.size > (known.end or 0):
            late.append(Arrival(file, known.end or 0, known))
    return late + new


def _known(file: OpenFile, source_map: SourceMap) -> SourceFile | None:
    """Return the file, left before, that this one is or is a copy of, by content."""
    left = [known for known in reversed(source_map.files) if known.end is not None]
    left.sort(key=lambda known: not known.is_numbered(file.inode, file.birth_time))
    for known in left:
        mark = known.mark_up_to(min(file.size, known.end or 0))
        if mark is not None and mark.length and fits_mark(file.descriptor, mark):
            return known
    return None


def _is_another(file: OpenFile, known: SourceFile, generations: Generations) -> bool:
    """Tell whether a file that begins like a known one is longer, and not that one, for that one is here as well."""
    if known.is_numbered(file.inode, file.birth_time) or file.size <= (known.end or 0):
        return False
    return any(
        known.is_numbered(other.inode, other.birth_time) and fits_mark(other.descriptor, known.marks[-1])
        for other in generations.files
    )


def _rewritten(file: OpenFile, followed: Sequence[OpenFile]) -> OpenFile | None:
    """Return the open file that somebody has replaced by this one: an editor wrote it anew, with more at its end."""
    for other in followed:
        size = other.size
        is_longer = size and file.size >= size and is_same_up_to(file.descriptor, other.descriptor, size)
        if is_longer and not os.fstat(other.descriptor).st_nlink:
            return other
    return None


def _is_copy_of_open(file: OpenFile, followed: Sequence[OpenFile]) -> bool:
    """Tell whether a file is a copy, whole or half made, of one that is open."""
    size = file.size
    return bool(size) and any(
        other.size >= size and is_same_up_to(file.descriptor, other.descriptor, size) for other in followed
    )
