"""What a file's content proves: whether it is the one whose bytes the journal has, and up to where.

Nothing here trusts an inode, a name, a size or a time.
"""

from __future__ import annotations

import os
import zlib

from standpipe.capture.source_map import PROOF_BYTES, Mark
from standpipe.capture.volume import first_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.capture.journal_tail import JournalTail
    from standpipe.capture.source_map import SourceFile

PLENTY_BYTES = 32 << 10  # equal bytes that prove something wherever they begin and end


def read_range(descriptor: int, start: int, end: int) -> bytes:
    """Return the bytes [start, end) of a file, or fewer at its end. Raises OSError."""
    pieces = []
    while start < end and (piece := os.pread(descriptor, end - start, start)):
        pieces.append(piece)
        start += len(piece)
    return b"".join(pieces)


def mark_at(descriptor: int, offset: int) -> Mark:
    """Make the mark of a file at an offset. Raises OSError."""
    data = read_range(descriptor, max(0, offset - PROOF_BYTES), offset)
    return Mark(offset, len(data), zlib.crc32(data))


def fits_mark(descriptor: int, mark: Mark) -> bool:
    """Tell whether a file has the bytes of a mark. Raises OSError."""
    data = read_range(descriptor, mark.offset - mark.length, mark.offset)
    return len(data) == mark.length and zlib.crc32(data) == mark.crc


def fits(descriptor: int, file: SourceFile, position: int, tail: JournalTail) -> bool:
    """Tell whether a file is the known one, captured up to position: the bytes before it equal the journal's.

    At position 0 nothing was captured, and any file will do. Raises OSError.
    """
    if os.fstat(descriptor).st_size < position:
        return False
    source, journal = file.pairs[-1]
    start = max(source, position - PROOF_BYTES)
    ours = tail.last(journal + position - source, position - start)
    if ours and read_range(descriptor, position - len(ours), position) != ours:
        return False
    if len(ours) == min(PROOF_BYTES, position):
        return True
    mark = file.mark_up_to(position)
    if mark is not None:
        return fits_mark(descriptor, mark)
    return bool(ours) or position == 0


def common_end(descriptor: int, file: SourceFile, position: int, tail: JournalTail) -> int | None:
    """Return the first offset at which a file is not what the journal has; None where they have nothing in common.

    A file only grows, so a block that is equal says that everything before it is. Less than one whole line in common
    is nothing: every record begins alike. Raises OSError.
    """
    top = min(os.fstat(descriptor).st_size, position)
    data_start = first_data(descriptor, 0)
    for source, journal in reversed(file.pairs):  # a file that was cut before has several; each holds up to the next
        low = max(source, top if data_start is None else data_start)
        high = top
        while high > low:
            start = max(low, high - PROOF_BYTES)
            ours = tail.between(journal + start - source, journal + high - source)
            if ours is None:
                return _last_fitting_mark(descriptor, file, high)
            theirs = read_range(descriptor, start, high)
            common = _common_length(ours, theirs)
            if _is_proof(ours[:common], at_file_start=start == 0):
                end = start + common
                end += _common_after(descriptor, (source, journal), end, top, tail)
                return end if end == top else _line_start(descriptor, low, end)
            high = start
        top = min(top, source)
    return _last_fitting_mark(descriptor, file, top)


def _common_after(descriptor: int, pair: tuple[int, int], start: int, top: int, tail: JournalTail) -> int:
    """Return how many bytes are equal from start on: less than a block, because the block after it was looked at."""
    source, journal = pair
    end = min(start + PROOF_BYTES, top)
    ours = tail.between(journal + start - source, journal + end - source) or b""
    return _common_length(ours, read_range(descriptor, start, end))


def _is_proof(common: bytes, *, at_file_start: bool) -> bool:
    """Tell whether equal bytes hold a whole line, or are as many as are ever compared.

    One newline is not enough where they may begin inside a line: all records end alike, too.
    """
    return len(common) >= PLENTY_BYTES or common.count(b"\n") >= (1 if at_file_start else 2)


def _line_start(descriptor: int, low: int, end: int) -> int:
    """Return where the line begins in which two files part: all records begin alike, and a new one is read whole."""
    start = max(low, end - PROOF_BYTES)
    newline = read_range(descriptor, start, end).rfind(b"\n")
    return start + newline + 1 if newline >= 0 or start == low else end


def _common_length(ours: bytes, theirs: bytes) -> int:
    """Return how many leading bytes are equal."""
    end = min(len(ours), len(theirs))
    if ours[:end] == theirs[:end]:
        return end
    return next(i for i in range(end) if ours[i] != theirs[i])


def _last_fitting_mark(descriptor: int, file: SourceFile, limit: int) -> int | None:
    for mark in reversed(file.marks):
        if mark.offset <= limit and fits_mark(descriptor, mark):
            return mark.offset
    return None


def is_same_up_to(descriptor: int, other: int, offset: int) -> bool:
    """Tell whether two open files have the same bytes before an offset. Raises OSError."""
    start = max(0, offset - PROOF_BYTES)
    return read_range(descriptor, start, offset) == read_range(other, start, offset)


def skip_nothing(descriptor: int, offset: int) -> int:
    """Return the offset of the first byte at or after offset that is no NUL and in no hole, or the file's size.

    A writer without O_APPEND leaves a hole when others truncate the file under it; we leave one where we gave space
    back and then lost the journal. Raises OSError.
    """
    size = os.fstat(descriptor).st_size
    while offset < size:
        start = first_data(descriptor, offset)
        if start is None:
            return size
        block = os.pread(descriptor, PROOF_BYTES, start)
        rest = block.lstrip(b"\0")
        offset = start + len(block) - len(rest)
        if rest or not block:
            break
    return offset
