"""What happens to a segment whose fsync failed: it is closed for ever, and what was not safe is copied.

After a failed fsync the kernel marks the pages clean and forgets: a second fsync of the same file succeeds and says
nothing about the first (measured: 455,680 zero bytes on disk after an fdatasync that returned 0). The bytes are
still in the page cache, so they are copied from there to a new file whose base is the first offset that was not
safe, and that file is synced instead. The failed file keeps its name, and the next base bounds it (journal.layout).
Where nothing of it was safe, the copy takes its name.

The mark ``<base>.failed`` is left at once, in the page cache if the disk takes nothing, so that a kill at any later
moment is seen at start-up: the kernel would not tell a successor. It is made durable before the copy. Its text is
one JSON line: ``{"synced":…,"length":…,"copied":false|true}``, in bytes from the segment's base.
"""

from __future__ import annotations

import json
import os

from standpipe.journal.atomic import atomic_write, write_all
from standpipe.journal.layout import FAILED_SUFFIX, FILE_MODE, Layout
from standpipe.journal.segment import Segment, copy_range, name_next, prepare_next


def _mark(synced_length: int, length: int, *, copied: bool) -> bytes:
    return json.dumps({"synced": synced_length, "length": length, "copied": copied}).encode() + b"\n"


def write_mark(layout: Layout, base: int, synced_length: int, length: int, *, copied: bool) -> None:
    """Write the failure mark of a segment. Raises OSError."""
    atomic_write(layout.segment(base, FAILED_SUFFIX), _mark(synced_length, length, copied=copied))


def leave_mark(layout: Layout, failed: Segment) -> None:
    """Leave the mark for a successor under this boot, without waiting for the disk.

    A torn one says that nothing is safe. After a power loss none is needed: the tail is not relied on. Raises OSError.
    """
    path = layout.segment(failed.base, FAILED_SUFFIX)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)
    try:
        write_all(descriptor, _mark(failed.synced_length, failed.length, copied=False))
    finally:
        os.close(descriptor)


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
