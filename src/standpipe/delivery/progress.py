"""What one sink has reached, and what is to be said about it: cursor, state, log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from standpipe.journal import sink_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.delivery.feed import Parcel
    from standpipe.delivery.waiting import Waiting
    from standpipe.journal.cursor import Cursor
    from standpipe.observe.log import Log
    from standpipe.records.framing import Record

UNREADABLE_RETRY_SECONDS = 10.0  # a damaged file of the journal does not mend itself; a disk that failed once may
SAME_TROUBLE_SECONDS = 60.0  # a destination that fails now and then must not fill the log
WHY_LENGTH_MAX = 300  # characters: enough to know what to do; a server's error page does not belong into a log line
NOTICES_MAX = 16  # different ones that are told; a sink that says something new each time must not fill the log
DEAD_LETTERS_TOLD = 3  # in the log, one by one; all of them are incidents


class TellsStates(Protocol):
    """Who wants to know what ails a sink: see SinkStates."""

    def tell(self, name: str, state: str, why: str) -> None:
        """Note a sink's state."""

    def begin(self, name: str) -> None:
        """Note that a sink's cursor was made."""


class KeepsCursor(Protocol):
    """Where a sink's progress is kept: see CursorFile."""

    @property
    def state(self) -> Cursor | None:
        """The state written last, None where there is none."""

    def update(self, **changes: object) -> Cursor:
        """Write a new state. Raises OSError."""

    def close(self) -> None:
        """Make it durable. Raises OSError."""


class Progress:
    """One sink's; used by its pump's thread."""

    def __init__(self, name: str, cursor: KeepsCursor, states: TellsStates, wait: Waiting, log: Log) -> None:
        self.name = name
        self.wait = wait
        self.state: tuple[str, str] = ("", "")  # one of sink_entries' words, and why
        self._cursor = cursor
        self._states = states
        self._log = log
        self._told_cursor = False
        self._trouble_is_logged = False
        self._logged_at: dict[str, float] = {}  # by state
        self._notices: set[str] = set()
        self._dead_letters = 0

    def acknowledge(self, parcels: Sequence[Parcel], dead_letters: int, **changes: object) -> None:
        """Move the cursor over parcels, with their counts; changes: of its other members."""
        now = self._cursor.state
        last = parcels[-1]
        seals = next((parcel for parcel in reversed(parcels) if parcel.sealed is not None), None)
        if seals is not None:
            changes.update(sealed=seals.sealed, idle=seals.idle)
        if now is not None:
            records = sum(parcel.records for parcel in parcels)
            changes["delivered"] = now.delivered + max(0, records - dead_letters)
            changes["filtered"] = now.filtered + sum(parcel.filtered for parcel in parcels)
            changes["dead_letters"] = now.dead_letters + dead_letters
        self.save(offset=last.offset, after=last.after, **changes)

    def save(self, **changes: object) -> None:
        """Write the cursor. Where the disk refuses, delivery goes on; a kill repeats more then."""
        try:
            self._cursor.update(**changes)
            self._told_cursor = False
        except OSError as error:
            if not self._told_cursor:
                self._told_cursor = True
                self._log.error(
                    "the cursor cannot be saved; a restart would repeat records", sink=self.name, error=error.strerror
                )

    def tell(self, state: str, why: str = "") -> None:
        """Note the sink's state. A trouble is logged when it begins, and one that comes and goes once a minute."""
        why = why if len(why) <= WHY_LENGTH_MAX else f"{why[: WHY_LENGTH_MAX - 1]}…"
        if (state, why) == self.state:
            return
        before, self.state = self.state[0], (state, why)
        self._states.tell(self.name, state, why)
        if state == before:
            return
        if state == sink_entries.DELIVERING:
            if self._trouble_is_logged:
                self._trouble_is_logged = False
                self._log.info("the sink takes records again", sink=self.name)
        elif time.monotonic() - self._logged_at.get(state, float("-inf")) >= SAME_TROUBLE_SECONDS:
            self._logged_at[state] = time.monotonic()
            self._trouble_is_logged = True
            self._log_trouble(state, why)

    def _log_trouble(self, state: str, why: str) -> None:
        if state == sink_entries.RETRYING:
            self._log.warning("records are not taken at the moment; they are tried again", sink=self.name, why=why)
        elif state == sink_entries.JOURNAL_DAMAGED:
            self._log.error("what this sink should get next cannot be read from the journal", sink=self.name, why=why)
        else:
            self._log.error(
                "the sink takes nothing until somebody mends it; records stay in the journal",
                sink=self.name,
                state=state,
                why=why,
            )

    def notice(self, text: str) -> None:
        """Tell what a destination remarked, once."""
        if text not in self._notices and len(self._notices) < NOTICES_MAX:
            self._notices.add(text)
            self._log.warning("the sink remarks", sink=self.name, notice=text)

    def dead_letter(self, record: Record, why: str) -> None:
        """Tell the first dead letters; the others are incidents as well."""
        self._dead_letters += 1
        if self._dead_letters <= DEAD_LETTERS_TOLD:
            self._log.error(
                "a record was refused and is a dead letter now", sink=self.name, offset=record.offset, why=why
            )

    def end(self) -> None:
        """Make the cursor durable. Raises OSError."""
        self._cursor.close()
