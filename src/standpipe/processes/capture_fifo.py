"""`standpipe capture --fifo`: what a FIFO source needs before, while and after it runs."""

from __future__ import annotations

import os

from standpipe.capture.fifo import ensure_fifo
from standpipe.capture.pipe import PipeCapture

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

QUIET_SECONDS = 0.2  # after SIGUSR1 (the writer is dead): both pipes empty for so long means that nothing comes
PATH_CHECK_SECONDS = 1.0


class FifoSource:
    """A FIFO and the reserve."""

    companion = None
    before_finish = None

    def __init__(self, options: Parsed, layout: Layout, log: Log, wake: Wake) -> None:
        """Make the FIFO. Raises SourceError."""
        self._path = options.text("fifo")
        self._layout = layout
        self._log = log
        self._wake = wake
        self._empty_since: float | None = None
        self._reading_only = False
        self._path_checked_at = 0.0
        self._path_told = False
        ensure_fifo(self._path)

    def before_recovery(self) -> dict[str, object]:
        """Make the reserve; return what boot.json is to say of this source. Raises SourceError."""
        ensure_fifo(self._layout.reserve)
        return {"fifo": os.path.abspath(self._path)}

    def open(self, writer: Writer, _syncer: Syncer, _current: Segment) -> None:
        """Open both pipes. Raises SourceError."""
        self._pipe = PipeCapture(self._path, self._layout.reserve, writer, self._wake)
        self.run = self._pipe.run

    def is_done(self, stop: Stop, now: float) -> bool:
        """Tell whether nothing more is to come; before a stop was asked for, look after the path."""
        if stop.asked_at is None:
            self._check_path(now)
            return False
        if not self._reading_only:
            self._reading_only = True
            self._pipe.stop_writing_end()
        if self._pipe.bytes_in_pipes:
            self._empty_since = None
            return False
        if self._pipe.writers_gone():
            return True
        if self._empty_since is None:
            self._empty_since = now
        return stop.writer_dead and now - self._empty_since >= QUIET_SECONDS

    def tell_left(self) -> bool:
        """Tell of bytes that stay behind; return whether they may be lost."""
        left = self._pipe.bytes_in_pipes
        if left:
            self._log.error("bytes stay in the pipes; they are lost when the last holder closes them", bytes=left)
        return bool(left)

    def _check_path(self, now: float) -> None:
        if now - self._path_checked_at < PATH_CHECK_SECONDS:
            return
        self._path_checked_at = now
        elsewhere = self._pipe.path_leads_elsewhere()
        if elsewhere and not self._path_told:
            self._log.error(
                "the FIFO was removed or replaced; Vault's next open would write elsewhere",
                remedy="under run, restart Vault's container; else start capture again, then send SIGHUP to Vault",
            )
        self._path_told = elsewhere
