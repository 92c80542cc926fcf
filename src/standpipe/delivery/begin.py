"""Where a sink that takes batches goes on after a start, written into its cursor and told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from standpipe.delivery import resume as resuming

if TYPE_CHECKING:
    from standpipe.delivery.feed import ReadsJournal
    from standpipe.delivery.ledger import Ledger
    from standpipe.journal.cursor import Cursor, CursorFile
    from standpipe.observe.log import Log

NO_OUTPUT = resuming.Output("", 0)


def begin(
    name: str,
    cursor: CursorFile,
    reader: ReadsJournal,
    start: int,
    *,
    known: bool,
    seals: bool,
    ledger: Ledger,
    log: Log,
) -> Cursor:
    """Return the state to go on from, which is the cursor's then. Raises OSError.

    start: the offset at which this sink began, or begins; known: it has been delivered to before. seals: it gets seals.
    """
    base, end = reader.base, reader.end
    state = cursor.state
    if state is not None:
        # What a pipe may have lost when this sink was stdout, nobody can step back for into another destination.
        state = replace(state, output=None, writing=None, unread=None)
    plan = resuming.decide(state, NO_OUTPUT, start, base, end, damaged=cursor.damaged, known=known)
    if plan.incident:
        length, detail = resuming.detail(plan, plan.offset, name, state)
        ledger.add(plan.incident, plan.offset, length, detail)
        log.warning(
            resuming.WORDS[plan.incident],
            sink=name,
            kind=plan.incident,
            offset=plan.offset,
            may_repeat_bytes=length,
        )
    after = state.after if state is not None and state.offset == plan.offset else plan.offset
    sealed = state.sealed if state is not None and state.sealed is not None else plan.offset
    reached = None if state is None else state.sealed if seals else state.offset
    return cursor.update(
        offset=plan.offset,
        after=after,
        writing=None,
        output=None,
        unread=None,
        sealed=sealed if seals else None,
        idle=state.idle if state is not None and reached == (sealed if seals else plan.offset) else 0,
    )
