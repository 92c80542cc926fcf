"""The slow half of capture's writing: names, fsync, failures, and the wait for room.

Theory of operation. This half runs on capture's second thread and is the only one that waits for the journal's
disk. The draining thread (journal.writer) hands a segment over when it is cut; we name the next segment first,
so that bytes flow again, and then sync and finish the old one. In between we sync the current segment every
`fsync` seconds, ask for a cut when it is older than `seal_every`, and measure the room.

The two threads share plain attributes, each with one writer, and one queue; each wakes the other through a pipe.

======================  ========================  =================================================
attribute               written by                meaning
======================  ========================  =================================================
Segment.length          draining thread           bytes in the file
Segment.synced_length   this thread               of these, known to be on disk
Segment.cut_wanted      this thread               cut at the next newline
Syncer.takes_back       this thread               the draining thread must hand this segment over now
Stall.wanted            set there, cleared here   the cap was reached
Writer.allowed_end      this thread               the cap, as an offset
Writer.refused          set there, cleared here   errno of a refused write; cleared to try again
Syncer._handed          pushed there, popped here segments given away
======================  ========================  =================================================

**Full.** ENOSPC, or the cap reached: the bytes stay in the pipes, an incident is written as soon as it can be, and we
look again every RETRY_SECONDS. A long segment is taken back and finished, so that keep can seal it and delete
what has been delivered. Writing resumes when there is room for a sensible piece, not for one byte.

**Failed fsync.** See journal.rescue. A failed segment is never synced again, and nothing is written until its copy
is safe.
"""

from __future__ import annotations

import os
import select
from collections import deque

from standpipe.journal import incidents, kinds
from standpipe.journal.atomic import unlink_if_there
from standpipe.journal.layout import SEGMENT_SUFFIX, Layout, segment_file_name
from standpipe.journal.rescue import leave_mark, rescue
from standpipe.journal.segment import Segment, finish, name_next, prepare_next
from standpipe.journal.stall import MEASURE_SECONDS, REMEDY_PAGE, Stall
from standpipe.journal.writer import FULL_ERRORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.journal.companion import Companion
    from standpipe.journal.room import Room
    from standpipe.journal.writer import Writer
    from standpipe.observe.log import Log

RETRY_SECONDS = 0.1  # how soon a refused disk is asked again: soon enough for Vault's 256 to 512 records of patience


