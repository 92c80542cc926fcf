"""The highest offset that any sink has acknowledged, for capture: the standard library, and as little of it as can be.

journal.cursor is where a cursor's format lives; this reads just one number of it, and takes a slot that is damaged for
none.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.journal.layout import Layout

CURSOR_BYTES_MAX = 8192  # two slots, in blocks of their own


def highest_acknowledged(layout: Layout) -> int:
    """Return the highest acknowledged offset in all cursors, 0 where there is none. Raises OSError."""
    highest = 0
    for name in os.listdir(layout.cursors):
        with open(layout.cursor(name), "rb") as file:
            content = file.read(CURSOR_BYTES_MAX)
        for slot in content.split(b"\n"):
            body, _, _ = slot.strip(b" \0").rpartition(b" ")
            try:
                offset = json.loads(body.strip())["offset"]
            except (ValueError, KeyError, TypeError):
                continue
            if isinstance(offset, int):
                highest = max(highest, offset)
    return highest
