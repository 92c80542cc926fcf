"""The file that is read, and the files that were: what follow and reopen share."""

from __future__ import annotations

from standpipe.journal.intake import FileIntake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from standpipe.capture.regular_file import OpenFile
    from standpipe.capture.source_map import SourceFile


class Followed:
    """The file that is being read, and how far: `position`, the source offset of the next byte."""

    __slots__ = ("file", "intake", "known", "seen_size")

    def __init__(self, file: OpenFile, known: SourceFile, position: int) -> None:
        self.file = file
        self.known = known
        self.intake = FileIntake(file.descriptor, position)
        self.seen_size = position  # the largest size seen: what is lost when somebody cuts the file

    @property
    def position(self) -> int:
        """The source offset of the next byte."""
        return self.intake.offset


class Left:
    """A file that is not read now, still open in case that it grows: one that was read to its end, or cut to nothing.

    journal_end: the journal's end when it was left; rests_since: monotonic seconds; looked_at: the same, when it was
    last looked at whether it may be unlinked.
    """

    __slots__ = ("file", "journal_end", "known", "looked_at", "rests_since")

    def __init__(self, file: OpenFile, known: SourceFile, journal_end: int, rests_since: float) -> None:
        self.file = file
        self.known = known
        self.journal_end = journal_end
        self.rests_since = rests_since
        self.looked_at = float("-inf")
