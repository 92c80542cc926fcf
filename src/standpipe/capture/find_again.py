"""Which file holds the bytes that the journal ends with, and where: asked at start-up, and in every doubt later on.

Files are asked in this order, and each answer is proven by content (capture.proof):

1. a file with the known number whose bytes fit: nothing happened but renames;
2. another file whose bytes fit: a copy, made before somebody truncated the file, or a volume that was restored;
3. a generation that logrotate has compressed, and whose bytes fit; those that are younger follow it;
4. a file with the known number that fits up to a point: it was cut there, by a power loss or by somebody;
5. nothing: the file has gone, or has been cut to nothing.
"""

from __future__ import annotations

import os

from standpipe.capture.generations import open_gzipped
from standpipe.capture.proof import common_end, fits
from standpipe.capture.source_map import PROOF_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.capture.generations import Generations
    from standpipe.capture.journal_tail import JournalTail
    from standpipe.capture.regular_file import OpenFile
    from standpipe.capture.source_map import SourceFile

SAME, COPY, MOVED, PACKED, CUT = "same", "copy", "moved", "packed", "cut"
SEARCH_BYTES = 4 << 20  # one read while a whole file is searched


class Found:
    """Where to go on.

    how: SAME, COPY (beside the truncated original), MOVED (a copy, and the original is not there), PACKED (compressed,
    which removed the original), CUT. then: compressed generations that come after it, oldest first.
    """

    __slots__ = ("file", "how", "position", "then")

    def __init__(self, file: OpenFile, position: int, how: str, then: Sequence[str] = ()) -> None:
        self.file = file
        self.position = position
        self.how = how
        self.then = list(then)


def find_again(
    generations: Generations, known: SourceFile, position: int, tail: JournalTail, scratch_directory: str
) -> Found | None:
    """Find the file that was captured up to position, and take it from the generations. Raises OSError.

    scratch_directory: where a compressed generation may be unpacked.
    """
    numbered = [file for file in generations.files if known.is_numbered(file.inode, file.birth_time)]
    for file in numbered:
        if fits(file.descriptor, known, position, tail):
            return Found(generations.take(file), position, SAME)
    others = [file for file in generations.files if file not in numbered]
    copies = [file for file in others if position and fits(file.descriptor, known, position, tail)]
    if copies:
        longest = max(copies, key=lambda file: file.size)
        return Found(generations.take(longest), position, COPY if numbered else MOVED)
    paths = [gzipped.path for gzipped in generations.gzipped()]
    for index in reversed(range(len(paths))):
        unpacked = open_gzipped(paths[index], scratch_directory)
        if unpacked is None:
            continue
        if position and fits(unpacked.descriptor, known, position, tail):
            return Found(unpacked, position, COPY if numbered else PACKED, paths[index + 1 :])
        unpacked.close()
    for file in numbered:
        end = common_end(file.descriptor, known, position, tail)
        if end:
            return Found(generations.take(file), end, CUT)
    return None


def search(generations: Generations, tail: JournalTail) -> Found | None:
    """Find the journal's last bytes anywhere in the files, where source.json does not tell. Raises OSError.

    The bytes must hold a whole line at least: less could be anywhere.
    """
    wanted = tail.last(tail.end, PROOF_BYTES)
    if b"\n" not in wanted:
        return None
    for file in reversed(generations.files):  # the live file first: a copy of it may be beside it
        position = _position_after(file.descriptor, wanted)
        if position is not None:
            return Found(file, position, SAME)
    return None


def _position_after(descriptor: int, wanted: bytes) -> int | None:
    """Return the offset after the last place at which a file has some bytes, or None."""
    end = os.fstat(descriptor).st_size
    while end >= len(wanted):
        start = max(0, end - SEARCH_BYTES)
        block = os.pread(descriptor, end - start, start)
        index = block.rfind(wanted)
        if index >= 0:
            return start + index + len(wanted)
        if not start:
            break
        end = start + len(wanted) - 1
    return None
