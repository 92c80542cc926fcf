"""The last raw bytes of the journal as start-up finds them, held open so that keep cannot take them away."""

from __future__ import annotations

import json
import os

from standpipe.capture.unpacked import unpack_segment
from standpipe.errors import JournalError
from standpipe.journal.layout import COMPRESSED_SUFFIX, SEAL_SUFFIX, SEGMENT_SUFFIX, Layout, parse_segment_file_name
from standpipe.journal.recovery import list_raw_segments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.journal.segment import Segment

SEGMENTS_MAX = 64  # files held open: 4 GiB of the usual segments


class JournalTail:
    """Reads ``.log`` files, and where `between` needs one, a ``.log.zst``. Offsets are the journal's."""

    def __init__(self, layout: Layout) -> None:
        """Open the files. Raises OSError and JournalError."""
        self._root = layout.root
        self._packed = _packed(layout)
        self._pieces: list[tuple[int, int, int]] = []  # (start, end, descriptor), oldest first
        raw = list_raw_segments(layout)[-SEGMENTS_MAX:]
        self.end = _sealed_end(layout)  # of what was ever captured, as far as it survived
        self.begun = raw[-1].base if raw and not raw[-1].size else 0  # where a segment begins that has no byte yet
        bound = None  # the base of the next segment, which beats what a failed one has from there on
        for segment in reversed(raw):
            end = segment.base + segment.size
            if segment.size:
                self.end = max(self.end, end)
                descriptor = os.open(layout.segment(segment.base), os.O_RDONLY | os.O_NOFOLLOW)
                self._pieces.insert(0, (segment.base, end if bound is None else min(end, bound), descriptor))
            bound = segment.base

    def close(self) -> None:
        """Close the files."""
        while self._pieces:
            os.close(self._pieces.pop()[2])

    def between(self, start: int, end: int) -> bytes | None:
        """Return the bytes [start, end), or None where not all of them are to be had. Raises OSError."""
        while len(found := self.last(end, end - start)) != end - start:
            if not self._unpack_before(end - len(found)):
                return None
        return found

    def _unpack_before(self, end: int) -> bool:
        """Unpack the segment that holds the byte before an offset; False where there is none. Raises OSError."""
        while self._packed and self._packed[-1][0] >= end:
            self._packed.pop()
        if not self._packed:
            return False
        base, path = self._packed.pop()
        descriptor = unpack_segment(path, self._root)
        if descriptor is None:
            return False
        self._pieces.append((base, base + os.fstat(descriptor).st_size, descriptor))
        self._pieces.sort()
        return True

    def last(self, end: int, count: int) -> bytes:
        """Return the last count bytes before end, or as many as are to be had without a gap. Raises OSError."""
        found = b""
        for piece_start, piece_end, descriptor in reversed(self._pieces):
            if len(found) == count or end > piece_end:
                break
            if end <= piece_start:
                continue
            start = max(piece_start, end - (count - len(found)))
            data = os.pread(descriptor, end - start, start - piece_start)
            if len(data) != end - start:
                break
            found = data + found
            end = start
        return found


def _packed(layout: Layout) -> list[tuple[int, str]]:
    """Return (base, path) of the segments that are there compressed only, oldest first. Raises OSError."""
    found: dict[int, str] = {}
    for name in os.listdir(layout.segments):
        parsed = parse_segment_file_name(name)
        if parsed is not None:
            found[parsed[0]] = found.get(parsed[0], "") + parsed[1]
    return [
        (base, layout.segment(base, COMPRESSED_SUFFIX))
        for base, suffixes in sorted(found.items())
        if COMPRESSED_SUFFIX in suffixes and SEGMENT_SUFFIX not in suffixes.replace(COMPRESSED_SUFFIX, "")
    ]


def _sealed_end(layout: Layout) -> int:
    """Return the highest end that a seal names; 0 without one. Raises OSError and JournalError."""
    names = [parsed for parsed in map(parse_segment_file_name, os.listdir(layout.segments)) if parsed]
    bases = [base for base, suffix in names if suffix == SEAL_SUFFIX]
    if not bases:
        return 0
    path = layout.segment(max(bases), SEAL_SUFFIX)
    try:
        with open(path, "rb") as file:
            return int(json.loads(file.read())["end"])
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(f"the seal {path} does not tell its end: {error}", "Restore it from a copy") from error


def tail_of(segment: Segment, count: int) -> bytes:
    """Return the last count bytes of a segment that is still open, or all of a shorter one. Raises OSError."""
    start = max(0, segment.length - count)
    return os.pread(segment.descriptor, segment.length - start, start)
