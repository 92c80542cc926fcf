"""incidents.jsonl: one line for everything abnormal, so that nothing is lost silently.

A line is ``{"time":…,"kind":…,"offset":…,"length":…,"detail":{…}}``. ``offset`` and ``length`` name the journal
addresses concerned (null where none are). Lines are appended with one write(2) under O_APPEND by capture, keep and
ship, and fsynced. A torn last line (the volume was full, the power went) is passed over by readers and closed
by the next append.
"""

from __future__ import annotations

import json
import os

from standpipe.journal.layout import FILE_MODE
from standpipe.observe.log import utc_text

READ_BYTES_MAX = 64 << 20  # a reader takes the newest 64 MiB, some 300,000 incidents; more is a different problem


def format_incident(kind: str, offset: int | None, length: int | None, detail: dict[str, object], now: float) -> bytes:
    """Render one line."""
    entry = {"time": utc_text(now), "kind": kind, "offset": offset, "length": length, "detail": detail}
    return json.dumps(entry, default=str).encode() + b"\n"


def append(path: str, kind: str, offset: int | None, length: int | None, detail: dict[str, object], now: float) -> None:
    """Add one incident, durably. Raises OSError (the line is then not, or not whole, in the file)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, FILE_MODE)
    try:
        line = format_incident(kind, offset, length, detail, now)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        written = os.write(descriptor, line)
        if written != len(line):
            os.write(descriptor, line[written:])  # a full volume raises here; the torn line is closed by the next one
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: str) -> list[dict[str, object]]:
    """Return all incidents, oldest first; lines that are not whole are passed over. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return []
    try:
        size = os.fstat(descriptor).st_size
        data = os.pread(descriptor, READ_BYTES_MAX, max(0, size - READ_BYTES_MAX))
    finally:
        os.close(descriptor)
    found = []
    for line in data.split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("kind"), str):
            found.append(entry)
    return found


class IncidentQueue:
    """Incidents that wait in memory while the disk cannot take them; in order, with the time at which they arose."""

    __slots__ = ("_path", "_waiting")

    def __init__(self, path: str) -> None:
        self._path = path
        self._waiting: list[tuple[str, int | None, int | None, dict[str, object], float]] = []

    def add(self, kind: str, offset: int | None, length: int | None, detail: dict[str, object], now: float) -> None:
        """Note an incident; `flush` writes it."""
        self._waiting.append((kind, offset, length, detail, now))

    def flush(self) -> bool:
        """Write what waits; False where the disk refused and some still do."""
        while self._waiting:
            try:
                append(self._path, *self._waiting[0])
            except OSError:
                return False
            del self._waiting[0]
        return True
