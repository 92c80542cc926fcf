"""A live file → the journal: the loop that follows audit.log through everything that others do to it.

Theory of operation. The file is the buffer: Vault appends to it and never waits for us, so this loop may wait for
the disk. Its position is not kept anywhere: it is the journal's end, through source.json (capture.source_map), so
SIGKILL at any instruction repeats nothing and loses nothing. Bytes go from file to segment in the kernel.

Each turn: look whether the bytes before the position are still those that the journal ends with; if not, find out where
to go on (capture.cuts). Copy what is new (capture.copying). At the file's end: does the path lead elsewhere, and is
it time to follow (capture.succession)? inotify only shortens the sleep.
"""

from __future__ import annotations

import os
import select

from standpipe.capture.copying import Copying
from standpipe.capture.cuts import Cuts
from standpipe.capture.followed import Left
from standpipe.capture.lease import is_unused
from standpipe.capture.source_map import SourceFile
from standpipe.capture.succession import Succession
from standpipe.journal.watch import DirectoryWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.capture.find_again import Found
    from standpipe.capture.follow_report import Report
    from standpipe.capture.pipe import Wake
    from standpipe.capture.reclaim import Reclaim
    from standpipe.capture.regular_file import OpenFile
    from standpipe.capture.source_store import SourceStore
    from standpipe.journal.layout import Layout
    from standpipe.journal.writer import Writer

PAUSE_SECONDS = 0.02  # after a small piece: the file waits gladly, and a wake-up costs more than the bytes
SMALL_BYTES = 256 << 10


class FileCapture:
    """Follows one path into one journal."""

    def __init__(
        self,
        path: str,
        layout: Layout,
        writer: Writer,
        store: SourceStore,
        report: Report,
        reclaim: Reclaim,
        wake: Wake,
        clock: Callable[[], float],
    ) -> None:
        """Begin nothing yet. clock: monotonic seconds."""
        self._path = path
        self._report = report
        self._reclaim = reclaim
        self._wake = wake
        self._clock = clock
        self._watch: DirectoryWatch | None = None
        self._copying = Copying(writer, store, report, reclaim, clock)
        self._left: list[Left] = []
        self._cuts = Cuts(path, layout, self._copying, store, report, self._set_aside)
        self._succession = Succession(path, layout, self._copying, self._cuts, store, report, self._left, clock)
        self.begin = self._copying.begin
        self.resume_at = self._cuts.resume_at
        self.after_cut = self._cuts.go_on
        self.note_gzipped = self._succession.note_gzipped
        self.expect = self._succession.expect

    # Start-up.

    def go_on(self, found: Found, known: SourceFile, position: int) -> None:
        """Follow a file that is proven to be the one that was followed."""
        self._cuts.then = found.then
        self._copying.follow(found.file, known, position)

    def hand_over_left(self, file: OpenFile, known: SourceFile) -> None:
        """Look after a file that was captured whole and that our reclaim renamed."""
        self._left.append(Left(file, known, 0, self._clock()))

    def _set_aside(self, file: OpenFile) -> None:
        """Keep a file open that was cut: Vault may go on in it, also where it has lost its name."""
        fresh = SourceFile(file.inode, file.birth_time)
        fresh.end = 0
        self._left.append(Left(file, fresh, self._copying.end, self._clock()))

    # The loop.

    def run(self, finished: Callable[[], bool]) -> None:
        """Copy until finished() says so; it is asked after every turn."""
        while not finished():
            moved = self.pump()
            if self._copying.begun:
                self._copying.begun = False  # there may be something to read at once
            else:
                self._wait(moved)

    def pump(self) -> int:
        """Do one turn without waiting for more; return the bytes copied."""
        self._report.flush()
        copying = self._copying
        if not copying.pay_newline():
            return 0
        current = copying.current
        if current is None:
            self._succession.begin_next()
            return 0
        self._reclaim.step(current, self._left, copying.end, line_open=copying.line_open)
        size = current.file.size
        if not copying.is_same(current, size):
            self._cuts.find_again(current, current.position, strange=False)
            return 0
        if not current.position and self._succession.older_comes_first(current):
            return 0
        if size < current.seen_size:
            self._cuts.tell_unread_cut(current, size)
        current.seen_size = size
        position = current.position
        moved, is_right = copying.copy(current, size)
        if not is_right:
            self._cuts.find_again(current, position, strange=True)
        elif not moved and size == current.position:
            self._succession.look_elsewhere(current)
        return moved

    # What others ask.

    @property
    def end(self) -> int:
        """The journal's end."""
        return self._copying.end

    @property
    def unread_bytes(self) -> int:
        """How many bytes of the file that is being followed are not in the journal."""
        current = self._copying.current
        return max(0, current.file.size - current.position) if current is not None else 0

    @property
    def is_unused(self) -> bool | None:
        """Whether nobody has the file open for writing; None where that cannot be told."""
        current = self._copying.current
        return is_unused(current.file) if current is not None else None

    @property
    def rests_seconds(self) -> float:
        """How long nothing was copied."""
        return self._copying.rests_seconds

    # Sleep.

    def _wait(self, moved: int) -> None:
        """Sleep until there may be something to do."""
        if moved >= SMALL_BYTES:
            return
        if moved:
            self._sleep([self._wake.read_end], PAUSE_SECONDS)
            return
        if self._watch is None or self._watch.descriptor < 0:
            self._watch = DirectoryWatch(os.path.dirname(os.path.realpath(self._path)) or ".")
        self._sleep([self._wake.read_end, self._watch.descriptor], self._watch.poll_seconds)
        if self._watch.descriptor >= 0:
            self._watch.clear()

    def _sleep(self, descriptors: list[int], seconds: float) -> None:
        poll = select.poll()
        for descriptor in descriptors:
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        if any(descriptor == self._wake.read_end for descriptor, _ in poll.poll(seconds * 1000)):
            self._wake.clear()
