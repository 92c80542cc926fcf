"""keep's look for values in clear text: in the newest bytes as they come, and in all of a segment as it is sealed.

A device with ``log_raw`` shows every token, so a look at the last TAIL_BYTES every tick is enough to tell of it soon;
what such a look misses is found when the segment is sealed. There is one incident a segment, at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from standpipe.journal import incidents, kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from standpipe.journal.layout import Layout
    from standpipe.journal.reader import JournalReader
    from standpipe.observe.log import Log

TAIL_BYTES = 64 << 10  # some fifty records, for 0.1 ms


class Scans(Protocol):
    """What finds such values: see records.raw_scan."""

    first: int | None
    end: int
    lines: int
    names: tuple[str, ...]

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""


class RawWatch:
    """One journal's. scan: begins to look at an offset; None: nothing is looked for."""

    def __init__(self, layout: Layout, scan: Callable[[int], Scans] | None, log: Log) -> None:
        self._layout = layout
        self._scan = scan
        self._log = log
        self._looked_to = 0
        self._told: int | None = None  # the segment that has its incident

    def look(self, reader: JournalReader, now: float) -> None:
        """Look at what is newest. Raises OSError or JournalError."""
        segments = reader.segments
        tail = segments[-1] if segments else None
        if self._scan is None or tail is None or tail.base == self._told or tail.end <= self._looked_to:
            return
        start = max(tail.base, self._looked_to, tail.end - TAIL_BYTES)
        data = reader.read(start, tail.end - start)
        whole = 0 if start in (tail.base, self._looked_to) else data.find(b"\n") + 1
        end = data.rfind(b"\n") + 1
        self._looked_to = start + end if end else self._looked_to
        if end > whole:
            scan = self._scan(start + whole)
            scan.feed(data[whole:end])
            self._tell(tail.base, tail.end, scan, now)

    def watched(self, base: int, end: int, blocks: Iterator[bytes], now: float) -> Iterator[bytes]:
        """Yield the blocks of a segment that is being sealed; tell what was in them after the last. Raises OSError."""
        if self._scan is None:
            yield from blocks
            return
        scan = self._scan(base)
        for block in blocks:
            scan.feed(block)
            yield block
        self._tell(base, end, scan, now)

    def _tell(self, base: int, end: int, scan: Scans, now: float) -> None:
        if scan.first is None or self._is_told(base, end):
            return
        detail: dict[str, Any] = {"records": scan.lines, "members": list(scan.names)}
        incidents.append(self._layout.incidents, kinds.RAW_VALUES, scan.first, scan.end - scan.first, detail, now)
        self._told = base
        self._log.error(
            "values in clear text: an audit device has log_raw", offset=scan.first, members=", ".join(scan.names)
        )

    def _is_told(self, base: int, end: int) -> bool:
        """Tell whether the segment has its incident, from this process or one before it."""
        if self._told == base:
            return True
        told = incidents.read_kind(self._layout.incidents, kinds.RAW_VALUES)
        offsets = (entry.get("offset") for entry in told if "sink" not in _detail(entry))
        if any(isinstance(offset, int) and base <= offset < max(end, base + 1) for offset in offsets):
            self._told = base
            return True
        return False


def _detail(entry: dict[str, object]) -> dict[str, object]:
    detail = entry.get("detail")
    return detail if isinstance(detail, dict) else {}
