"""Where a sink goes on after a start, and what its reader may see twice. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.journal.kinds import CURSOR_LOST, CURSOR_MOVED, REPEAT

if TYPE_CHECKING:
    from standpipe.journal.cursor import Cursor

EARLIEST, LATEST = "earliest", "latest"  # the values of sinks.<name>.start


WORDS = {  # what is said of an incident at a start
    REPEAT: "some records may reach the reader a second time",
    CURSOR_LOST: "its cursor is damaged; all that it should have had is sent again",
    CURSOR_MOVED: "its cursor was outside what the journal holds and was moved",
}


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


def start_of_new(option: str | None, base: int, end: int, *, added: bool) -> int:
    """Return where a sink begins that this journal does not know yet. option: sinks.<name>.start, None where not given.

    On the journal's first delivery, with everything that is there, unless `latest` was asked for. A sink that is
    *added* to those that a journal has begins with what comes, unless `earliest` was asked for.
    """
    if option is None:
        option = LATEST if added else EARLIEST
    return end if option == LATEST else base


def first_start(start: int, base: int, end: int) -> Resume:
    """Decide for a sink that has had nothing yet: from where it was entered to begin."""
    return Resume(min(max(start, base), end))


def lost_cursor(start: int, base: int, end: int) -> Resume:
    """Decide for a sink whose cursor file is damaged or empty: all that it should have had again, never a gap."""
    return Resume(min(max(start, base), end), repeat_end=end, incident=CURSOR_LOST)


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


def decide(
    state: Cursor | None, output: Output, start: int, base: int, end: int, *, damaged: bool, known: bool
) -> Resume:
    """Decide where a sink goes on, whatever its cursor file holds.

    state: what it says, None where it says nothing; damaged: it should. known: the sink has been delivered to before.
    start: the offset at which it began, or begins.
    """
    if state is not None:
        return resume(state, output, base, end)
    if damaged or known:
        return lost_cursor(start, base, end)
    return first_start(start, base, end)


def detail(plan: Resume, offset: int, sink: str, state: Cursor | None) -> tuple[int, dict[str, object]]:
    """Return the length and the detail of the incident of a decision; offset: where delivery really goes on."""
    length = plan.repeat_end - offset if plan.repeat_end is not None else 0
    return length, {"sink": sink, "cursor_was": state.offset if state else None}
