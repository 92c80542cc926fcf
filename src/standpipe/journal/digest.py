"""What a seal says about a segment's bytes, found in one pass over them.

``first_time`` and ``last_time`` are the ``time`` members of the segment's first and last lines that end within it with
a newline and are records. At most EDGE_LINES lines are looked at from either side, within EDGE_BYTES of it, because a
line may be the rest of a record that began in the segment before, or torn. null where none of them is one.
A line is a record where it is, from its first ``{`` on (Vault's ``prefix`` may stand before), one JSON object.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EDGE_BYTES = 256 << 10  # how much of either side is searched: 100 usual records, and what keep can afford to hold
EDGE_LINES = 16  # torn records come in ones and twos


@dataclass(frozen=True, slots=True)
class Digest:
    """Facts about a run of bytes. ``sha256`` is hex, ``length`` in bytes, ``records`` counts newlines.

    ``sha256`` is empty where it was not asked for.
    """

    sha256: str
    length: int
    records: int
    first_time: str | None
    last_time: str | None


def record_time(line: bytes) -> str | None:
    """Return the ``time`` member of a line, or None where the line is no record or has none."""
    start = line.find(b"{")
    if start < 0:
        return None
    try:
        entry = json.loads(line[start:])
    except (ValueError, RecursionError):
        return None
    time = entry.get("time") if isinstance(entry, dict) else None
    return time if isinstance(time, str) else None


def _first_lines(head: bytes) -> Iterator[bytes]:
    start = 0
    for _ in range(EDGE_LINES):
        end = head.find(b"\n", start)
        if end < 0:
            return
        yield head[start:end]
        start = end + 1


def _last_lines(tail: bytes) -> Iterator[bytes]:
    """Yield whole lines, last one first; the first line of tail may be cut, and then it is no record."""
    end = tail.rfind(b"\n")
    for _ in range(EDGE_LINES):
        if end < 0:
            return
        start = tail.rfind(b"\n", 0, end) + 1
        yield tail[start:end]
        end = start - 1


def _first_time(lines: Iterable[bytes]) -> str | None:
    return next((time for time in map(record_time, lines) if time is not None), None)


def digest_blocks(blocks: Iterable[bytes], *, hashed: bool = True) -> Digest:
    """Digest bytes that come in blocks of any size; without the hash where it is not wanted."""
    sha256 = hashlib.sha256()
    length = records = 0
    head = bytearray()
    tail = b""
    for block in blocks:
        if hashed:
            sha256.update(block)
        records += block.count(b"\n")
        length += len(block)
        if len(head) < EDGE_BYTES:
            head += block[: EDGE_BYTES - len(head)]
        tail = block[-EDGE_BYTES:] if len(block) >= EDGE_BYTES else (tail + block)[-EDGE_BYTES:]
    return Digest(
        sha256=sha256.hexdigest() if hashed else "",
        length=length,
        records=records,
        first_time=_first_time(_first_lines(bytes(head))),
        last_time=_first_time(_last_lines(tail)),
    )
