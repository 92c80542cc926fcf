"""deadletter/<sink>.jsonl: the records that a sink will never take, kept on disk with the reason.

A line is ``{"time":…,"id":…,"offset":…,"length":…,"why":…,"record":…}``; ``record`` is the record's text as the sink
would have got it, in a JSON string (``record_base64`` where it is not UTF-8), so nothing of it is interpreted. Lines
are on the disk before the sink's cursor passes the record. A kill in between sends the record again and may add a
second line with the same id.

The files of all sinks together are bounded: when they are full a sink that needs one more line waits, is told of in
status and log, and goes on when somebody has taken a file away. To give records up silently would be the one thing that
must not happen.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from typing import TYPE_CHECKING

from standpipe.journal import kinds
from standpipe.journal.atomic import fsync_directory
from standpipe.journal.layout import FILE_MODE
from standpipe.observe.log import utc_text
from standpipe.records.envelope import entry_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.delivery.ledger import Ledger
    from standpipe.journal.layout import Layout
    from standpipe.records.framing import Record

BYTES_MAX = 256 << 20  # some 100,000 usual records: far beyond what somebody will look at one by one
CAP_DIVISOR = 8  # and of the journal's cap no more than this part, for it counts against it


def bytes_max(cap_bytes: int | None) -> int:
    """Return how large the files of all sinks together may become in a journal with a cap."""
    return BYTES_MAX if cap_bytes is None else min(BYTES_MAX, cap_bytes // CAP_DIVISOR)


def format_letter(record: Record, why: str, journal_id: str, now: float) -> bytes:
    """Render one line."""
    entry: dict[str, object] = {
        "time": utc_text(now),
        "id": entry_id(record, journal_id),
        "offset": record.offset,
        "length": record.length,
        "why": why,
    }
    try:
        entry["record"] = record.body.decode()
    except UnicodeDecodeError:
        entry["record_base64"] = b64encode(record.body).decode("ascii")
    return json.dumps(entry).encode() + b"\n"


class DeadLetters:
    """One sink's file. It is opened for each write, so that whoever takes it away has all of it."""

    def __init__(self, layout: Layout, sink: str, journal_id: str, limit_bytes: int, ledger: Ledger) -> None:
        self._path = layout.dead_letters(sink)
        self._sink = sink
        self._journal_id = journal_id
        self._limit_bytes = limit_bytes
        self._ledger = ledger

    def add(self, letters: Sequence[tuple[Record, str]], now: float) -> str | None:
        """Write records and reasons durably, then an incident each; return None, or why they are refused: try later.

        The disk may refuse, or the limit. A file that is empty takes any record, or a very large one could never be
        put away.
        """
        refused = self._append(letters, now)
        if refused is None:
            self._ledger.add_all(
                kinds.DEAD_LETTER,
                [
                    (record.offset, record.length, {"sink": self._sink, "why": why, "seal": record.is_seal})
                    for record, why in letters
                ],
            )
        return refused

    def _append(self, letters: Sequence[tuple[Record, str]], now: float) -> str | None:
        lines = b"".join(format_letter(record, why, self._journal_id, now) for record, why in letters)
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            return f"{self._path}: {error.strerror}"
        try:
            size = os.fstat(descriptor).st_size
            if (size or len(letters) > 1) and self._all_bytes() + len(lines) > self._limit_bytes:
                return (
                    f"the dead letters of all sinks have reached their limit of {self._limit_bytes} bytes: look at "
                    f"{self._path}, then move that file away"
                )
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a full disk cut the last line
                lines = b"\n" + lines
            written = 0
            while written < len(lines):
                written += os.write(descriptor, lines[written:])
            os.fsync(descriptor)
            if not size:
                fsync_directory(os.path.dirname(self._path))
        except OSError as error:
            return f"{self._path}: {error.strerror}"
        finally:
            os.close(descriptor)
        return None

    def _all_bytes(self) -> int:
        """Return what the dead letters of all sinks take, also of those that are gone: they count against one cap."""
        with os.scandir(os.path.dirname(self._path)) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
