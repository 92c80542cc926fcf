"""A live file → the journal: the loop that follows audit.log through everything that others do to it.

Theory of operation. The file is the buffer: Vault appends to it and never waits for us, so this loop may wait for
the disk. Its position is not kept anywhere: it is the journal's end, through source.json (capture.source_map), so
SIGKILL at any instruction repeats nothing and loses nothing. Bytes go from file to segment in the kernel.

Each turn: look whether the bytes before the position are still those that the journal ends with (a size that shrank
is the least of what truncation can look like); copy what is new; look again, so that nothing that was
swapped under the copy goes unnoticed. At the file's end: does the path lead elsewhere? Then find out what comes
next (capture.arrivals) and whether it is time (capture.follow_plan). inotify only shortens the sleep.
"""

from __future__ import annotations

import os
import select
import zlib

from standpipe.capture.arrivals import Arrival, find_arrivals
from standpipe.capture.find_again import CUT, SAME, find_again
from standpipe.capture.follow_plan import CLOSE_AND_GO, LATE_SECONDS, STAY, decide
from standpipe.capture.followed import Followed, Left
from standpipe.capture.generation_names import is_ours
from standpipe.capture.generations import Generations, open_gzipped
from standpipe.capture.journal_tail import JournalTail
from standpipe.capture.lease import is_unused
from standpipe.capture.proof import PROOF_BYTES, mark_at, skip_nothing
from standpipe.capture.regular_file import why_not_regular
from standpipe.capture.source_map import Mark, SourceFile
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

