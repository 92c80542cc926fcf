"""Reclaim by rename and SIGHUP: Vault opens a new file, the old one is finished, and then unlinked.

No state is kept on disk but the file's name (capture.generation_names): a start that finds a renamed file and no live
one goes on with the signal, and one that finds a finished file goes on with the unlinking. What comes next says
capture.reclaim_plan; each call of `step` does one thing at most, and waits for nothing.
"""

from __future__ import annotations

import os

from standpipe.capture.generation_names import reclaimed_name
from standpipe.capture.generations import is_reclaimed
from standpipe.capture.lease import is_unused
from standpipe.capture.reclaim_plan import (
    QUIET,
    RENAME,
    RENAME_BACK,
    RENAMED,
    RETRY_SECONDS,
    SIGNAL,
    SIGNALLED,
    is_near_limit,
    may_unlink,
    reopen_step,
)
from standpipe.capture.volume import first_data, rename_no_replace
from standpipe.errors import SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.capture.follow_report import Report
    from standpipe.capture.followed import Followed, Left
    from standpipe.vault.process import Reloader

ASK_AGAIN_SECONDS = 10.0  # whether a signal can reach Vault: a walk through /proc
LOOK_SECONDS = 0.25  # between two looks at whether one file may go: each may cost a walk through /proc


class Reopen:
    """The state machine of one path. clock: monotonic seconds."""

    def __init__(
        self, path: str, reloader: Reloader, report: Report, clock: Callable[[], float], at_bytes: int
    ) -> None:
        self._path = path
        self._reloader = reloader
        self._report = report
        self._clock = clock
        self._at_bytes = at_bytes
        self._start = 0  # the first byte of the current file that takes room
        self._since = clock()
        self._signalled = False
        self._not_before = clock()
        self._refused_since: float | None = None
        self._told = ""
        self._told_near = False
        self.allowed = False  # to rename at all
        self.wanted = False  # holes are punched, and only a size near its limit asks for this
        self.max_apparent_size = 1 << 62

    def follow(self, current: Followed) -> None:
        """Take over a file."""
        self._start = first_data(current.file.descriptor, 0) or 0
        self._signalled = False
        self._told_near = False
        self._since = self._clock()

    def step(self, current: Followed, end: int, *, line_open: bool) -> None:
        """Do what is next, if anything. end: of the journal."""
        under_way = is_reclaimed(self._path, current.file)
        due = self.wanted and current.position - self._start >= self._at_bytes
        size = current.seen_size
        if is_near_limit(size, self.max_apparent_size):
            due = self.allowed
            self._tell_near(current)
        if not (under_way or due):
            return
        now = self._clock()
        if not (under_way or self._may_try(now, end)):
            return
        step = reopen_step(
            (SIGNALLED if self._signalled else RENAMED) if under_way else QUIET,
            path_is_there=os.path.lexists(self._live()),
            due=due,
            ends_line=not line_open,
            since_seconds=now - self._since,
        )
        if step == RENAME:
            self._rename(current, end)
        elif step == SIGNAL:
            self._signal(end)
        elif step == RENAME_BACK:
            self._rename_back(current, end)

    def _may_try(self, now: float, end: int) -> bool:
        """Tell whether a signal could be sent now; where it could not, that is told, and asked again later."""
        if now < self._not_before:
            return False
        try:
            reason = self._reloader.why_not_now()
        except SourceError as error:  # the process ended between two questions
            reason = str(error)
        if not reason:
            self._refused_since = None
            return True
        self._not_before = now + ASK_AGAIN_SECONDS
        if self._refused_since is None:
            self._refused_since = now
        elif self.wanted:  # not at once: Vault may be starting
            self._tell(reason, end)
        return False

    def _tell_near(self, current: Followed) -> None:
        if not self._told_near:
            self._told_near = True
            self._report.log.warning(
                "the audit log's size nears its limit; a new file is begun if SIGHUP can reach Vault",
                path=current.file.path,
                apparent_size=current.seen_size,
                max_apparent_size=self.max_apparent_size,
                why_not=self._reloader.why_not(),
            )

    def _live(self) -> str:
        """Return where the live file stands, behind a symbolic link if there is one."""
        return os.path.realpath(self._path)

    def _rename(self, current: Followed, end: int) -> None:
        live = self._live()
        status = os.stat(live)
        if not current.file.is_at(status):
            return  # somebody else rotates at this moment
        if status.st_nlink > 1:
            self._give_up("it has a second name (a hard link)", end)
            return
        name = f"{os.path.dirname(live)}/{reclaimed_name(os.path.basename(live), end)}"
        try:
            rename_no_replace(live, name)
        except OSError as error:
            self._give_up(f"it cannot be renamed: {error.strerror}", end)
            return
        current.file.path = name
        self._since = self._clock()

    def _signal(self, end: int) -> None:
        try:
            reason = self._reloader.reload()
        except (SourceError, OSError) as error:
            reason = str(error)
        self._signalled = not reason
        if reason:
            self._tell(f"SIGHUP was not sent: {reason}", end)
        if not reason:
            self._since = self._clock()

    def _rename_back(self, current: Followed, end: int) -> None:
        live = self._live()
        try:
            rename_no_replace(current.file.path, live)
        except FileExistsError:
            return  # it has come back after all
        except OSError as error:  # somebody removed it: it is followed as any file that was deleted
            current.file.path = live
            self._give_up(f"{live} cannot get its name back: {error.strerror}", end)
            return
        current.file.path = live
        self._signalled = False
        self._give_up("Vault opened no new file after SIGHUP; the old one has its name again", end)

    def _give_up(self, reason: str, end: int) -> None:
        self._not_before = self._clock() + RETRY_SECONDS
        self._tell(reason, end)

    def _tell(self, reason: str, end: int) -> None:
        if self._told == reason:
            return
        self._told = reason
        self._report.reclaim_stopped(self._path, reason, end)

    def needed_end(self, lefts: list[Left]) -> int:
        """Return the journal's offset up to which its bytes must be on disk before all that we renamed may go."""
        return max((left.journal_end for left in lefts if is_reclaimed(self._path, left.file)), default=0)

    def unlink_finished(self, lefts: list[Left], safe_end: int) -> None:
        """Unlink the files that we renamed and that nobody needs any more."""
        now = self._clock()
        for left in [left for left in lefts if is_reclaimed(self._path, left.file)]:
            live = self._live()
            if safe_end < left.journal_end or now - left.looked_at < LOOK_SECONDS or not os.path.exists(live):
                continue
            left.looked_at = now
            if self._may_unlink(left, live, safe_end, now) and self._unlink(left):
                left.file.close()
                lefts.remove(left)
                self._told = ""

    def _unlink(self, left: Left) -> bool:
        """Unlink a file, if its name is still its own; False where that has to be tried again."""
        try:
            if left.file.is_at(os.lstat(left.file.path)):
                os.unlink(left.file.path)
        except FileNotFoundError:
            return True
        except OSError as error:
            self._tell(f"{left.file.path} cannot be unlinked: {error.strerror}", left.journal_end)
            return False
        return True

    def _may_unlink(self, left: Left, live: str, safe_end: int, now: float) -> bool:
        try:
            path_is_another = not left.file.is_at(os.stat(live))
        except OSError:
            return False  # the live file has not come back
        return may_unlink(
            captured=left.file.size == left.known.end,
            safe=safe_end >= left.journal_end,
            path_is_another=path_is_another,
            unused=is_unused(left.file) is True and left.file.size == left.known.end,
            rests_seconds=now - left.rests_since,
        )
