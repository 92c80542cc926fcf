"""What happens to a segment whose fsync failed: it is closed for ever, and what was not safe is copied.

After a failed fsync the kernel marks the pages clean and forgets: a second fsync of the same file succeeds and says
nothing about the first (measured: 455,680 zero bytes on disk after an fdatasync that returned 0). The bytes are
still in the page cache, so they are copied from there to a new file whose base is the first offset that was not
safe, and that file is synced instead. The failed file keeps its name, and the next base bounds it (journal.layout).
Where nothing of it was safe, the copy takes its name.

The mark ``<base>.failed`` is written first, so that a kill between the steps is seen at start-up. Its text is one
JSON line: ``{"synced":…,"length":…,"copied":false|true}``, in bytes from the segment's base.
"""

from __future__ import annotations

import json
import os

from standpipe.journal.atomic import atomic_write
from standpipe.journal.layout import FAILED_SUFFIX, Layout
from standpipe.journal.segment import Segment, copy_range, name_next, prepare_next


def write_mark(layout: Layout, base: int, synced_length: int, length: int, *, copied: bool) -> None:
    """Write the failure mark of a segment. Raises OSError."""
    entry = {"synced": synced_length, "length": length, "copied": copied}
    atomic_write(layout.segment(base, FAILED_SUFFIX), json.dumps(entry).encode() + b"\n")


def read_mark(layout: Layout, base: int) -> tuple[int, bool] | None:
    """Return (safe length, copied already) of a segment's failure mark, or None where there is none."""
    try:
        with open(layout.segment(base, FAILED_SUFFIX), "rb") as file:
            entry = json.loads(file.read())
        return int(entry["synced"]), entry["copied"] is True
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return 0, False  # a torn mark: nothing is known to be safe


def rescue(layout: Layout, failed: Segment, now: float) -> Segment:
    """Copy what was not safe to a new, synced segment and return it; the failed one is left open.

    Every step may be repeated after any crash. Raises OSError where the disk refuses this too: try again later.
    """
    safe, length = failed.synced_length, failed.length
    write_mark(layout, failed.base, safe, length, copied=False)
    descriptor = prepare_next(layout)
    try:
        copy_range(failed.descriptor, safe, length, descriptor)
        os.fsync(descriptor)
        name_next(layout, failed.base + safe)
    except OSError:
        os.close(descriptor)
        raise
    write_mark(layout, failed.base, safe, length, copied=True)
    return Segment(failed.base + safe, descriptor, length - safe, length - safe, now)
