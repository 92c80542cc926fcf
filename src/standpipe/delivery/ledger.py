"""The incidents of delivery, from all of ship's threads: each torn record once, whichever sink met it first.

Incidents wait in memory while the disk refuses them. A dead letter's own incident is written after the dead letter
itself, so it may be missing after a kill, and the letter is there.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right, insort
from typing import TYPE_CHECKING

from standpipe.journal import incidents, kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from standpipe.observe.log import Log
    from standpipe.records.framing import Record


def _runs(records: Sequence[Record]) -> list[list[Record]]:
    """Return records in groups that follow on one another without a gap."""
    runs: list[list[Record]] = []
    for record in records:
        if runs and runs[-1][-1].end == record.offset:
            runs[-1].append(record)
        else:
            runs.append([record])
    return runs


class Ledger:
    """One journal's, for the life of ship."""

    def __init__(self, path: str) -> None:
        """Read which torn records have been noted. Raises OSError."""
        self._lock = threading.Lock()
        self._queue = incidents.IncidentQueue(path)
        self._torn: list[tuple[int, int]] = []  # [from, to), in order
        for entry in incidents.read_kind(path, kinds.TORN):
            offset, length = entry.get("offset"), entry.get("length")
            if isinstance(offset, int) and isinstance(length, int):
                insort(self._torn, (offset, offset + length))

    def add(self, kind: str, offset: int | None, length: int | None, detail: dict[str, object]) -> None:
        """Note an incident and write it if the disk takes it."""
        with self._lock:
            self._queue.add(kind, offset, length, detail, time.time())
            self._queue.flush()

    def add_all(self, kind: str, found: Iterable[tuple[int, int, dict[str, object]]]) -> None:
        """Note incidents of one kind, each with offset, length and detail, with as few writes as can be."""
        now = time.time()
        with self._lock:
            for offset, length, detail in found:
                self._queue.add(kind, offset, length, detail, now)
            self._queue.flush()

    def torn(self, records: Sequence[Record]) -> None:
        """Note torn records that follow on one another, but for those that were noted before."""
        with self._lock:
            fresh = [record for record in records if not self._is_noted(record.offset)]
            for run in _runs(fresh):
                start, end = run[0].offset, run[-1].end
                insort(self._torn, (start, end))
                detail: dict[str, object] = {"records": len(run), "bytes": end - start}
                self._queue.add(kinds.TORN, start, end - start, detail, time.time())
            if fresh:
                self._queue.flush()

    def _is_noted(self, offset: int) -> bool:
        index = bisect_right(self._torn, (offset, 1 << 63)) - 1
        return index >= 0 and offset < self._torn[index][1]

    def seal_missing(self, sink: str, log: Log) -> Callable[[int, int, str], None]:
        """Return what notes, for one sink, that a segment's seal could not be had: base, end, why."""

        def note(base: int, end: int, why: str) -> None:
            self.add(kinds.SEAL_MISSING, base, end - base, {"sink": sink, "why": why})
            log.error("a seal is missing, so this sink does not get it", sink=sink, offset=base, why=why)

        return note

    def flush(self) -> bool:
        """Write what waits; False where the disk still refuses."""
        with self._lock:
            return self._queue.flush()
