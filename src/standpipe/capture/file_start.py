"""Start-up of a file source: which file, from where, before and after the journal's own recovery.

Before it: hold the journal's last bytes open, read source.json, and find by content the file that was followed
(capture.find_again). After it: where addresses were skipped (a power loss), a new pair says where the file goes on,
from the beginning of the line that was under way; and everything that was found out is told.
"""

from __future__ import annotations

import os

from standpipe.capture.find_again import CUT, MOVED, PACKED, SAME, Found, find_again, search
from standpipe.capture.generation_names import is_ours
from standpipe.capture.generations import Generations, is_reclaimed
from standpipe.capture.journal_tail import JournalTail
from standpipe.capture.proof import fits_mark, mark_at, skip_nothing
from standpipe.capture.source_map import PROOF_BYTES, SourceFile, SourceMap
from standpipe.capture.source_store import SourceStore, load
from standpipe.capture.volume import first_data
from standpipe.errors import SourceError
from standpipe.journal import boot, kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.capture.follow import FileCapture
    from standpipe.capture.follow_report import Report
    from standpipe.capture.regular_file import OpenFile
    from standpipe.journal.layout import Layout


class FileStart:
    """One start-up."""

    def __init__(self, path: str, layout: Layout, report: Report) -> None:
        """Look, and change nothing. Raises OSError, JournalError, and SourceError where nothing proves the position."""
        self._path = path
        self._layout = layout
        self._report = report
        self._boot_id = boot.current_boot_id()
        self._tail = JournalTail(layout)
        _undo_half_rename(path)
        self._generations = Generations(path, report)
        self._found: Found | None = None
        stored = load(layout.source)
        self._rebooted = stored is not None and stored.boot_id != self._boot_id
        knows = stored is not None and (stored.current is not None or stored.since == self._tail.end)
        self._use(stored if stored is not None and knows else self._without_map())
        if self._known is not None:
            self._found = find_again(self._generations, self._known, self._position, self._tail, layout.root)
            if self._found is None or self._found.how == CUT:
                self._doubt_map()

    def _use(self, source_map: SourceMap) -> None:
        """Take a map, and what it says of where to go on."""
        source_map.path = self._path
        self.store = SourceStore(self._layout.source, source_map)
        # A start that skipped addresses may have said already what goes on after them, and then been killed.
        begun = self._tail.begun
        self._goes_on_after_gap = begun > self._tail.end and source_map.has_pair_at(begun)
        end = begun if self._goes_on_after_gap else self._tail.end
        source_map.forget_after(end)
        self._end = end + (1 if source_map.owes_newline(end) else 0)
        self._known = source_map.current
        self._position = self._known.position_at(self._end) if self._known is not None else 0

    def _without_map(self) -> SourceMap:
        """Make a map for a journal that no file has filled, or by a search for its last bytes. Raises SourceError."""
        settings = boot.read(self._layout.boot)
        from_fifo = settings is not None and "fifo" in settings.settings
        if not self._tail.end or (from_fifo and not os.path.exists(self._layout.source)):
            return SourceMap(self._path, self._boot_id, self._tail.end)
        found = search(self._generations, self._tail)
        if found is None:
            raise self._unknown_position()
        return self._rebuilt(found)

    def _doubt_map(self) -> None:
        """Look whether the journal's last bytes are elsewhere: then an older source.json was put back."""
        found = search(self._generations, self._tail)
        if found is not None:
            if self._found is not None:
                self._found.file.close()
            self._use(self._rebuilt(found))
            self._found = Found(self._generations.take(found.file), found.position, SAME)

    def _rebuilt(self, found: Found) -> SourceMap:
        """Make a map from the place at which the journal's last bytes were found."""
        fresh = SourceMap(self._path, self._boot_id, 0)
        for older in self._generations.files[: self._generations.files.index(found.file)]:
            if older.size:
                before = SourceFile(older.inode, older.birth_time)
                fresh.files.append(before)
                fresh.leave(before, mark_at(older.descriptor, older.size))
        known = SourceFile(found.file.inode, found.file.birth_time)
        known.add_mark(mark_at(found.file.descriptor, found.position))
        proven = len(self._tail.last(self._tail.end, PROOF_BYTES))  # a file that is cut next is compared with these
        fresh.begin(known, found.position - proven, self._tail.end - proven)
        self._report.log.warning(
            "source.json was lost, or is an older one; the position was found by the journal's last bytes",
            path=found.file.path,
            source_offset=found.position,
        )
        return fresh

    def _unknown_position(self) -> SourceError:
        """Record that capture cannot go on, and return why."""
        detail: dict[str, object] = {"path": self._path, "reason": "source.json is missing or damaged"}
        self._report.note(kinds.SOURCE_LOST, self._tail.end, 0, detail)
        return SourceError(
            f"{self._layout.source} is missing or damaged, and the journal's last bytes are in no file beside"
            f" {self._path}: where to go on is not known, and is not guessed",
            "Restore source.json or the file, or name an empty directory with --journal",
        )

    def begin(self, capture: FileCapture, end: int) -> None:
        """Let capture go on. end: the journal's end after its recovery. Raises OSError."""
        skipped = end > self._end
        # Not before: a start that is killed must leave it to the next one to see that the power was lost.
        self.store.map.boot_id = self._boot_id
        proof = b""
        if self._known is not None:
            source, _ = self._known.pairs[-1]
            proof = self._tail.last(self._tail.end, min(PROOF_BYTES, max(0, self._position - source)))
        line_open = not (skipped or self._goes_on_after_gap) and self._tail.last(self._tail.end, 1) not in (b"", b"\n")
        capture.begin(end, line_open=line_open, proof=proof)
        capture.note_gzipped(self._generations)
        self._hand_over_finished(capture)
        if self._known is not None:
            self._go_on(capture, self._known, end, skipped=skipped)
        with self.store.lock:
            self.store.save()
        self._tail.close()
        self._generations.close()

    def _go_on(self, capture: FileCapture, known: SourceFile, end: int, *, skipped: bool) -> None:
        found = self._found
        if found is None:
            self._without_file(capture, known, end)
            return
        file = found.file
        if found.how == MOVED and found.file.path != self._path:  # at the path it is the volume that was restored
            self._report.lost(self._path, found.position, end, copy=file.path)
        if found.how in (SAME, MOVED, PACKED):
            known.inode, known.birth_time = file.inode, file.birth_time
            position = found.position
            if skipped:
                position = position if self._goes_on_after_gap else self._line_start(file, position)
                known.add_mark(mark_at(file.descriptor, position))
                self.store.map.begin(known, position, end)
            capture.go_on(found, known, position)
        elif found.how == CUT and self._rebooted:
            self._report.rolled_back(file.path, self._position, found.position, end)
            capture.resume_at(file, known, found.position)
        else:
            capture.after_cut(self._numbered(known) or file, known, self._position, None, found)

    def _without_file(self, capture: FileCapture, known: SourceFile, end: int) -> None:
        file = self._numbered(known)
        if file is None:
            capture.expect(known, self._position)
        elif self._rebooted:
            start = skip_nothing(file.descriptor, 0)
            self._report.rolled_back(file.path, self._position, min(start, self._position), end)
            capture.resume_at(file, known, start)
        else:
            capture.after_cut(file, known, self._position, None, None)

    def _numbered(self, known: SourceFile) -> OpenFile | None:
        """Take the file that has the known number, whatever is in it."""
        for file in self._generations.files:
            if known.is_numbered(file.inode, file.birth_time):
                return self._generations.take(file)
        return None

    def _line_start(self, file: OpenFile, position: int) -> int:
        """Return the source offset of the line that was under way, where the file still has it."""
        before = self._tail.last(self._tail.end, min(PROOF_BYTES, position))
        newline = before.rfind(b"\n")
        if newline < 0 and len(before) < position:
            return position  # the line is longer than what is looked at: nothing is gained by going back into it
        start = position - (len(before) - newline - 1)
        kept = first_data(file.descriptor, 0)
        return start if kept is not None and kept <= start else position

    def _hand_over_finished(self, capture: FileCapture) -> None:
        """Files that our reclaim renamed and that were captured to their ends: to be unlinked when nobody has them."""
        for file in list(self._generations.files):
            if not is_reclaimed(self._path, file):
                continue
            for known in self.store.map.files:
                numbered = known.end is not None and known.is_numbered(file.inode, file.birth_time)
                if numbered and known.end == file.size and fits_mark(file.descriptor, known.marks[-1]):
                    capture.hand_over_left(self._generations.take(file), known)
                    break


def _undo_half_rename(path: str) -> None:
    """Remove our name for a file that still has its own: where a rename is a link and an unlink, a kill came between.

    Raises OSError.
    """
    directory, live = os.path.split(os.path.realpath(path))
    try:
        number = os.stat(f"{directory}/{live}").st_ino
        ours = [name for name in os.listdir(directory) if is_ours(live, name)]
    except OSError:  # it is not there, or may not be listed: then we have renamed nothing either
        return
    for name in ours:
        if os.lstat(f"{directory}/{name}").st_ino == number:
            os.unlink(f"{directory}/{name}")
