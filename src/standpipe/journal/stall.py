"""When writing must wait for room, and when it may go on.

ENOSPC, or the cap reached: the bytes stay in the pipes, an incident is written as soon as it can be, and the second
thread looks again and again. Writing resumes when there is room for a sensible piece, not for one byte; a full disk
that takes a piece now and then is told about once.
"""

from __future__ import annotations

import os

from standpipe.journal import kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.journal.room import Room
    from standpipe.journal.segment import Segment
    from standpipe.journal.writer import Writer
    from standpipe.observe.log import Log

MEASURE_SECONDS = 1.0  # how often the room is measured while there is plenty
CALM_SECONDS = 1.0  # a stall that comes again within this has not ended: longer than the pipes need to hit a full disk
REMEDY_PAGE = "docs/journal-full.md"


class Stall:
    """The state of one writer's room. `wanted` is set by the draining thread when it meets the cap."""

    __slots__ = (
        "_clock",
        "_log",
        "_measured_at",
        "_note",
        "_on_begin",
        "_resumed_at",
        "_room",
        "_since",
        "_told_end",
        "_unmeasured",
        "_writer",
        "wanted",
    )

    def __init__(
        self,
        room: Room,
        writer: Writer,
        *,
        note: Callable[[str, int | None, int | None, dict[str, object]], None],
        on_begin: Callable[[int, str], None],
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._room = room
        self._writer = writer
        self._note = note
        self._on_begin = on_begin
        self._log = log
        self._clock = clock
        self._since: float | None = None
        self._resumed_at: float | None = None
        self._told_end = -1
        self._unmeasured = False
        self._measured_at = clock()
        self.wanted = False

    def measure(self, current: Segment) -> int:
        """Move the cap's offset and return the room in bytes; a stall ends only with a sensible piece of it."""
        self._measured_at = self._clock()
        try:
            allowed_end = self._room.allowed_end(current)
            self._unmeasured = False
        except OSError as error:
            allowed_end = self._writer.allowed_end
            if not self._unmeasured:
                self._unmeasured = True
                self._log.error("cannot measure the journal; its cap stays where it was", error=error.strerror)
        room = allowed_end - current.end
        if self._since is None or room >= self._room.resume_bytes:
            self._writer.allowed_end = allowed_end
        return room

    def look(self, current: Segment, *, failed: bool) -> bool:
        """Begin or end a stall; return whether there is one. `failed`: the current segment waits for its rescue."""
        if self._since is not None:
            return not self._try_to_resume(self._since, current, failed=failed)
        if self.wanted or self._writer.refused:
            self._begin(current)
            return True
        now = self._clock()
        if now - self._measured_at >= MEASURE_SECONDS:
            self.measure(current)
        self._tell_end(now)
        return False

    def _begin(self, current: Segment) -> None:
        self._since = self._clock()
        self._resumed_at = None
        refused = self._writer.refused
        reason = os.strerror(refused) if refused else "the cap (journal.max_size) is reached"
        if self._told_end < 0 or current.end - self._told_end >= self._room.resume_bytes:
            self._told_end = current.end
            self._note(kinds.DISK_FULL, current.end, None, {"reason": reason})
            self._log.error(
                "the journal takes no more: bytes wait in the pipes, and Vault waits when these are full",
                reason=reason,
                see=REMEDY_PAGE,
            )
        self._on_begin(refused, reason)

    def _try_to_resume(self, since: float, current: Segment, *, failed: bool) -> bool:
        if self.measure(current) < self._room.resume_bytes or failed:
            return False
        now = self._clock()
        if self._writer.refused and not self._room.may_retry(self._writer.refused, now - since):
            return False
        self._since = None
        self.wanted = False
        self._writer.refused = 0
        self._resumed_at = now
        return True

    def _tell_end(self, now: float) -> None:
        """Tell that bytes flow again, once they have for a while: a full disk is tried again every second."""
        if self._resumed_at is not None and now - self._resumed_at >= CALM_SECONDS:
            self._resumed_at = None
            self._told_end = -1
            self._log.info("the journal takes bytes again")
