"""Where each byte of the journal stood in the files that Vault wrote: the content of ``source.json``. Pure.

The journal's end is the only checkpoint. This map turns it into a position in a file::

    {"format":1, "path":…, "boot_id":…, "reclaim":{"way":…,"reason":…}, "since":journal offset, "closed":[…],
     "files":[{"inode":…, "birth_time":ns|null, "end":source offset|null,
               "pairs":[[source offset, journal offset],…], "marks":[[source offset, length, crc32],…]},…]}

**Pairs.** From a pair on, the file's bytes stand in the journal one after the other, until the next pair of any file.
The file that is being followed is the one whose pair has the highest journal offset; its position is
``pair.source + (journal's end - pair.journal)``. A pair is durable before the first byte after it is copied.

**Marks.** A file is known by its content, not by its number: inodes are used again, devices change with a mount, and a
truncated file can grow past where it was. Mostly the journal's own tail proves it; where that was compressed or
deleted, a mark does: the CRC-32 of the bytes just before an offset. One is made at each segment's end and each file's.

**end** is how far a file was captured that is not followed any more; there is a mark at it. Such a file may have no
pairs left: then something else began before a byte of it was copied. **closed** names the newlines in the journal that
no file had: they end a torn line before something else begins. **since** is where the journal ended before a file
became its source: what is before it came from a FIFO.
"""

from __future__ import annotations

import json

FORMAT = 1
PROOF_BYTES = 64 << 10  # before a position: dozens of records, each with its own id and time, and soon compared
# The newest bytes that are captured are never given back: up to PROOF_BYTES of them prove the position, and where the
# segment is too young to hold so many, the last mark does, which may lie that far back again.
KEPT_BYTES = 2 * PROOF_BYTES
FILES_MAX = 1024  # generations that are remembered, 200 bytes each; rotators keep fewer
PAIRS_MAX = 64  # a file; one is made at each truncation or power loss
MARKS_MAX = 64  # a file: 4 GiB of segments; the oldest but the first are forgotten
MARKS_LEFT_MAX = 4  # of a file that is not followed any more: its end, and some by which half a copy is known
CLOSED_MAX = 64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Mark:
    """The bytes ``[offset - length, offset)`` of a file have this CRC-32."""

    __slots__ = ("crc", "length", "offset")

    def __init__(self, offset: int, length: int, crc: int) -> None:
        self.offset = offset
        self.length = length
        self.crc = crc


class SourceFile:
    """One file, as it is known across renames: see the module."""

    __slots__ = ("birth_time", "end", "inode", "marks", "pairs")

    def __init__(self, inode: int, birth_time: int | None) -> None:
        self.inode = inode
        self.birth_time = birth_time
        self.end: int | None = None
        self.pairs: list[tuple[int, int]] = []
        self.marks: list[Mark] = []

    def is_numbered(self, inode: int, birth_time: int | None) -> bool:
        """Tell whether a file's number and birth, where both are known, are this one's: a hint, never a proof."""
        if self.inode != inode:
            return False
        return self.birth_time is None or birth_time is None or self.birth_time == birth_time

    def position_at(self, journal_end: int) -> int:
        """Return the source offset of the next byte when the journal's end is this one."""
        source, journal = self.pairs[-1]
        return source + journal_end - journal

    def add_mark(self, mark: Mark) -> None:
        """Remember a mark; marks stay in order."""
        self.marks = [known for known in self.marks if known.offset < mark.offset]
        self.marks.append(mark)
        if len(self.marks) > MARKS_MAX:
            del self.marks[1]

    def mark_up_to(self, offset: int) -> Mark | None:
        """Return the last mark at or before a source offset."""
        return next((mark for mark in reversed(self.marks) if mark.offset <= offset), None)