PIECE_BYTES = 8 << 20  # copied between two looks at signals, and at whether it is still the same file
PAUSE_SECONDS = 0.02  # after a small piece: the file waits gladly, and a wake-up costs more than the bytes
SMALL_BYTES = 256 << 10
NEWLINE = 0x0A
TELL_SECONDS = 2.0  # progress, while there is much to catch up with


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
        self._layout = layout
        self._writer = writer
        self._store = store
        self._report = report
        self._reclaim = reclaim
        self._wake = wake
        self._clock = clock
        self._watch: DirectoryWatch | None = None
        self._current: Followed | None = None
        self._begun = False  # another file was begun in this turn, and may have bytes
        self._left: list[Left] = []
        self._then: list[str] = []  # compressed generations that come before everything else
        self._proof = bytearray(PROOF_BYTES)  # the bytes before the position
        self._scratch = bytearray(PROOF_BYTES)
        self._proof_length = 0
        self._moved_at = clock()
        self._told_at = clock()
        self._line_open = False  # the journal's last byte ends no line
        self._torn_from: int | None = None
        self.end = 0  # of the journal

    # Start-up.

    def begin(self, end: int, *, line_open: bool, proof: bytes) -> None:
        """Say where the journal ends, whether inside a line, and what its last bytes are that came from the file."""
        self.end = end
        self._line_open = line_open
        self._proof[: len(proof)] = proof
        self._proof_length = len(proof)
        self._torn_from = end if self._store.map.owes_newline(end) else None

    def go_on(self, file: OpenFile, known: SourceFile, position: int, then: list[str]) -> None:
        """Follow a file that is proven to be the one that was followed; `then`: compressed ones that come after it."""
        self._then = then
        self._follow(file, known, position)

    def resume_at(self, file: OpenFile, known: SourceFile, position: int) -> None:
        """Follow a file from another position than the one where it was left."""
        known.add_mark(mark_at(file.descriptor, position))  # nothing in the journal will prove it before the next byte
        self._close_line_before(lambda journal: self._store.map.begin(known, position, journal))
        self._follow(file, known, position)

    def hand_over_left(self, file: OpenFile, known: SourceFile) -> None:
        """Look after a file that was captured whole and that our reclaim renamed."""
        self._left.append(Left(file, known, 0, self._clock()))

    def _follow(self, file: OpenFile, known: SourceFile, position: int) -> None:
        self._begun = True
        self._current = Followed(file, known, position)
        self._moved_at = self._clock()
        self._proof_length = self._read_before(self._current, self._proof)
        self._reclaim.follow(self._current)

    # The loop.

    def run(self, finished: Callable[[], bool]) -> None:
        """Copy until finished() says so; it is asked after every turn."""
        while not finished():
            moved = self.pump()
            if self._begun:
                self._begun = False
            else:
                self._wait(moved)

    def pump(self) -> int:
        """Do one turn without waiting for more; return the bytes copied."""
        self._report.flush()
        if not self._pay_newline():
            return 0
        current = self._current
        if current is None:
            self._begin_next()
            return 0
        self._reclaim.step(current, self._left, self.end, line_open=self._line_open)
        size = current.file.size
        if not self._is_same(current, size):
            self._find_again(current)
            return 0
        current.seen_size = max(current.seen_size, size)
        moved = self._copy(current, size)
        if not moved and size == current.position:
            self._look_elsewhere(current)
        return moved

    def _copy(self, current: Followed, size: int) -> int:
        position = current.position
        wanted = min(PIECE_BYTES, size - position)
        moved = self._writer.store(current.intake, wanted)  # also with nothing: a cut may be wanted
        if not moved:
            return 0
        self.end += moved
        self._moved_at = self._clock()
        after = self._read_before(current, self._scratch)
        if not self._is_same_before(current, position):
            self._find_again(current)
            return moved
        self._proof, self._scratch, self._proof_length = self._scratch, self._proof, after
        self._line_open = self._proof[after - 1] != NEWLINE
        self._reclaim.copied(self.end)
        self._tell_progress(current, size)
        return moved

    def _tell_progress(self, current: Followed, size: int) -> None:
        now = self._clock()
        if size - current.position < PIECE_BYTES:
            self._told_at = now
        elif now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            self._report.log.info(
                "catching up", path=current.file.path, captured_bytes=current.position, file_bytes=size
            )

    @property
    def unread_bytes(self) -> int:
        """How many bytes of the file that is being followed are not in the journal."""
        current = self._current
        return max(0, current.file.size - current.position) if current is not None else 0

    @property
    def is_unused(self) -> bool | None:
        """Whether nobody has the file open for writing; None where that cannot be told."""
        return is_unused(self._current.file) if self._current is not None else None

    @property
    def rests_seconds(self) -> float:
        """How long nothing was copied."""
        return self._clock() - self._moved_at

    # Is it still the same file?

    @staticmethod
    def _read_before(current: Followed, buffer: bytearray) -> int:
        length = min(PROOF_BYTES, current.position)
        return os.preadv(current.file.descriptor, [memoryview(buffer)[:length]], current.position - length)

    def _is_same(self, current: Followed, size: int) -> bool:
        if size < current.position:
            return False
        length = self._read_before(current, self._scratch)
        return memoryview(self._scratch)[:length] == memoryview(self._proof)[: self._proof_length]

    def _is_same_before(self, current: Followed, position: int) -> bool:
        """Tell whether the bytes before the position from which a copy began are still those of before it."""
        block = os.pread(current.file.descriptor, self._proof_length, position - self._proof_length)
        return block == memoryview(self._proof)[: self._proof_length]

    # Somebody cut the file.

    def _find_again(self, current: Followed) -> None:
        """Go on after a truncation: in a copy, where the file was cut, or at its new beginning."""
        generations = Generations(self._path, self._report)
        tail = JournalTail(self._layout)
        try:
            found = find_again(generations, current.known, current.position, tail, self._layout.root)
            if found is not None and found.how == SAME:
                # It was put back as it was between two looks.
                found.file.close()
                self._proof_length = self._read_before(current, self._proof)
                return
        finally:
            tail.close()
            generations.close()
        self.after_cut(current.file, current.known, current.position, current.seen_size, found)

    def after_cut(
        self, file: OpenFile, known: SourceFile, position: int, seen_size: int | None, found: Found | None
    ) -> None:
        """Record that a file was cut by somebody else, and go on.

        seen_size: the largest size that was seen, None where nobody looked. `found` is open, `file` is used up.
        """
        copy = found.file if found is not None and found.how != CUT else None
        self._report.truncated(file.path, position, seen_size, self.end, copy=copy)
        if found is None:
            self._begin_anew(file, known, position)
            return
        if file is not found.file:
            file.close()
        if copy is None:
            self.resume_at(found.file, known, found.position)
            return
        with self._store.lock:
            known.inode, known.birth_time = copy.inode, copy.birth_time
            self._store.save()
        self.go_on(copy, known, position, found.then)

    def _begin_anew(self, file: OpenFile, known: SourceFile, position: int) -> None:
        """Read a file as a new one: what we knew of it is not in it any more."""
        with self._store.lock:
            if self._proof_length:
                self._store.map.leave(known, self._mark(position))
            known.end = position
        fresh = SourceFile(file.inode, file.birth_time)
        start = skip_nothing(file.descriptor, 0)
        self._close_line_before(lambda journal: self._store.map.begin(fresh, start, journal))
        self._follow(file, fresh, start)

    def _mark(self, position: int) -> Mark:
        """Make the mark of the bytes before the position, which the file itself may have lost."""
        return Mark(position, self._proof_length, zlib.crc32(memoryview(self._proof)[: self._proof_length]))

    # What comes next?

    def _look_elsewhere(self, current: Followed) -> None:
        late = self._grown_left()
        if late is not None and not self._line_open:
            self._return_to(current, late)
            return
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            unlinked = not os.fstat(current.file.descriptor).st_nlink
            if not self._reclaim.is_under_way(current):
                self._report.missing(self._path, current.file, unlinked=unlinked, end=self.end)
            self._consider_next(current)  # a generation that never had this name while we looked
            return
        except OSError as error:
            self._report.unreachable(self._path, error)
            return
        if current.file.is_at(status):
            self._report.in_place()
            return
        kind = why_not_regular(status)
        if kind:
            self._report.not_regular(self._path, kind)
            return
        self._consider_next(current)

    def _consider_next(self, current: Followed) -> None:
        generations = Generations(self._path, self._report)
        try:
            followed = [current.file, *(left.file for left in self._left)]
            arrivals = self._compressed(generations) or find_arrivals(generations, self._store.map, followed)
            arrival = next((arrival for arrival in arrivals if arrival.has_bytes), None)
            if arrival is None:  # an empty file is followed only where Vault will write to it
                arrival = next((arrival for arrival in arrivals if arrival.file.path == self._path), None)
            if arrival is None:
                return
            what = decide(
                next_has_bytes=arrival.has_bytes,
                ends_line=not self._line_open,
                unused=self.is_unused is True,
                rests_seconds=self.rests_seconds,
            )
            if what == STAY or current.file.size != current.position:
                return
            generations.take(arrival.file)
            self._then = self._then[1:]
            self._leave(current)
            self._go_to(arrival, closes=what == CLOSE_AND_GO)
        finally:
            generations.close()

    def _compressed(self, generations: Generations) -> list[Arrival]:
        """Return the next compressed generation, unpacked, if there is one to be read."""
        while self._then:
            file = open_gzipped(self._then[0], self._layout.root)
            if file is not None:
                generations.files.append(file)
                return [Arrival(file, skip_nothing(file.descriptor, 0), None)]
            self._then.pop(0)
        return []

    def _begin_next(self) -> None:
        """Nothing is followed: begin with the oldest file that has something to read."""
        try:
            status = os.stat(self._path)
            kind = why_not_regular(status)
            if kind:
                self._report.not_regular(self._path, kind)
        except OSError as error:
            self._report.unreachable(self._path, error)
        generations = Generations(self._path, self._report)
        try:
            arrivals = find_arrivals(generations, self._store.map, [left.file for left in self._left])
            arrival = next((arrival for arrival in arrivals if arrival.has_bytes), None)
            if arrival is not None:
                generations.take(arrival.file)
                self._go_to(arrival, closes=False)
        finally:
            generations.close()

    def _leave(self, current: Followed) -> None:
        with self._store.lock:
            self._store.map.leave(current.known, self._mark(current.position))
        self._left.append(Left(current.file, current.known, self.end, self._clock()))

    def _go_to(self, arrival: Arrival, *, closes: bool) -> None:
        known = arrival.known or SourceFile(arrival.file.inode, arrival.file.birth_time)
        if arrival.skipped:
            self._report.hole(arrival.file.path, arrival.skipped, self.end)
        if closes:
            self._report.torn_end(self._path, self.end)
        self._close_line_before(lambda journal: self._store.map.begin(known, arrival.position, journal))
        self._follow(arrival.file, known, arrival.position)
        self._report.following(arrival.file.path, arrival.position, self.end)

    def _grown_left(self) -> Left | None:
        """Return a file that was left and has grown since; forget those that rest long enough."""
        now = self._clock()
        for left in list(self._left):
            if left.file.size > (left.known.end or 0):
                return left
            if now - left.rests_since >= LATE_SECONDS and not self._is_reclaimed(left):
                self._left.remove(left)
                left.file.close()
        return None

    def _is_reclaimed(self, left: Left) -> bool:
        name = os.path.basename(os.path.realpath(self._path))
        return is_ours(name, os.path.basename(left.file.path))

    def _return_to(self, current: Followed, left: Left) -> None:
        self._left.remove(left)
        position = left.known.end or 0
        self._leave(current)
        self._report.late(left.file.path, position, self.end)
        self._close_line_before(lambda journal: self._store.map.begin(left.known, position, journal))
        self._follow(left.file, left.known, position)

    # The newline of our own that ends a torn line.

    def _close_line_before(self, begin: Callable[[int], None]) -> None:
        """Note what begins now; a newline of our own comes first where the journal's last line is torn.

        Both are durable before either is written. Raises OSError.
        """
        torn = self._line_open
        with self._store.lock:
            if torn:
                self._store.map.close_line(self.end)
            begin(self.end + torn)
            self._store.save()
        self._torn_from = self.end if torn else None
        self._pay_newline()

    def _pay_newline(self) -> bool:
        """Write the newline that was announced; False while there is no room for it."""
        if self._torn_from is None:
            return True
        if not self._writer.close_line():
            return False
        self._torn_from = None
        self._line_open = False
        self.end += 1
        return True

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
