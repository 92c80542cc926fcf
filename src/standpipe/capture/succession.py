"""At the end of the file that is read: what comes next, and is it time.

The rules are in capture.follow_plan, what there is to choose from in capture.arrivals.
"""

from __future__ import annotations

import os

from standpipe.capture.arrivals import Arrival, find_arrivals
from standpipe.capture.follow_plan import LATE_SECONDS, STAY, decide
from standpipe.capture.followed import Left
from standpipe.capture.generations import MANY, Generations, is_reclaimed, key_of, open_gzipped, written
from standpipe.capture.journal_tail import JournalTail
from standpipe.capture.lease import is_unused
from standpipe.capture.proof import skip_nothing
from standpipe.capture.regular_file import open_regular, why_not_regular
from standpipe.capture.source_map import SourceFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.capture.copying import Copying
    from standpipe.capture.cuts import Cuts
    from standpipe.capture.follow_report import Report
    from standpipe.capture.followed import Followed
    from standpipe.capture.generations import Gzipped
    from standpipe.capture.regular_file import OpenFile
    from standpipe.capture.source_store import SourceStore
    from standpipe.journal.layout import Layout


LEFT_MAX = 64  # files that are kept open for late bytes; what an older one still gets is found at the next start


class Succession:
    """Chooses the next file. left: files that are not read now, still open in case that they grow."""

    def __init__(
        self,
        path: str,
        layout: Layout,
        copying: Copying,
        cuts: Cuts,
        store: SourceStore,
        report: Report,
        left: list[Left],
        clock: Callable[[], float],
    ) -> None:
        self._path = path
        self._layout = layout
        self._copying = copying
        self._cuts = cuts
        self._store = store
        self._report = report
        self._clock = clock
        self._gzipped: set[tuple[int, int, int]] = set()  # numbers of those that need not be looked into
        self._left = left
        self._nothing_in: set[tuple[int, int, int, int]] = set()  # files that were looked into: Generations.key
        self._queue: list[tuple[str, tuple[int, int, int, int]]] = []  # (path, key): new, in this order, then the rest
        self._expected: SourceFile | None = None

    def expect(self, known: SourceFile, position: int) -> None:
        """Wait for a file that was followed up to position and is nowhere: its volume may be mounted later.

        It is lost when something else has to be begun.
        """
        mark = self._copying.mark(position)
        if mark is not None:
            self._store.map.leave(known, mark)
        known.end = position
        self._expected = known

    # Nothing is followed.

    def begin_next(self) -> None:
        """Begin with the oldest file that has something to read."""
        try:
            kind = why_not_regular(os.stat(self._path))
            if kind:
                self._report.not_regular(self._path, kind)
        except OSError as error:
            self._report.unreachable(self._path, error)
        generations = Generations(self._path, self._report, self._nothing_in)
        try:
            arrivals = self._arrivals(generations, [])
            arrival = next((arrival for arrival in arrivals if arrival.has_bytes), None)
            if arrival is not None:
                generations.take(arrival.file)
                self._go_to(arrival)
                return
        finally:
            generations.close()
        late = self._grown_left()
        if late is not None:
            self._return_to(late)

    # Something is.

    def older_comes_first(self, current: Followed) -> bool:
        """Before the first byte of a file: begin with an older one, if there is one that has not been read.

        It came while nobody looked: somebody copied this file, and truncated it.
        """
        if self._queue:
            return False  # this is the next of many, in order
        generations = Generations(self._path, self._report, self._nothing_in)
        try:
            for arrival in self._files(generations, [current.file]):
                is_live = arrival.file.path == self._path
                if not arrival.has_bytes or is_live:
                    continue
                if not current.file.size or written(arrival.file) < written(current.file):
                    generations.take(arrival.file)
                    current.file.close()
                    self._copying.current = None
                    self._go_to(arrival)
                    return True
        finally:
            generations.close()
        return False

    def look_elsewhere(self, current: Followed) -> None:
        """Find out, at the end of a file, whether something else comes now, and begin with it."""
        late = self._grown_left()
        if late is not None:
            if self._may_leave(current, next_has_bytes=True):
                self._leave(current)
                self._return_to(late)
            return
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            unlinked = not os.fstat(current.file.descriptor).st_nlink
            if not is_reclaimed(self._path, current.file):
                now = os.readlink(f"/proc/self/fd/{current.file.descriptor}")
                self._report.missing(self._path, now, unlinked=unlinked, end=self._copying.end)
            self._consider_next(current)  # a generation that never had this name while we looked
            return
        except OSError as error:
            self._report.unreachable(self._path, error)
            return
        kind = why_not_regular(status)
        if current.file.is_at(status):
            self._report.in_place()
        elif kind:
            self._report.not_regular(self._path, kind)
        else:
            self._consider_next(current)

    def _consider_next(self, current: Followed) -> None:
        generations = Generations(self._path, self._report, self._nothing_in)
        try:
            arrival = self._choose(self._arrivals(generations, [current.file]))
            if arrival is None:
                return
            if not self._may_leave(current, next_has_bytes=arrival.has_bytes):
                return
            generations.take(arrival.file)
            self._leave(current)
            self._go_to(arrival)
        finally:
            generations.close()

    def _may_leave(self, current: Followed, *, next_has_bytes: bool) -> bool:
        """Tell whether it is time; the file is looked at once more after the next one was seen to have bytes."""
        what = decide(
            next_has_bytes=next_has_bytes,
            ends_line=not self._copying.line_open,
            unused=is_unused(current.file) is True,
            rests_seconds=self._copying.rests_seconds,
        )
        return what != STAY and current.file.size == current.position

    def _choose(self, arrivals: list[Arrival]) -> Arrival | None:
        """Return the oldest with bytes; an empty file is followed only where Vault will write to it."""
        with_bytes = (arrival for arrival in arrivals if arrival.has_bytes)
        at_path = (arrival for arrival in arrivals if arrival.file.path == self._path)
        return next(with_bytes, None) or next(at_path, None)

    def _arrivals(self, generations: Generations, followed: list[OpenFile]) -> list[Arrival]:
        """Return what there is to be read: compressed generations that are known to come next, or files."""
        queued = self._queued(generations)
        if queued is not None:
            return [queued]
        while self._cuts.then:
            file = open_gzipped(self._cuts.then[0], self._layout.root)
            if file is not None:
                generations.files.append(file)
                return [Arrival(file, skip_nothing(file.descriptor, 0), None)]
            self._cuts.then.pop(0)
        return self._files(generations, followed)

    def _queued(self, generations: Generations) -> Arrival | None:
        """Return the next of the files that the last look found to be new, if it is as it was; else forget them all."""
        while self._queue:
            path, key = self._queue[0]
            file = open_regular(path, follow_symlink=False)
            if file is not None and key_of(file) == key:
                generations.files.append(file)
                return Arrival(file, skip_nothing(file.descriptor, 0), None)
            if file is not None:
                file.close()
            self._queue.clear()  # somebody renames: look anew
        return None

    def _files(self, generations: Generations, followed: list[OpenFile]) -> list[Arrival]:
        unpacked = self._unpack_new(generations)
        tail = JournalTail(self._layout)
        try:
            known = [*followed, *(left.file for left in self._left)]
            arrivals = find_arrivals(generations, self._store.map, known, tail)
        finally:
            tail.close()
        unread = [arrival.file for arrival in arrivals]
        self._nothing_in |= {key_of(file) for file in generations.files if file not in unread}
        self._gzipped |= {gzipped.number for gzipped, file in unpacked if file not in unread}
        new = [arrival.file for arrival in arrivals if arrival.known is None and arrival.has_bytes]
        if len(new) == len(arrivals) >= MANY and not unpacked:
            self._queue = [(file.path, key_of(file)) for file in new if file.path != self._path]
        return arrivals

    def note_gzipped(self, generations: Generations) -> None:
        """Take the compressed generations that are there for old ones: what is new among them comes from the map."""
        self._gzipped |= {gzipped.number for gzipped in generations.gzipped()}

    def _unpack_new(self, generations: Generations) -> list[tuple[Gzipped, OpenFile]]:
        """Open generations that were compressed since the last look; content says whether they were read before."""
        unpacked = []
        for gzipped in generations.gzipped():
            if gzipped.number in self._gzipped:
                continue
            file = open_gzipped(gzipped.path, self._layout.root)
            if file is None:  # cut off, or gzip is at work: then the file itself is there, and this one's size changes
                self._gzipped.add(gzipped.number)
            else:
                generations.add(file)
                unpacked.append((gzipped, file))
        return unpacked

    def _go_to(self, arrival: Arrival) -> None:
        if self._queue and self._queue[0][0] == arrival.file.path:
            del self._queue[0]
        if arrival.file.path in self._cuts.then:
            self._cuts.then.remove(arrival.file.path)
        if self._expected is not None and arrival.known is not self._expected:
            self._report.lost(self._path, self._expected.end or 0, self._copying.end)
        self._expected = None
        known = arrival.known or SourceFile(arrival.file.inode, arrival.file.birth_time)
        if arrival.skipped:
            self._report.hole(arrival.file.path, arrival.skipped, self._copying.end)
        self._copying.close_line_before(lambda journal: self._store.map.begin(known, arrival.position, journal))
        self._copying.follow(arrival.file, known, arrival.position)
        self._report.following(arrival.file.path, arrival.position, self._copying.end)

    # Files that were left.

    def _leave(self, current: Followed) -> None:
        mark = self._copying.mark(current.position)
        with self._store.lock:
            if mark is not None:
                self._store.map.leave(current.known, mark)
            current.known.end = current.position
        self._left.append(Left(current.file, current.known, self._copying.end, self._clock()))
        for left in [left for left in self._left if not is_reclaimed(self._path, left.file)][:-LEFT_MAX]:
            self._left.remove(left)
            left.file.close()

    def _grown_left(self) -> Left | None:
        """Return a file that was left and has grown since; forget those that rest long enough."""
        now = self._clock()
        for left in list(self._left):
            if left.file.size > (left.known.end or 0):
                return left
            if now - left.rests_since >= LATE_SECONDS and not is_reclaimed(self._path, left.file):
                self._left.remove(left)
                left.file.close()
        return None

    def _return_to(self, left: Left) -> None:
        """Read a file that has grown since it was left, or was cut to nothing and written to anew."""
        self._left.remove(left)
        position = left.known.end or 0
        if position:
            self._report.late(left.file.path, position, self._copying.end)
        start = position or skip_nothing(left.file.descriptor, 0)
        self._go_to(Arrival(left.file, start, left.known, skipped=start - position))
