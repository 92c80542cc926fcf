"""incidents.jsonl: one line for everything abnormal, so that nothing is lost silently.

A line is ``{"time":…,"kind":…,"offset":…,"length":…,"detail":{…}}``. ``offset`` and ``length`` name the journal
addresses concerned (null where none are). Lines are appended with one write(2) under O_APPEND by capture, keep and
ship, and fsynced. A torn last line (the volume was full, the power went) is passed over by readers and closed
by the next append.

The file is bounded: at FILE_BYTES_MAX keep gives it the name incidents.jsonl.1, in place of an older one. What is
forgotten then is told by the seals still, where it was a gap.
"""

from __future__ import annotations

import json
import os

from standpipe.journal.atomic import atomic_write, fsync_directory
from standpipe.journal.layout import FILE_MODE
from standpipe.observe.log import utc_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_BYTES_MAX = 32 << 20  # some 150,000 incidents; there may be two such files
CAP_DIVISOR = 16  # and of the journal's cap no more than this part each, for they count against it
OLDER_SUFFIX = ".1"
OVERSIZE = 2  # times the limit: keep looks each 0.25 s, and nothing writes so much in between
LINES_A_WRITE = 64  # a burst of dead letters must not cost an fsync each


def format_incident(kind: str, offset: int | None, length: int | None, detail: dict[str, object], now: float) -> bytes:
    """Render one line."""
    entry = {"time": utc_text(now), "kind": kind, "offset": offset, "length": length, "detail": detail}
    return json.dumps(entry, default=str).encode() + b"\n"


def append(path: str, kind: str, offset: int | None, length: int | None, detail: dict[str, object], now: float) -> None:
    """Add one incident, durably. Raises OSError (the line is then not, or not whole, in the file)."""
    append_lines(path, format_incident(kind, offset, length, detail, now))


def append_lines(path: str, line: bytes) -> None:
    """Add whole lines, durably, with one write. Raises OSError (some of them may be in the file then)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, FILE_MODE)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        written = os.write(descriptor, line)
        if written != len(line):
            os.write(descriptor, line[written:])  # a full volume raises here; the torn line is closed by the next one
        os.fsync(descriptor)
        if not size:
            fsync_directory(os.path.dirname(path) or ".")
    finally:
        os.close(descriptor)


def bytes_max(cap_bytes: int) -> int:
    """Return how large the file may become in a journal with a cap."""
    return min(FILE_BYTES_MAX, cap_bytes // CAP_DIVISOR)


def bound(path: str, limit_bytes: int = FILE_BYTES_MAX) -> bool:
    """Begin a new file where this one has reached its limit; tell whether it had. Raises OSError.

    One that is far beyond it, because the limit was another, keeps its newest lines only.
    """
    older = path + OLDER_SUFFIX
    try:
        full = os.stat(path).st_size >= limit_bytes
    except FileNotFoundError:
        full = False
    if full:
        os.rename(path, older)
    try:
        size = os.stat(older).st_size
        if size >= OVERSIZE * limit_bytes:
            with open(older, "rb") as file:
                file.seek(size - limit_bytes)
                atomic_write(older, file.read().partition(b"\n")[2])
    except FileNotFoundError:
        return full
    return full


def _read_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def read_kind(path: str, kind: str) -> Iterator[dict[str, object]]:
    """Yield the incidents of one kind, oldest first, without having all of them in memory. Raises OSError."""
    mark = json.dumps(kind).encode()
    for name in (path + OLDER_SUFFIX, path):
        try:
            file = open(name, "rb")  # noqa: SIM115 - closed below; only the open may fail quietly
        except FileNotFoundError:
            continue
        with file:
            for line in file:
                entry = _parse(line) if mark in line else None
                if entry is not None and entry["kind"] == kind:
                    yield entry


def _parse(line: bytes) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("kind"), str) else None


def read(path: str) -> list[dict[str, object]]:
    """Return all incidents, oldest first; lines that are not whole are passed over. Raises OSError."""
    newer = _read_file(path)
    older = _read_file(path + OLDER_SUFFIX)
    if newer and older.startswith(newer):
        newer = b""  # it got its other name between the two looks
    found = []
    for line in (older + b"\n" + newer).split(b"\n"):
        entry = _parse(line)
        if entry is not None:
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
            first = self._waiting[:LINES_A_WRITE]
            try:
                append_lines(self._path, b"".join([format_incident(*incident) for incident in first]))
            except OSError:
                return False
            del self._waiting[: len(first)]
        return True
