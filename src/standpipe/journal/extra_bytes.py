"""What a journal takes on its disk besides segments, and what counts against its cap: dead letters and incidents."""

from __future__ import annotations

import os

from standpipe.journal.incidents import OLDER_SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.journal.layout import Layout


def extra_bytes(layout: Layout) -> int:
    """Return the bytes of the dead-letter and incident files. Raises OSError."""
    total = _file_bytes(layout.incidents) + _file_bytes(layout.incidents + OLDER_SUFFIX)
    try:
        names = os.listdir(layout.deadletter)
    except FileNotFoundError:
        return total
    return total + sum(_file_bytes(f"{layout.deadletter}/{name}") for name in names)


def _file_bytes(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0  # there is none, or somebody took it away meanwhile