class SourceMap:
    """All files that were followed, the oldest first."""

    __slots__ = ("boot_id", "closed", "files", "path", "reclaim", "since")

    def __init__(self, path: str, boot_id: str, since: int) -> None:
        self.path = path
        self.boot_id = boot_id
        self.since = since
        self.reclaim: dict[str, str] = {}
        self.closed: list[int] = []
        self.files: list[SourceFile] = []

    @property
    def current(self) -> SourceFile | None:
        """The file whose pair has the highest journal offset."""
        followed = [file for file in self.files if file.pairs]
        return max(followed, key=lambda file: file.pairs[-1][1], default=None)

    def begin(self, file: SourceFile, source: int, journal: int) -> None:
        """Say that the file's bytes from a source offset on follow from a journal offset on."""
        if file not in self.files:
            self.files.append(file)
            del self.files[:-FILES_MAX]
        file.end = None
        # A pair at or after this journal offset says where bytes would have gone that never came.
        for other in self.files:
            other.pairs = [pair for pair in other.pairs if pair[1] < journal]
        file.pairs.append((source, journal))
        del file.pairs[:-PAIRS_MAX]
        self.files = [other for other in self.files if other.pairs or other.end is not None]

    def leave(self, file: SourceFile, mark: Mark) -> None:
        """Say that a file is not followed any more, and what it ends with."""
        file.add_mark(mark)
        file.end = mark.offset
        del file.marks[:-MARKS_LEFT_MAX]
        del file.pairs[:-1]

    def close_line(self, journal: int) -> None:
        """Say that the newline at a journal offset is ours."""
        self.closed = [*(known for known in self.closed if known < journal), journal][-CLOSED_MAX:]

    def owes_newline(self, journal_end: int) -> bool:
        """Tell whether a newline of ours is due: it was announced, and not written before a crash."""
        return journal_end in self.closed

    def has_pair_at(self, journal: int) -> bool:
        """Tell whether it is said which bytes come at a journal offset."""
        return any(pair[1] == journal for file in self.files for pair in file.pairs)

    def forget_after(self, journal_end: int) -> None:
        """Forget the pairs of bytes that a power loss took from the journal."""
        limit = journal_end + (1 if self.owes_newline(journal_end) else 0)
        for file in self.files:
            file.pairs = [pair for pair in file.pairs if pair[1] <= limit]
        self.files = [file for file in self.files if file.pairs or file.end is not None]
        self.closed = [offset for offset in self.closed if offset <= journal_end]
        if self.current is not None:
            self.current.end = None

    def encode(self) -> bytes:
        """Return the text of source.json."""
        files = [
            {
                "inode": file.inode,
                "birth_time": file.birth_time,
                "end": file.end,
                "pairs": file.pairs,
                "marks": [(mark.offset, mark.length, mark.crc) for mark in file.marks],
            }
            for file in self.files
        ]
        entry = {
            "format": FORMAT,
            "path": self.path,
            "boot_id": self.boot_id,
            "reclaim": self.reclaim,
            "since": self.since,
            "closed": self.closed,
            "files": files,
        }
        return json.dumps(entry).encode() + b"\n"


def _decode_file(entry: dict[str, Any]) -> SourceFile:
    birth_time, end = entry["birth_time"], entry["end"]
    file = SourceFile(int(entry["inode"]), None if birth_time is None else int(birth_time))
    file.end = None if end is None else int(end)
    file.pairs = [(int(source), int(journal)) for source, journal in entry["pairs"]]
    file.marks = [Mark(int(offset), int(length), int(crc)) for offset, length, crc in entry["marks"]]
    return file


def decode(text: bytes) -> SourceMap | None:
    """Read source.json; None where it is not one in our format."""
    try:
        entry = json.loads(text)
        if entry["format"] != FORMAT:
            return None
        found = SourceMap(str(entry["path"]), str(entry["boot_id"]), int(entry["since"]))
        found.reclaim = {str(key): str(value) for key, value in entry["reclaim"].items()}
        found.closed = [int(offset) for offset in entry["closed"]]
        found.files = [_decode_file(file) for file in entry["files"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return found if all(file.pairs or file.end is not None for file in found.files) else None
