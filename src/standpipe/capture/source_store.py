"""source.json on disk, and the notes that both threads of capture make in it."""

from __future__ import annotations

import _thread
import zlib

from standpipe.capture.journal_tail import tail_of
from standpipe.capture.source_map import PROOF_BYTES, Mark, SourceMap, decode
from standpipe.journal.atomic import atomic_write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.journal.segment import Segment


def load(path: str) -> SourceMap | None:
    """Read source.json; None where it is missing or not ours. Raises OSError."""
    try:
        with open(path, "rb") as file:
            return decode(file.read())
    except FileNotFoundError:
        return None


class SourceStore:
    """One source.json. Whoever changes the map holds `lock` and then saves it; readers of one thread need not."""

    __slots__ = ("_path", "lock", "map")

    def __init__(self, path: str, source_map: SourceMap) -> None:
        self._path = path
        self.map = source_map
        self.lock = _thread.allocate_lock()

    def save(self) -> None:
        """Write the map durably; the caller holds the lock. Raises OSError."""
        atomic_write(self._path, self.map.encode())

    def before_finish(self, segment: Segment) -> None:
        """Mark what a segment ends with, before keep may compress it and capture can no longer read it.

        Raises OSError.
        """
        with self.lock:
            file = self.map.current
            if file is None or not segment.length:
                return
            source, journal = file.pairs[-1]
            length = min(PROOF_BYTES, segment.length, segment.end - journal)
            if length <= 0:
                return  # the segment ends with another file's bytes, which were marked when we left that file
            data = tail_of(segment, length)
            file.add_mark(Mark(source + segment.end - journal, length, zlib.crc32(data)))
            self.save()
