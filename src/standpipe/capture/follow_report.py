"""What following a file has to tell: an incident for everything abnormal, and each state once, not at every look."""

from __future__ import annotations

import _thread

from standpipe.journal import kinds
from standpipe.journal.incidents import IncidentQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.capture.regular_file import OpenFile
    from standpipe.observe.log import Log

GONE_REMEDY = (
    "Send Vault SIGHUP, so that it opens a new one, before standpipe or Vault is restarted: else the rest is lost"
)
TRUNCATED_REMEDY = "logrotate's copytruncate does that: use `standpipe rotate`, or let standpipe give the space back"


class Report:
    """Log and incidents of one source."""

    def __init__(self, incidents_path: str, log: Log, wall_clock: Callable[[], float]) -> None:
        self.log = log
        self._wall_clock = wall_clock
        self._queue = IncidentQueue(incidents_path)
        self._state = ""
        self._no_way = ""
        self._refused: dict[str, int | None] = {}
        self._lock = _thread.allocate_lock()  # both threads of capture tell of things

    def flush(self) -> None:
        """Write the incidents that a full disk refused before."""
        with self._lock:
            self._queue.flush()

    def note(self, kind: str, offset: int, length: int, detail: dict[str, object]) -> None:
        """Write an incident, now or as soon as the disk takes it."""
        with self._lock:
            self._queue.add(kind, offset, length, detail, self._wall_clock())
            self._queue.flush()

    # Incidents.

    def truncated(self, path: str, position: int, seen_size: int | None, end: int, copy: OpenFile | None) -> None:
        """Tell that somebody cut the file: [source_from, source_to) is lost.

        position: how far it was captured; a copy has more than that. source_to is the largest size that we saw (null
        where nobody was looking). What was written between that look and the cut is lost too, and no one can tell
        how much that was: where nothing else is known to be lost, lost_bytes is "unknown".
        """
        source_from = position if copy is None else max(position, copy.size)
        source_to = None if seen_size is None else max(source_from, seen_size)
        lost: object = "unknown" if source_to is None or source_to == source_from else source_to - source_from
        detail: dict[str, object] = {
            "path": path,
            "source_from": source_from,
            "source_to": source_to,
            "lost_bytes": lost,
            "copy": copy.path if copy is not None else None,
        }
        self.note(kinds.TRUNCATED, end, 0, detail)
        self.log.error(
            "the audit log was truncated by somebody else",
            path=path,
            source_offset=source_from,
            journal_offset=end,
            lost_bytes=lost,
            copy=detail["copy"],
            remedy=TRUNCATED_REMEDY,
        )

    def rolled_back(self, path: str, position: int, to: int, end: int) -> None:
        """Tell that the file lost bytes in a power loss which the journal still has."""
        detail: dict[str, object] = {"path": path, "source_from": to, "source_to": position, "lost_bytes": 0}
        self.note(kinds.SOURCE_ROLLED_BACK, end, 0, detail)
        self.log.warning(
            "the audit log lost bytes in a power loss; the journal has them",
            path=path,
            source_offset=to,
            journal_offset=end,
        )

    def lost(self, path: str, position: int, end: int, copy: str | None = None) -> None:
        """Tell that the file that was followed is nowhere, or only a copy of it: what it got since is lost, if any."""
        detail: dict[str, object] = {"path": path, "source_from": position, "lost_bytes": "unknown", "copy": copy}
        self.note(kinds.SOURCE_LOST, end, 0, detail)
        self.log.error(
            "the file that was being followed has gone; what it got after this offset is lost",
            path=path,
            source_offset=position,
            journal_offset=end,
            copy=copy,
        )

    def hole(self, path: str, skipped: int, end: int) -> None:
        """Tell that a file began with bytes that are none."""
        detail: dict[str, object] = {"path": path, "source_from": 0, "source_to": skipped}
        self.note(kinds.SOURCE_HOLE, end, 0, detail)
        self.log.warning(
            "the file begins with a hole or NUL bytes, which are passed over", path=path, source_offset=skipped
        )

    def torn_end(self, path: str, end: int) -> None:
        """Tell that a file's last line had no end, and that we end it with a newline of our own."""
        self.note(kinds.TORN, end, 1, {"path": path, "reason": "the file ended inside a line; a newline was added"})
        self.log.warning("the file ended inside a line", path=path, journal_offset=end)

    def late(self, path: str, position: int, end: int) -> None:
        """Tell that a file grew after Vault had begun a new one."""
        self.log.warning(
            "an older file grew again: is there a second audit device on this path?",
            path=path,
            source_offset=position,
            journal_offset=end,
        )

    def reclaim_stopped(self, path: str, reason: str, end: int) -> None:
        """Tell that a file's disk space is not given back."""
        self.note(kinds.RECLAIM_STOPPED, end, 0, {"path": path, "reason": reason})
        self.log.error("the audit log's disk space cannot be given back", path=path, reason=reason)

    # States, each told once.

    def _enter(self, state: str) -> bool:
        entered = state != self._state
        self._state = state
        return entered

    def following(self, path: str, position: int, end: int) -> None:
        """Tell which file is read now."""
        self._state = ""
        self.log.info("following", path=path, source_offset=position, journal_offset=end)

    def in_place(self) -> None:
        """Note that the path leads to the file that is read."""
        self._state = ""

    def missing(self, path: str, now: str, *, unlinked: bool, end: int) -> None:
        """Tell that the path leads nowhere while we follow a file that it led to; `now`: that file's present name."""
        if not self._enter(f"missing {unlinked}"):
            return
        if unlinked:
            self.note(kinds.SOURCE_DELETED, end, 0, {"path": path})
            self.log.error("the audit log was deleted; it is followed as long as Vault writes", remedy=GONE_REMEDY)
        else:
            self.log.info("the audit log was renamed; it is followed until a new one appears", path=now)

    def unreachable(self, path: str, error: OSError) -> None:
        """Tell that the path cannot be looked at, or leads nowhere."""
        if self._enter(f"unreachable {error.errno}"):
            self.log.warning("waiting for the audit log", path=path, error=error.strerror)

    def cannot_open(self, path: str, error: OSError) -> None:
        """Tell that a file cannot be opened; again only when it is another file, or for another reason."""
        if self._refused.get(path) != error.errno:
            self._refused[path] = error.errno
            self.log.warning("an audit log cannot be opened", path=path, error=error.strerror)

    def no_way(self, reason: str) -> None:
        """Tell that the file's space cannot be given back here; each reason once."""
        if reason != self._no_way:
            self._no_way = reason
            self.log.error("the audit log's disk space is not given back: it will fill its volume", reason=reason)

    def not_regular(self, path: str, kind: str) -> None:
        """Tell that the path leads to something that is no file."""
        if self._enter(f"not regular {kind}"):
            self.log.error(
                "the audit log is no regular file",
                path=path,
                kind=kind,
                remedy="Give Vault's audit device a file of its own; for a FIFO use --fifo",
            )
