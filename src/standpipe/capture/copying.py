"""From the followed file into the journal: the copy, what proves that the file was the right one, a torn line's end.

Each copy is fenced: the bytes before the position are compared before it and after it with what they were, so nothing
that was swapped under it goes unnoticed. (A size that shrank is the least of what truncation can look like.)
"""

from __future__ import annotations

import os
import zlib

from standpipe.capture.followed import Followed
from standpipe.capture.source_map import PROOF_BYTES, Mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.capture.follow_report import Report
    from standpipe.capture.reclaim import Reclaim
    from standpipe.capture.regular_file import OpenFile
    from standpipe.capture.source_map import SourceFile
    from standpipe.capture.source_store import SourceStore
    from standpipe.journal.writer import Writer

PIECE_BYTES = 8 << 20  # copied between two looks at signals, and at whether it is still the same file
TELL_SECONDS = 2.0  # progress, while there is much to catch up with
NEWLINE = 0x0A


class Copying:
    """The file that is read, and the end of the journal."""

    def __init__(
        self, writer: Writer, store: SourceStore, report: Report, reclaim: Reclaim, clock: Callable[[], float]
    ) -> None:
        self._writer = writer
        self._store = store
        self._report = report
        self._reclaim = reclaim
        self._clock = clock
        self._proof = bytearray(PROOF_BYTES)  # the bytes before the position
        self._scratch = bytearray(PROOF_BYTES)
        self._proof_length = 0
        self._moved_at = clock()
        self._told_at = clock()
        self._torn_from: int | None = None
        self.current: Followed | None = None
        self.begun = False  # a file was begun since somebody last cleared this
        self.line_open = False  # the journal's last byte ends no line
        self.end = 0  # of the journal

    def begin(self, end: int, *, line_open: bool, proof: bytes) -> None:
        """Say where the journal ends, whether inside a line, and what its last bytes are that came from the file."""
        self.end = end
        self.line_open = line_open
        self._proof[: len(proof)] = proof
        self._proof_length = len(proof)
        self._torn_from = end if self._store.map.owes_newline(end) else None

    @property
    def rests_seconds(self) -> float:
        """How long nothing was copied."""
        return self._clock() - self._moved_at

    def follow(self, file: OpenFile, known: SourceFile, position: int) -> None:
        """Read a file from a position on, which is in the map already."""
        self.begun = True
        self.current = Followed(file, known, position)
        self._moved_at = self._clock()
        self.accept_proof(self.current)
        self._reclaim.follow(self.current, self.end)

    # The fence.

    @staticmethod
    def _read_before(current: Followed, buffer: bytearray) -> int:
        length = min(PROOF_BYTES, current.position)
        return os.preadv(current.file.descriptor, [memoryview(buffer)[:length]], current.position - length)

    def accept_proof(self, current: Followed) -> None:
        """Take the bytes before the position as they are now for the right ones."""
        self._proof_length = self._read_before(current, self._proof)

    def is_same(self, current: Followed, size: int) -> bool:
        """Tell whether the bytes before the position are what they were."""
        if size < current.position:
            return False
        length = self._read_before(current, self._scratch)
        return memoryview(self._scratch)[:length] == memoryview(self._proof)[: self._proof_length]

    def _is_same_before(self, current: Followed, position: int) -> bool:
        """Tell whether the bytes before the position from which a copy began are still those of before it."""
        block = os.pread(current.file.descriptor, self._proof_length, position - self._proof_length)
        return block == memoryview(self._proof)[: self._proof_length]

    def mark(self, position: int) -> Mark | None:
        """Make the mark of the bytes before the position, which the file itself may have lost; None without bytes."""
        if not self._proof_length:
            return None
        return Mark(position, self._proof_length, zlib.crc32(memoryview(self._proof)[: self._proof_length]))

    # The copy.

    def copy(self, current: Followed, size: int) -> tuple[int, bool]:
        """Copy what is new, a piece at most; return how much that was, and whether the fence held."""
        position = current.position
        moved = self._writer.store(current.intake, min(PIECE_BYTES, size - position))  # with nothing: a cut may be due
        if not moved:
            return 0, True
        self.end += moved
        self._moved_at = self._clock()
        after = self._read_before(current, self._scratch)
        if not self._is_same_before(current, position):
            self.line_open = True  # whatever was copied, the rest of it does not follow
            return moved, False
        self._proof, self._scratch, self._proof_length = self._scratch, self._proof, after
        self.line_open = self._proof[after - 1] != NEWLINE
        self._reclaim.copied(self.end)
        self._tell_progress(current, size)
        return moved, True

    def _tell_progress(self, current: Followed, size: int) -> None:
        now = self._clock()
        if size - current.position < PIECE_BYTES:
            self._told_at = now
        elif now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            self._report.log.info(
                "catching up", path=current.file.path, captured_bytes=current.position, file_bytes=size
            )

    # The newline of our own that ends a torn line.

    def close_line_before(self, begin: Callable[[int], None]) -> None:
        """Note what begins now; a newline of our own comes first where the journal's last line is torn.

        Both are durable before either is written. Raises OSError.
        """
        torn = self.line_open
        if torn:
            path = self.current.file.path if self.current is not None else self._store.map.path
            self._report.torn_end(path, self.end)
        with self._store.lock:
            if torn:
                self._store.map.close_line(self.end)
            begin(self.end + torn)
            self._store.save()
        self._torn_from = self.end if torn else None
        self.pay_newline()

    def pay_newline(self) -> bool:
        """Write the newline that was announced; False while there is no room for it."""
        if self._torn_from is None:
            return True
        if not self._writer.close_line():
            return False
        self._torn_from = None
        self.line_open = False
        self.end += 1
        return True
