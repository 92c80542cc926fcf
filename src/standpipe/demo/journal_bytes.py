"""Read a journal's bytes from its files, by the published format alone: an auditor's way, not the program's own."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.demo.alignment import ListedRepeat

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class JournalBytes:
    """Everything that the journal holds."""

    data: bytes
    first_offset: int
    segments: int
    seals: int
    damage: tuple[str, ...]  # what is wrong with the files, in words


def _segment_bytes(directory: Path, base: str, damage: list[str]) -> bytes:
    plain = directory / f"{base}.log"
    if plain.exists():
        return plain.read_bytes()
    packed = directory / f"{base}.log.zst"
    try:
        return zstd.decompress(packed.read_bytes())
    except zstd.ZstdError as error:
        damage.append(f"{packed.name} cannot be decompressed: {error}")
        return b""


def read_journal(journal: Path) -> JournalBytes:
    """Join the segments in order of their base offsets. Raises OSError.

    Where two overlap (the copy after a failed fsync), the later base counts; where they leave a hole, that is damage.
    """
    directory = journal / "segments"
    bases = sorted({p.name[:20] for p in directory.iterdir() if p.name.endswith((".log", ".log.zst"))})
    damage: list[str] = []
    data = bytearray()
    first = int(bases[0]) if bases else 0
    for base in bases:
        position = int(base) - first
        if position > len(data):
            damage.append(f"{position - len(data)} bytes are missing before offset {int(base)}")
        del data[position:]
        data += _segment_bytes(directory, base, damage)
    seals = sum(p.name.endswith(".seal.json") for p in directory.iterdir())
    return JournalBytes(bytes(data), first, len(bases), seals, tuple(damage))


def journal_length(journal: Path) -> int:
    """Return the end offset of the journal's newest segment: what capture has brought in so far. Raises OSError."""
    newest = max((p for p in (journal / "segments").glob("*.log")), key=lambda p: p.name, default=None)
    return int(newest.name[:20]) + newest.stat().st_size if newest else 0


def listed_repeats(journal: Path) -> list[ListedRepeat]:
    """Return the ranges that incidents.jsonl lists with kind ``repeat``. Raises OSError."""
    path = journal / "incidents.jsonl"
    if not path.exists():
        return []
    entries = [json.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    return [ListedRepeat(e["offset"], e["length"]) for e in entries if e["kind"] == "repeat"]


def other_incidents(journal: Path) -> dict[str, int]:
    """Count the incidents that are not repeats, by kind. Raises OSError."""
    path = journal / "incidents.jsonl"
    counts: dict[str, int] = {}
    if path.exists():
        for line in path.read_bytes().splitlines():
            kind = json.loads(line)["kind"] if line.strip() else "repeat"
            if kind != "repeat":
                counts[kind] = counts.get(kind, 0) + 1
    return counts
