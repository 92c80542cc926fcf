"""Reclaim as the thread that follows the file sees it: one of two ways, or none, told of everything that moves."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.capture.followed import Followed, Left
    from standpipe.capture.punching import Punching
    from standpipe.capture.reopen import Reopen
    from standpipe.journal.syncer import Syncer


class Reclaim:
    """Holes are punched on the syncer's thread; the file is reopened by steps on ours."""

    def __init__(self, punching: Punching, reopen: Reopen | None, syncer: Syncer) -> None:
        self._punching = punching
        self._reopen = reopen
        self._syncer = syncer

    def follow(self, current: Followed) -> None:
        """Take over a file."""
        self._punching.follow(current.file, current.known)
        if self._reopen is not None:
            self._reopen.follow(current)

    def copied(self, end: int) -> None:
        """Take note of the journal's new end."""
        if self._punching.is_due(end):
            self._syncer.wake()

    def step(self, current: Followed, left: list[Left], end: int, *, line_open: bool) -> None:
        """Do one thing at most, and wait for nothing."""
        if self._reopen is not None:
            self._reopen.unlink_finished(left, self._syncer.safe_until)
            self._want_safe(self._reopen.needed_end(left))
            self._reopen.step(current, end, line_open=line_open)

    def _want_safe(self, end: int) -> None:
        """Have the journal synced up to an offset now: what waits for it takes room until then."""
        if end > max(self._punching.wanted_end, self._syncer.safe_until):
            self._punching.wanted_end = end
            self._syncer.wake()

    def is_under_way(self, current: Followed) -> bool:
        """Tell whether we renamed the file that is followed, so that its name's absence is no news."""
        return self._reopen is not None and self._reopen.is_under_way(current)
