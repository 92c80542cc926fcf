"""Reclaim by punching holes, on capture's second thread: the journal's fdatasync, a last look, punch.

A hole is punched only over bytes that are on the journal's disk, and only where the file still has them: just before,
the bytes before the hole's end are compared with the journal's, for somebody may have truncated the file and Vault
filled it again. Nor is one punched beyond `fenced_end`, up to which the other thread has copied and then looked at the
file once more: a copy in progress compares the bytes before its beginning, which must be there still. The file's dirty
pages are written out before the punch, which would do that with the file's lock held, so that Vault's write would wait
for the disk. Whether they are durable does not matter: what a power loss takes from the file is in the journal
(file_start). Punching twice does nothing, so no state is kept.
"""

from __future__ import annotations

import _thread
import errno
import os

from standpipe.capture.journal_tail import JournalTail
from standpipe.capture.proof import read_range
from standpipe.capture.reclaim_plan import punch_end
from standpipe.capture.source_map import KEPT_BYTES, PROOF_BYTES
from standpipe.capture.volume import first_data, punch, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.capture.follow_report import Report
    from standpipe.capture.regular_file import OpenFile
    from standpipe.capture.source_map import SourceFile
    from standpipe.capture.source_store import SourceStore
    from standpipe.journal.layout import Layout
    from standpipe.journal.segment import Segment
    from standpipe.journal.syncer import Syncer

RETRY_BYTES = 64 << 20  # after a punch that failed: try again when so much more has gathered
MAY_PASS = (errno.ENOSPC, errno.EDQUOT, errno.EINTR, errno.EAGAIN, errno.ENOMEM)  # btrfs needs room to free room


class Target:
    """A file that is punched, open for reading. One thread makes it, the other one uses and closes it."""

    __slots__ = ("descriptor", "journal", "path", "punched", "source")

    def __init__(self, path: str, descriptor: int, source: int, journal: int, punched: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.source = source  # this offset of the file …
        self.journal = journal  # … is this offset of the journal
        self.punched = punched  # everything before this source offset has been given back


class Punching:
    """The companion of the syncer (journal.companion), for a file source."""

    def __init__(self, layout: Layout, store: SourceStore, report: Report, at_bytes: int) -> None:
        self._layout = layout
        self._store = store
        self._report = report
        self._at_bytes = at_bytes
        self._lock = _thread.allocate_lock()  # for _new, which one thread gives and the other one takes
        self._new: Target | None = None
        self._target: Target | None = None
        self._told = ""
        self.active = False
        self.wanted_end = 0  # of the journal: the other thread wants everything before it on the disk
        self.fenced_end = 0  # of the journal: the other thread has no more use for what the file has before it

    # For the thread that follows the file.

    def follow(self, file: OpenFile, known: SourceFile) -> None:
        """Take over a file; the one before is left alone."""
        if not self.active:
            return
        source, journal = known.pairs[-1]
        punched = first_data(file.descriptor, 0) or 0
        target = Target(file.path, os.dup(file.descriptor), source, journal, punched)
        with self._lock:
            overtaken, self._new = self._new, target
        if overtaken is not None:  # the other thread has not taken it
            os.close(overtaken.descriptor)

    def is_due(self, end: int) -> bool:
        """Tell whether the other thread should be woken."""
        target = self._new or self._target
        return target is not None and self._unpunched(target, end) >= self._at_bytes

    # For the syncer's thread.

    def before_finish(self, segment: Segment) -> None:
        """See journal.companion."""
        self._store.before_finish(segment)

    def step(self, syncer: Syncer) -> None:
        """Give space back when there is enough of it."""
        if self.wanted_end > syncer.safe_end:
            syncer.make_safe()
        target = self._take_target()
        fenced_end = self.fenced_end
        if target is None or self._unpunched(target, fenced_end) < self._at_bytes or not self._is_live(target):
            return
        safe_end = min(syncer.make_safe(), fenced_end)
        if safe_end > target.journal:
            self._punch(target, punch_end(target.source + safe_end - target.journal), safe_end)

    def _take_target(self) -> Target | None:
        with self._lock:
            new, self._new = self._new, None
        if new is not None:
            old, self._target = self._target, new
            if old is not None:
                os.close(old.descriptor)
        return self._target

    @staticmethod
    def _unpunched(target: Target, end: int) -> int:
        """Return how many bytes a punch would free if all of them were safe."""
        return target.source + end - target.journal - target.punched - KEPT_BYTES

    def _punch(self, target: Target, end: int, safe_end: int) -> None:
        if end <= target.punched:
            return
        if os.fstat(target.descriptor).st_nlink > 1:
            self._stop(target.path, "it has a second name (a hard link): its reader would lose bytes", safe_end)
            target.punched += RETRY_BYTES
            return
        try:
            write_out(target.descriptor, 0, end)
            if not self._still_has(target, end):
                return  # the thread that follows the file finds out
            _punch_by_number(target.descriptor, end)
        except OSError as error:
            self._stop(target.path, error.strerror or "", safe_end)
            if error.errno not in MAY_PASS:
                target.punched += RETRY_BYTES
            return
        target.punched = end
        self._told = ""

    def _is_live(self, target: Target) -> bool:
        """Tell whether the file still has the live name: what somebody has rotated is his, and stays as it is."""
        try:
            live, status = os.stat(self._store.map.path), os.fstat(target.descriptor)
        except OSError:
            return False
        return (live.st_dev, live.st_ino) == (status.st_dev, status.st_ino)

    def _still_has(self, target: Target, end: int) -> bool:
        """Tell whether the file's bytes before an offset are those that the journal has. Raises OSError."""
        tail = JournalTail(self._layout)
        try:
            ours = tail.last(target.journal + end - target.source, min(PROOF_BYTES, end - target.source))
        finally:
            tail.close()
        return bool(ours) and read_range(target.descriptor, end - len(ours), end) == ours

    def _stop(self, path: str, reason: str, journal_offset: int) -> None:
        """Tell that a file's space is not given back; each reason once."""
        if self._told == reason:
            return
        self._told = reason
        self._report.reclaim_stopped(path, reason, journal_offset)


def _punch_by_number(descriptor: int, end: int) -> None:
    """Punch a file that is open for reading only.

    It is opened for writing for this moment alone: else nobody could see that no one writes to it (capture.lease).
    """
    writable = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
    try:
        status = os.fstat(writable)
        punch(writable, 0, end)
        _set_written(writable, status.st_mtime_ns)
    finally:
        os.close(writable)


def _set_written(descriptor: int, written_ns: int) -> None:
    """Give back the time of the last write, which a punch moves: generations are read in its order."""
    try:
        os.utime(descriptor, ns=(os.fstat(descriptor).st_atime_ns, written_ns))
    except PermissionError:  # only the owner may; without it the order is doubtful where source.json is lost as well
        return