class Syncer:
    """`run` is this thread; `hand_over`, `want_room` and `stop` are for the draining thread."""

    def __init__(
        self,
        layout: Layout,
        log: Log,
        room: Room,
        *,
        fsync_seconds: float,
        seal_every_seconds: float,
        wall_clock: Callable[[], float],
        clock: Callable[[], float],
        companion: Companion | None = None,
    ) -> None:
        self._layout = layout
        self._companion = companion
        self._log = log
        self._room = room
        self._fsync_seconds = fsync_seconds
        self._seal_every_seconds = seal_every_seconds
        self._wall_clock = wall_clock
        self._clock = clock
        self._incidents = incidents.IncidentQueue(layout.incidents)
        self._handed: deque[Segment] = deque()
        self._failed: list[Segment] = []
        self._over: list[Segment] = []  # synced, or failed and copied: only the mark that they are finished is missing
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._prepared = -1
        self._disk_trouble = False
        self._stopping = False
        self._was_stalled = False
        self.takes_back: Segment | None = None
        self.safe_until = 0  # the journal offset up to which every byte was on disk at the end of the last step
        self.stopped = False

    def attach(self, writer: Writer, current: Segment, wake_writer: Callable[[], None]) -> None:
        """Say whom we serve; before `run`. Raises OSError."""
        self._writer = writer
        self._current = current
        self._wake_writer = wake_writer
        self._synced_at = self._clock()
        self._stall = Stall(
            self._room, writer, note=self._note, on_begin=self._on_stall, log=self._log, clock=self._clock
        )
        writer.allowed_end = self._room.allowed_end(current)

    # For the draining thread.

    def wake(self) -> None:
        """Make `run` look at once."""
        try:
            os.write(self._wake_write, b"\n")
        except BlockingIOError:
            return  # the pipe is full of wake-ups: one is enough

    def hand_over(self, segment: Segment) -> None:
        """Give a segment away: it is complete, and another one is wanted."""
        self._handed.append(segment)
        self.wake()

    def want_room(self) -> None:
        """Tell that the cap is reached; may be told often."""
        if not self._stall.wanted:
            self._stall.wanted = True
            self.wake()

    def stop(self) -> None:
        """Ask `run` to sync what there is and return; only when the draining thread has stopped writing."""
        self._stopping = True
        self.wake()

    # This thread.

    def run(self) -> None:
        """Serve until stopped."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        while not self._stopping:
            again = RETRY_SECONDS if self.step() else min(self._fsync_seconds, MEASURE_SECONDS)
            if poll.poll(again * 1000):
                os.read(self._wake_read, 4096)
        self.step()
        if not self._sync(self._current) and not self._handed:
            self._handed.append(self._current)  # the draining thread has stopped, so we may take it
            self._serve_handed()
        self._discard_prepared()
        self._incidents.flush()
        self.stopped = True
        self._wake_writer()

    @property
    def safe_end(self) -> int:
        """The offset up to which every byte is on disk."""
        return min(segment.base + segment.synced_length for segment in (*self._failed, *self._handed, self._current))

    def make_safe(self) -> int:
        """Sync the current segment now, on this thread, and return how far every byte is on disk."""
        if self._current not in self._handed:
            self._sync(self._current)
            self._synced_at = self._clock()
        return self.safe_end

    @property
    def all_safe(self) -> bool:
        """Whether every byte that was written is on disk."""
        return not (self._failed or self._handed) and self._current.length == self._current.synced_length

    def step(self) -> bool:
        """Do what is due; return whether something has to be tried again soon."""
        waiting = self._rescue_closed() or self._serve_handed()
        waiting = self._finish_over() or waiting
        self._disk_trouble = self._disk_trouble and waiting
        now = self._clock()
        if now - self._synced_at >= self._fsync_seconds and self._current not in self._handed:
            self._sync(self._current)
            self._synced_at = self._clock()
        if self._companion is not None:
            self._companion.step(self)
        self._cut_when_old(now)
        stalled = self._stall.look(self._current, failed=self._current in self._failed)
        if self._was_stalled and not stalled:
            self._wake_writer()
        self._was_stalled = stalled
        self.safe_until = self.safe_end
        return not self._incidents.flush() or waiting or stalled

    # Segments that were handed over.

    def _serve_handed(self) -> bool:
        """Replace what was handed over; True while the disk refuses."""
        while self._handed:
            old = self._handed[0]
            if self.takes_back is old:
                self.takes_back = None
            replaced = self._replace_failed(old) if old in self._failed else self._replace_cut(old)
            if not replaced:
                return True
        return not self._prepare()

    def _prepare(self) -> bool:
        if self._prepared < 0:
            try:
                self._prepared = prepare_next(self._layout)
            except OSError as error:
                self._tell_trouble("cannot prepare the next segment", error)
                return False
        return True

    def _replace_cut(self, old: Segment) -> bool:
        """Name the next segment, let bytes flow into it, then sync and finish the old one."""
        if not self._prepare():
            return False
        try:
            name_next(self._layout, old.end)
        except OSError as error:
            self._tell_trouble("cannot name the next segment", error)
            self._discard_prepared()  # it may have got its name before the disk failed
            return False
        self._go_on_with(Segment(old.end, self._prepared, 0, 0, self._clock()))
        self._prepared = -1
        self._handed.popleft()
        if self._sync(old):
            self._over.append(old)
            self._finish_over()
        return True

    def _replace_failed(self, failed: Segment) -> bool:
        copy = self._copy_unsafe(failed)
        if copy is None:
            return False
        self._go_on_with(copy)
        self._handed.popleft()
        self._over.append(failed)
        self._finish_over()
        return True

    def _rescue_closed(self) -> bool:
        """Copy the unsafe bytes of segments that failed in their last sync; True while the disk refuses."""
        for failed in [segment for segment in self._failed if segment is not self._current]:
            copy = self._copy_unsafe(failed)
            if copy is None:
                return True
            self._over += [copy, failed]
        return False

    def _finish_over(self) -> bool:
        """Mark as finished what is over, in order; True while the disk refuses."""
        while self._over:
            try:
                if self._companion is not None:
                    self._companion.before_finish(self._over[0])
                finish(self._over[0])
            except OSError as error:
                self._tell_trouble("cannot mark a segment as finished", error)
                return True
            del self._over[0]
        return False

    def _copy_unsafe(self, failed: Segment) -> Segment | None:
        self._discard_prepared()  # the copy takes the name `next`
        try:
            copy = rescue(self._layout, failed, self._clock())
        except OSError as error:
            self._tell_trouble("cannot copy the unsafe bytes of a failed segment", error)
            return None
        self._failed.remove(failed)
        name = segment_file_name(failed.base, SEGMENT_SUFFIX)
        self._note(kinds.IO_ERROR, copy.base, copy.length, {"segment": name})
        self._log.warning("the unsafe bytes of a failed segment were copied and synced", segment=name, offset=copy.base)
        return copy

    def _discard_prepared(self) -> None:
        if self._prepared >= 0:
            os.close(self._prepared)
            self._prepared = -1
            try:
                unlink_if_there(self._layout.next_segment)
            except OSError as error:  # whoever needs the name next unlinks it first
                self._tell_trouble("cannot remove the prepared segment", error)

    def _go_on_with(self, segment: Segment) -> None:
        self._current = segment
        self._stall.measure(self._current)
        self._writer.publish(segment)
        self._wake_writer()

    # The current segment.

    def _sync(self, segment: Segment) -> bool:
        """Sync a segment. Once that failed, it has failed for ever: the kernel tells of an error only once."""
        if segment in self._failed:
            return False
        length = segment.length
        if length == segment.synced_length:
            return True
        try:
            os.fdatasync(segment.descriptor)
        except OSError as error:
            self._fail(segment, error)
            return False
        segment.synced_length = length
        return True

    def _fail(self, segment: Segment, error: OSError) -> None:
        self._failed.append(segment)
        try:
            leave_mark(self._layout, segment)
        except OSError as mark_error:
            self._tell_trouble("cannot mark a failed segment", mark_error)
        self._log.error(
            "the disk failed under a segment; it is closed for ever and its unsafe bytes are copied",
            segment=segment_file_name(segment.base, SEGMENT_SUFFIX),
            error=error.strerror,
            safe_bytes=segment.synced_length,
        )
        self._take_back(segment)

    def _take_back(self, segment: Segment) -> None:
        if segment is self._current and segment not in self._handed:
            self.takes_back = segment
            self._wake_writer()

    def _cut_when_old(self, now: float) -> None:
        current = self._current
        if current.length and not current.cut_wanted and now - current.opened_at >= self._seal_every_seconds:
            current.cut_wanted = True
            self._wake_writer()

    # Room.

    def _on_stall(self, refused: int, reason: str) -> None:
        """Act on a stall that begins: a failing segment is rescued, a long one finished, that keep may delete it."""
        current = self._current
        if refused and refused not in FULL_ERRORS:
            self._fail(current, OSError(refused, reason))
        elif current.length >= self._room.resume_bytes:
            self._take_back(current)

    # Telling.

    def _note(self, kind: str, offset: int | None, length: int | None, detail: dict[str, object]) -> None:
        self._incidents.add(kind, offset, length, detail, self._wall_clock())

    def _tell_trouble(self, message: str, error: OSError) -> None:
        """Tell of a disk that refuses, once until it works again."""
        if self._disk_trouble:
            return
        self._disk_trouble = True
        kind = kinds.DISK_FULL if error.errno in FULL_ERRORS else kinds.DISK_REFUSED
        self._note(kind, self._current.end, None, {"reason": f"{message}: {error.strerror}"})
        self._log.error(message, error=error.strerror, see=REMEDY_PAGE)
