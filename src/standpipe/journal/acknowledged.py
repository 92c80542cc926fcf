"""The highest offset that any sink has acknowledged or was writing, for capture: as little code as can be.

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
    """Return the highest offset that may have left the journal by any sink, 0 where none has. Raises OSError."""
    highest = 0
    for name in os.listdir(layout.cursors):
        with open(layout.cursor(name), "rb") as file:
            content = file.read(CURSOR_BYTES_MAX)
        for line in content.split(b"\n"):
            body, _, _ = line.strip(b" \0").rpartition(b" ")
            try:
                slot = json.loads(body.strip())
                highest = max(highest, int(slot["offset"]), int(slot["writing"] or 0))
            except (ValueError, KeyError, TypeError):
                continue
    return highest
