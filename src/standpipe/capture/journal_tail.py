"""The last raw bytes of the journal as start-up finds them, held open so that keep cannot take them away."""

from __future__ import annotations

import json
import os

from standpipe.capture.unpacked import unpack_segment
from standpipe.errors import JournalError
from standpipe.journal.layout import (
    COMPRESSED_SUFFIX,
    SEGMENT_SUFFIX,
    Layout,
    parse_seal_file_name,
    parse_segment_file_name,
)
from standpipe.journal.recovery import list_raw_segments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.journal.segment import Segment

HELD_OPEN = 4  # the newest files, which prove the position; older ones are opened when they are asked for


class Piece:
    """The bytes [start, end) of the journal in one file; descriptor: -1 where it is not open."""

    __slots__ = ("descriptor", "end", "path", "start")

    def __init__(self, start: int, end: int, path: str, descriptor: int = -1) -> None:
        self.start = start
        self.end = end
        self.path = path
        self.descriptor = descriptor

    def is_open(self) -> bool:
        """Open the file if it is not open; False where keep has removed it. Raises OSError."""
        if self.descriptor < 0:
            try:
                self.descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
        return True


class JournalTail:
    """Reads ``.log`` files, and where `between` needs one, a ``.log.zst``. Offsets are the journal's."""

    def __init__(self, layout: Layout) -> None:
        """Open the files. Raises OSError."""
        self._layout = layout
        self._packed = _packed(layout)
        self._pieces: list[Piece] = []  # oldest first
        raw = list_raw_segments(layout)
        self._raw_end = 0
        self._end: int | None = None
        self.begun = raw[-1].base if raw and not raw[-1].size else 0  # where a segment begins that has no byte yet
        bound = None  # the base of the next segment, which beats what a failed one has from there on
        for segment in reversed(raw):
            end = segment.base + segment.size
            if segment.size:
                self._raw_end = max(self._raw_end, end)
                piece_end = end if bound is None else min(end, bound)
                self._pieces.append(Piece(segment.base, piece_end, layout.segment(segment.base)))
            bound = segment.base
        self._pieces.reverse()
        for piece in self._pieces[-HELD_OPEN:]:
            piece.is_open()

    @property
    def end(self) -> int:
        """The end of what was ever captured, as far as it survived. Raises OSError and JournalError."""
        if self._end is None:
            self._end = max(self._raw_end, _sealed_end(self._layout))
        return self._end

    def close(self) -> None:
        """Close the files."""
        while self._pieces:
            piece = self._pieces.pop()
            if piece.descriptor >= 0:
                os.close(piece.descriptor)

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
        descriptor = unpack_segment(path, self._layout.root)
        if descriptor is None:
            return False
        self._pieces.append(Piece(base, base + os.fstat(descriptor).st_size, path, descriptor))
        self._pieces.sort(key=lambda piece: piece.start)
        return True

    def last(self, end: int, count: int) -> bytes:
        """Return the last count bytes before end, or as many as are to be had without a gap. Raises OSError."""
        found = b""
        for piece in reversed(self._pieces):
            if len(found) == count or end > piece.end:
                break
            if end <= piece.start:
                continue
            start = max(piece.start, end - (count - len(found)))
            data = os.pread(piece.descriptor, end - start, start - piece.start) if piece.is_open() else b""
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
    places = [place for place in map(parse_seal_file_name, os.listdir(layout.segments)) if place]
    if not places:
        return 0
    path = layout.seal(*max(places))
    try:
        with open(path, "rb") as file:
            return int(json.loads(file.read())["end"])
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(f"the seal {path} does not tell its end: {error}", "Restore it from a copy") from error


def tail_of(segment: Segment, count: int) -> bytes:
    """Return the last count bytes of a segment that is still open, or all of a shorter one. Raises OSError."""
    start = max(0, segment.length - count)
    return os.pread(segment.descriptor, segment.length - start, start)
