"""Files with bytes that are not captured yet, beside the one that is followed: what comes next, and from where."""

from __future__ import annotations

import os

from standpipe.capture.proof import fits_mark, is_same_up_to, read_range, skip_nothing
from standpipe.capture.source_map import PROOF_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.capture.generations import Generations
    from standpipe.capture.journal_tail import JournalTail
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


def find_arrivals(
    generations: Generations, source_map: SourceMap, followed: Sequence[OpenFile], tail: JournalTail
) -> list[Arrival]:
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
        known = find_known(file, source_map, tail)
        if known is None or _is_another(file, known, generations) or not _goes_on(file, known):
            start = skip_nothing(file.descriptor, 0)
            new.append(Arrival(file, start, None, skipped=start))
        elif known.end is not None and file.size > known.end:
            late.append(Arrival(file, known.end, known))
    return late + new


def find_known(file: OpenFile, source_map: SourceMap, tail: JournalTail) -> SourceFile | None:
    """Return the file, read before or now, that this one is or is a copy of, by content. Raises OSError."""
    newest_first = source_map.files[::-1]
    numbered = [known for known in newest_first if known.is_numbered(file.inode, file.birth_time)]
    numbered_first = numbered + [known for known in newest_first if known not in numbered]
    for known in numbered_first:
        if known.end is not None and _has_mark_of(file, known):
            return known
        if known.pairs and _is_in_journal(file, known, tail):
            return known
    return None


def _has_mark_of(file: OpenFile, known: SourceFile) -> bool:
    mark = known.mark_up_to(min(file.size, known.end or 0))
    return mark is not None and mark.length > 0 and fits_mark(file.descriptor, mark)


def _is_in_journal(file: OpenFile, known: SourceFile, tail: JournalTail) -> bool:
    """Tell whether a file ends with bytes that the journal has from the same place of a known file."""
    source, journal = known.pairs[-1]
    size = file.size
    ours = tail.last(journal + size - source, min(PROOF_BYTES, size - source)) if size > source else b""
    return b"\n" in ours and read_range(file.descriptor, size - len(ours), size) == ours


def _goes_on(file: OpenFile, known: SourceFile) -> bool:
    """Tell whether a file that is longer than a known one has all of it: an older mark may fit one that was cut."""
    if known.end is None or file.size <= known.end:
        return True
    mark = known.mark_up_to(known.end)
    return mark is not None and mark.offset == known.end and fits_mark(file.descriptor, mark)


def _is_another(file: OpenFile, known: SourceFile, generations: Generations) -> bool:
    """Tell whether a file that begins like a known one is longer, and not that one, for that one is here as well."""
    if known.is_numbered(file.inode, file.birth_time) or file.size <= (known.end or 0):
        return False
    return any(
        known.is_numbered(other.inode, other.birth_time) and fits_mark(other.descriptor, mark)
        for other in generations.files
        for mark in known.marks[-1:]
        if mark.length < PROOF_BYTES  # so much in common is no chance: it is a copy that went on
    )


def _rewritten(file: OpenFile, followed: Sequence[OpenFile]) -> OpenFile | None:
    """Return the open file that this one has whole, and more: an editor wrote it anew, or we read a copy of it.

    Beside a file that has its name still, little in common is no proof: two logs may begin alike.
    """
    for other in followed:
        size = other.size
        is_longer = size and file.size >= size and is_same_up_to(file.descriptor, other.descriptor, size)
        if is_longer and (size >= PROOF_BYTES or not os.fstat(other.descriptor).st_nlink):
            return other
    return None


def _is_copy_of_open(file: OpenFile, followed: Sequence[OpenFile]) -> bool:
    """Tell whether a file is a copy, whole or half made, of one that is open."""
    size = file.size
    return bool(size) and any(
        other.size >= size and is_same_up_to(file.descriptor, other.descriptor, size) for other in followed
    )
