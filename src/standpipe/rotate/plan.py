"""What to do next, given what is written down and what is seen. Pure.

Whoever starts decides by this table and by nothing else, so a kill between any two steps is an ordinary start:

=====================================================  ==============================================
found                                                  next step
=====================================================  ==============================================
archive pending, its file has its name                 ADVANCE: note it as archived
archive pending, its file has its temporary name       PUBLISH: give it its name
archive pending, another file has the name             RENAME_PENDING: choose another name
archive pending, its file is nowhere                   FORGET_PENDING: it is made again from the live file
temporary file, nothing pending                        DROP_TEMPORARY: it was never complete
reopen under way, the file has both names              UNLINK_LIVE_NAME: link and unlink stand for rename there
reopen under way, the file is still (or again) P       FORGET_REOPEN: nothing has happened
reopen under way, the file has its name, no P          SIGNAL: SIGHUP, wait for P; else give the name back
reopen under way, the file has its name, P is another  SETTLE: wait until nobody writes to it, sync
reopen under way, the file is nowhere                  FORGET_REOPEN: somebody else moved it
P holds what we know of it                             COPY or RENAME when it is due, else REST
P does not, a file beside it does                      TAKE_OVER: archive the rest of that one first
P does not, nor does any other                         START_ANEW: say what is gone
there is no P                                          MISSING
=====================================================  ==============================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from standpipe.rotate.names import Archive
    from standpipe.rotate.state import State

Way = Literal["punch", "reopen"]

BLOCK_BYTES = 4096  # a hole is made of whole blocks; the smallest common block of ext4, XFS, btrfs, tmpfs
RETAINED_BYTES_MIN = 2 * BLOCK_BYTES  # the proof of identity, and the block in which it begins


class Step(Enum):
    """The next thing to do."""

    ADVANCE = auto()
    PUBLISH = auto()
    RENAME_PENDING = auto()
    FORGET_PENDING = auto()
    DROP_TEMPORARY = auto()
    UNLINK_LIVE_NAME = auto()
    FORGET_REOPEN = auto()
    SIGNAL = auto()
    SETTLE = auto()
    COPY = auto()
    RENAME = auto()
    REST = auto()
    TAKE_OVER = auto()
    START_ANEW = auto()
    MISSING = auto()


@dataclass(frozen=True, slots=True)
class Seen:
    """What is there now. Inode numbers are None where nothing has the name."""

    live: int | None = None
    live_size: int = 0
    known: bool = True  # P holds the bytes that the state's proof names, or there is no proof
    elsewhere: bool = False  # another file in the directory does
    temporary: int | None = None
    named: int | None = None  # what has the name of the pending archive, or that of the reopen


def next_step(state: State, seen: Seen, way: Way, max_size_bytes: int) -> Step:
    """Return the next step; see the module's table."""
    if state.pending is not None:
        return _finish_pending(state.pending.inode, seen)
    if seen.temporary is not None:
        return Step.DROP_TEMPORARY
    if state.reopen is not None:
        return _finish_reopen(state.reopen.inode, seen)
    return _go_on(state, seen, way, max_size_bytes)


def _go_on(state: State, seen: Seen, way: Way, max_size_bytes: int) -> Step:
    """Return the next step where nothing is half done."""
    if state.file is not None and not (seen.live is not None and seen.known) and seen.elsewhere:
        return Step.TAKE_OVER
    if seen.live is None:
        return Step.MISSING
    if not seen.known:
        return Step.START_ANEW
    archived_to = state.file.archived_to if state.file is not None else 0
    if seen.live_size - archived_to < max_size_bytes:
        return Step.REST
    return Step.COPY if way == "punch" else Step.RENAME


def _finish_pending(inode: int, seen: Seen) -> Step:
    if seen.named == inode:
        return Step.ADVANCE
    if seen.temporary != inode:
        return Step.FORGET_PENDING
    return Step.PUBLISH if seen.named is None else Step.RENAME_PENDING


def _finish_reopen(inode: int, seen: Seen) -> Step:
    if seen.named == inode:
        if seen.live == inode:
            return Step.UNLINK_LIVE_NAME
        return Step.SIGNAL if seen.live is None else Step.SETTLE
    return Step.FORGET_REOPEN


def punch_end(archived_to: int, max_size_bytes: int) -> int:
    """Return up to where the live file may become a hole.

    The newest max_size_bytes of what is archived stay for a shipper that reads the live file and lags; so do the
    bytes that prove the file's identity.
    """
    return max(0, archived_to - max(max_size_bytes, RETAINED_BYTES_MIN)) // BLOCK_BYTES * BLOCK_BYTES


def to_delete(
    archives: Sequence[Archive], keep: int, max_age_seconds: float | None, now: float, excluded: Collection[str] = ()
) -> list[Archive]:
    """Return the archives that are beyond keep, or older than max_age_seconds; archives: the oldest first.

    excluded: names that are not finished. They count, and stay.
    """
    old = archives[: max(0, len(archives) - keep)]
    if max_age_seconds is not None:
        old = [a for i, a in enumerate(archives) if i < len(old) or now - a.stamp > max_age_seconds]
    return [archive for archive in old if archive.name not in excluded]


def is_settled(writers: int, *, complete: bool, quiet_seconds: float, quiet_enough_seconds: float) -> bool:
    """Say whether a renamed file will grow no more.

    writers: processes known to have it open for writing; complete: whether we could look into every process, else
    quiet_seconds without growth must do.
    """
    if writers:
        return False
    return complete or quiet_seconds >= quiet_enough_seconds
