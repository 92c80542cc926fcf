"""Where a sink goes on after a start, and what its reader may see twice. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.journal.kinds import CURSOR_LOST, CURSOR_MOVED, REPEAT

if TYPE_CHECKING:
    from standpipe.journal.cursor import Cursor

LATEST = "latest"  # the value of sinks.<name>.start; the other one, earliest, is the default


@dataclass(frozen=True, slots=True)
class Output:
    """What stdout is now. `pipe_bytes` is its capacity, 0 where it is no pipe."""

    name: str
    pipe_bytes: int


@dataclass(frozen=True, slots=True)
class Resume:
    """The decision. Offsets are journal offsets.

    offset            where to go on; the caller moves it back to the beginning of a record where `align` is set
    end_fragment      write one newline first: a write may have been cut in the middle of a line
    repeat_end        bytes in [offset, repeat_end) may reach the reader a second time; None for none
    incident          what to record (one of journal.kinds), or None
    """

    offset: int
    align: bool = False
    end_fragment: bool = False
    repeat_end: int | None = None
    incident: str | None = None


def first_start(start: str | None, base: int, end: int) -> Resume:
    """Decide for a sink without a cursor: everything that is there, unless `start: latest` was asked for.

    So a sink that was renamed repeats records, which is seen, and never skips any, which would not be.
    """
    return Resume(end if start == LATEST else base)


def lost_cursor(base: int, end: int) -> Resume:
    """Decide for a sink whose cursor file is damaged: everything again, never a gap."""
    return Resume(base, repeat_end=end, incident=CURSOR_LOST)


def resume(cursor: Cursor, output: Output, base: int, end: int) -> Resume:
    """Decide for a sink whose cursor is known.

    On the same pipe or file: on from the cursor; where a write was under way, that line is ended and sent again. On
    another one: what the reader had not taken is gone with its pipe, at most its capacity, so delivery steps back.
    """
    cut = cursor.writing is not None and cursor.output == output.name
    if cursor.offset < base:
        return Resume(base, end_fragment=cut, incident=CURSOR_MOVED)
    if cursor.offset > end:
        return Resume(end, end_fragment=cut, incident=CURSOR_MOVED)
    reached = max(cursor.offset, cursor.writing or 0)
    if cursor.output is None or cursor.output == output.name or not cursor.output.startswith("pipe "):
        if cursor.writing is None:
            return Resume(cursor.offset)
        return Resume(cursor.offset, end_fragment=cut, repeat_end=reached, incident=REPEAT)
    back = output.pipe_bytes if cursor.unread is None else cursor.unread
    if not back and cursor.writing is None:
        return Resume(cursor.offset)
    return Resume(max(base, cursor.offset - back), align=True, repeat_end=reached, incident=REPEAT)
