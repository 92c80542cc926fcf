"""Somebody else truncated the file: what is lost, and where to go on.

In a copy of the file where one proves to be the continuation, at the point at which the file was cut, or with the
oldest file that has something to read. See capture.find_again.
"""

from __future__ import annotations

from standpipe.capture.find_again import CUT, SAME, find_again
from standpipe.capture.generations import Generations
from standpipe.capture.journal_tail import JournalTail
from standpipe.capture.proof import mark_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.capture.copying import Copying
    from standpipe.capture.find_again import Found
    from standpipe.capture.follow_report import Report
    from standpipe.capture.followed import Followed
    from standpipe.capture.regular_file import OpenFile
    from standpipe.capture.source_map import SourceFile
    from standpipe.capture.source_store import SourceStore
    from standpipe.journal.layout import Layout


class Cuts:
    """Goes on after truncations. `then`: compressed generations that come before everything else."""

    def __init__(
        self,
        path: str,
        layout: Layout,
        copying: Copying,
        store: SourceStore,
        report: Report,
        set_aside: Callable[[OpenFile], None],
    ) -> None:
        self._path = path
        self._layout = layout
        self._copying = copying
        self._store = store
        self._report = report
        self._set_aside = set_aside
        self.then: list[str] = []

    def find_again(self, current: Followed, position: int, *, strange: bool) -> None:
        """Go on where the bytes before the position are not what they were.

        strange: bytes after it were copied already, and may be of something that came in the file's place.
        """
        generations = Generations(self._path, self._report)
        tail = JournalTail(self._layout)
        try:
            found = find_again(generations, current.known, position, tail, self._layout.root)
        finally:
            tail.close()
            generations.close()
        if found is None or found.how != SAME:
            self.go_on(current.file, current.known, position, current.seen_size, found, strange=strange)
        elif strange:
            current.file.close()
            self.resume_at(found.file, current.known, position)
        else:  # it was put back as it was between two looks
            found.file.close()
            self._copying.accept_proof(current)

    def go_on(
        self,
        file: OpenFile,
        known: SourceFile,
        position: int,
        seen_size: int | None,
        found: Found | None,
        *,
        strange: bool = False,
    ) -> None:
        """Record that a file was cut by somebody else, and go on.

        seen_size: the largest size that was seen, None where nobody looked. `found` is open, `file` is used up.
        """
        copy = found.file if found is not None and found.how != CUT else None
        self._report.truncated(file.path, position, seen_size, self._copying.end, copy=copy)
        if found is None:
            self._begin_anew(file, known, position)
            return
        if copy is None:
            if file is not found.file:
                file.close()
            self.resume_at(found.file, known, found.position)
            return
        self._set_aside(file)
        with self._store.lock:
            known.inode, known.birth_time = copy.inode, copy.birth_time
            self._store.save()
        self.then = found.then
        if strange:
            self.resume_at(copy, known, position)
        else:
            self._copying.follow(copy, known, position)

    def resume_at(self, file: OpenFile, known: SourceFile, position: int) -> None:
        """Follow a file from another position than the one where it was left."""
        mark = mark_at(file.descriptor, position)  # nothing in the journal will prove it before the next byte
        with self._store.lock:
            known.add_mark(mark)
        self._copying.close_line_before(lambda journal: self._store.map.begin(known, position, journal))
        self._copying.follow(file, known, position)

    def _begin_anew(self, file: OpenFile, known: SourceFile, position: int) -> None:
        """Follow nothing: the oldest file that has something to read comes next, the cut one as a new one after it."""
        mark = self._copying.mark(position)
        with self._store.lock:
            if mark is not None:
                self._store.map.leave(known, mark)
            known.end = position
            self._store.save()
        self._set_aside(file)
        self._copying.current = None
        self._copying.begun = True

    def tell_unread_cut(self, current: Followed, size: int) -> None:
        """Record that bytes were cut off that were not captured yet, while what was captured is still there."""
        self._report.truncated(current.file.path, size, current.seen_size, self._copying.end, copy=None)
        current.seen_size = size
