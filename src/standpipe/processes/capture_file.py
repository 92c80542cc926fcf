"""`standpipe capture --file`: what a live file as the source needs before, while and after it runs."""

from __future__ import annotations

import os
import resource
import time

from standpipe.capture.file_start import FileStart
from standpipe.capture.follow import FileCapture
from standpipe.capture.follow_report import Report
from standpipe.capture.punching import Punching
from standpipe.capture.reclaim import Reclaim, Way
from standpipe.capture.reclaim_plan import NONE, PUNCH, REOPEN, choose_way
from standpipe.capture.reopen import Reopen
from standpipe.capture.volume import why_not_punch
from standpipe.vault.process import Reloader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.capture.pipe import Wake
    from standpipe.cli.plain import Parsed
    from standpipe.journal.layout import Layout
    from standpipe.journal.segment import Segment
    from standpipe.journal.syncer import Syncer
    from standpipe.journal.writer import Writer
    from standpipe.observe.log import Log
    from standpipe.processes.capture import Stop

QUIET_SECONDS = 2.0  # at a stop, where Vault cannot be seen: nothing new for so long means that it has gone, or is idle
DEAD_QUIET_SECONDS = 0.2  # after SIGUSR1: the writer is dead, and what it wrote is in the file


class FileSource:
    """A file that Vault appends to."""

    def __init__(self, options: Parsed, layout: Layout, log: Log, wake: Wake) -> None:
        self._options = options
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each generation is looked into at the start
        self._path = os.path.abspath(options.text("file"))
        self._layout = layout
        self._log = log
        self._wake = wake
        self._report = Report(layout.incidents, log, time.time)
        pid = options.integer("signal-pid") if options.given("signal-pid") else None
        self._reloader = Reloader(pid, options.text("pid-file") or None)

    def before_recovery(self) -> dict[str, object]:
        """Find the file that was followed, and how space is given back; return what boot.json is to say.

        Raises OSError, JournalError and SourceError.
        """
        self._start = FileStart(self._path, self._layout, self._report)
        self.before_finish = self._start.store.before_finish
        self._way = Way(self._ask_way, self._start.store, self._log, time.monotonic)
        at_bytes = self._options.integer("reclaim-at")
        self.companion = Punching(self._layout, self._start.store, self._report, at_bytes)
        self._reopen = Reopen(self._path, self._reloader, self._report, time.monotonic, at_bytes)
        self._reopen.max_apparent_size = self._options.integer("max-apparent-size")
        return {"file": self._path}

    def _ask_way(self) -> tuple[str, str]:
        wish = self._options.text("reclaim")
        way, reason = choose_way(
            wish,
            why_not_punch(self._path) if wish in ("auto", PUNCH) else "",
            self._reloader.why_not() if wish in ("auto", REOPEN) else "",
        )
        if way == NONE and wish != NONE:
            self._report.no_way(reason)
        return way, reason

    def open(self, writer: Writer, syncer: Syncer, current: Segment) -> None:
        """Go on where the journal ends. Raises OSError."""
        self._capture = FileCapture(
            self._path,
            self._layout,
            writer,
            self._start.store,
            self._report,
            Reclaim(self._way, self.companion, self._reopen, syncer),
            self._wake,
            time.monotonic,
        )
        self._start.begin(self._capture, current.end)
        self.run = self._capture.run

    def is_done(self, stop: Stop, _now: float) -> bool:
        """Tell whether nothing more is to come: Vault has gone, or, where it cannot be seen, has been quiet."""
        if stop.asked_at is None or self._capture.unread_bytes:
            return False
        if stop.writer_dead:
            return self._capture.rests_seconds >= DEAD_QUIET_SECONDS
        if self._capture.rests_seconds < DEAD_QUIET_SECONDS:
            return False
        unused = self._capture.is_unused
        return unused is True or (unused is None and self._capture.rests_seconds >= QUIET_SECONDS)

    def tell_left(self) -> bool:
        """Tell of bytes that stay behind; they are in the file, and the next start goes on with them."""
        left = self._capture.unread_bytes
        if left:
            self._log.warning("bytes stay in the audit log; the next start goes on with them", bytes=left)
        return False
