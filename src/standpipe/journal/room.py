"""How much room the journal has: the cap, the volume, and when writing may go on after it was full.

The cap is given to the draining thread as an offset, `allowed_end`: the current segment's base plus what is left of
the cap. It need not be told of every byte, because its own segment is the only one that grows.
"""

from __future__ import annotations

import os

from standpipe.journal.extra_bytes import extra_bytes
from standpipe.journal.layout import SEGMENT_SUFFIX, Layout, segment_file_name
from standpipe.journal.writer import FULL_ERRORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.journal.segment import Segment

RESUME_DIVISOR = 8  # write again when 1/8 of a segment fits: fewer, larger pieces
RESUME_CAP_DIVISOR = 4  # of a tiny cap this much comes free when one of its segments goes
RESUME_BYTES_MIN = 64 << 10  # and never for less than this, unless the cap itself is smaller
REFUSED_RETRY_SECONDS = 1.0  # a quota does not show in statvfs, so a refusing file system is tried again after this


def _size_of(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0  # keep deleted it meanwhile


class Room:
    """Measures one journal's room. Sizes in bytes."""

    __slots__ = ("_cap_bytes", "_layout", "resume_bytes")

    def __init__(self, layout: Layout, cap_bytes: int, segment_size: int) -> None:
        self._layout = layout
        self._cap_bytes = cap_bytes
        self.resume_bytes = min(max(RESUME_BYTES_MIN, segment_size // RESUME_DIVISOR), cap_bytes // RESUME_CAP_DIVISOR)

    def used_besides(self, current: Segment) -> int:
        """Return what everything but the current segment takes from the cap. Raises OSError."""
        name = segment_file_name(current.base, SEGMENT_SUFFIX)
        used = 0
        with os.scandir(self._layout.segments) as entries:
            used += sum(_size_of(entry) for entry in entries if entry.name != name)
        return used + extra_bytes(self._layout)

    def allowed_end(self, current: Segment) -> int:
        """Return the journal offset at which the cap is reached. Raises OSError."""
        return current.base + self._cap_bytes - self.used_besides(current)

    def may_retry(self, refused: int, refused_seconds_ago: float) -> bool:
        """Tell whether a file system that refused bytes with this errno may be tried again."""
        if refused not in FULL_ERRORS or refused_seconds_ago >= REFUSED_RETRY_SECONDS:
            return True
        try:
            volume = os.statvfs(self._layout.segments)
        except OSError:
            return False
        return volume.f_bavail * volume.f_frsize >= self.resume_bytes
