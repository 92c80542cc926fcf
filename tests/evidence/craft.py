"""Journals made by hand, as plain files, by code that shares nothing with the program's own.

The format is that of journal.layout and journal.seal, written down once more. `judge` is a second opinion on what
`verify` says: as simple as it can be, whole files in memory, no clever cases.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from backports import zstd

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL_ID = "0a1b2c3d-0000-4000-8000-00000000cafe"
Json = dict[str, object]


def record(number: int, size: int = 120) -> bytes:
    """Return one audit-like record, size bytes with its newline: requests and responses in turns, one a second."""
    kind, request_id = "response" if number % 2 else "request", number // 2
    time = f"2024-05-06T{7 + number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
    head = f'{{"time":"{time}","type":"{kind}","n":{number},"request":{{"id":"{request_id}"}},"pad":"'
    return head.encode().ljust(size - 3, b"x") + b'"}\n'


def records(first: int, count: int) -> bytes:
    """Return several records."""
    return b"".join(record(number) for number in range(first, first + count))


def name(base: int, suffix: str) -> str:
    """Return a file name in segments/."""
    return f"{base:020d}{suffix}"


def compress(raw: bytes, frame_bytes: int = 500) -> bytes:
    """Return the raw bytes in independent frames with a seek table."""
    packed, table = b"", b""
    for start in range(0, len(raw), frame_bytes):
        part = raw[start : start + frame_bytes]
        frame = zstd.compress(part, options={zstd.CompressionParameter.checksum_flag: 1})
        packed += frame
        table += struct.pack("<II", len(frame), len(part))
    footer = struct.pack("<IBI", len(table) // 8, 0, 0x8F92EAB1)
    return packed + struct.pack("<II", 0x184D2A5E, len(table) + len(footer)) + table + footer


def times(raw: bytes) -> tuple[str | None, str | None]:
    """Return the times of the first and the last record."""
    lines = raw.splitlines()
    return (json.loads(lines[0])["time"], json.loads(lines[-1])["time"]) if lines else (None, None)


@dataclass
class Crafted:
    """A journal under construction."""

    root: Path
    end: int = 0
    previous: str | None = None
    number: int = 0
    bases: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the directories and journal.json."""
        for directory in ("segments", "cursors", "deadletter"):
            (self.root / directory).mkdir(parents=True)
        identity = {"format": 1, "journal": JOURNAL_ID, "node": "n", "created": "then", "predecessor": None}
        (self.root / "journal.json").write_text(json.dumps(identity) + "\n")

    def file(self, base: int, suffix: str) -> Path:
        """Return a path in segments/."""
        return self.root / "segments" / name(base, suffix)

    def data(self, count: int = 5) -> bytes:
        """Return the next records."""
        self.number += count
        return records(self.number - count, count)

    def add(self, raw: bytes | None = None, *, base: int | None = None, mode: int = 0o400) -> int:
        """Add an unsealed segment, at the end where no base is given; return its base."""
        raw = self.data() if raw is None else raw
        base = self.end if base is None else base
        self.file(base, ".log").write_bytes(raw)
        self.file(base, ".log").chmod(mode)
        self.end = base + len(raw)
        self.bases.append(base)
        return base

    def seal(self, base: int, *, gaps: tuple[Json, ...] = (), length: int | None = None) -> int:
        """Seal a segment that is there; the seals must be made in order."""
        raw = self.file(base, ".log").read_bytes()[:length]
        first, last = times(raw)
        seal = {
            "format": 1,
            "journal": JOURNAL_ID,
            "base": base,
            "end": base + len(raw),
            "records": raw.count(b"\n"),
            "sha256": hashlib.sha256(raw).hexdigest(),
            "previous": self.previous,
            "first_time": first,
            "last_time": last,
            "sealed_at": "2024-05-06T08:00:00.000Z",
            "gaps": list(gaps),
            "signature": None,
        }
        data = json.dumps(seal, separators=(",", ":")).encode() + b"\n"
        self.file(base, ".seal.json").write_bytes(data)
        self.previous = hashlib.sha256(data).hexdigest()
        return base

    def relink(self, base: int) -> None:
        """Let the next seal link to the newest one as it is on the disk now."""
        self.previous = hashlib.sha256(self.file(base, ".seal.json").read_bytes()).hexdigest()

    def compress(self, base: int, length: int | None = None) -> int:
        """Put the compressed form in the place of the raw one."""
        raw = self.file(base, ".log").read_bytes()[:length]
        self.file(base, ".log.zst").write_bytes(compress(raw))
        self.file(base, ".log").unlink()
        return base

    def remove(self, base: int, *suffixes: str) -> None:
        """Delete files of a segment."""
        for suffix in suffixes:
            self.file(base, suffix).unlink()

    def incident(self, kind: str, offset: int | None, length: int | None, detail: Json | None = None) -> None:
        """Record an incident."""
        entry: Json = {
            "time": "2024-05-06T07:00:00.000Z",
            "kind": kind,
            "offset": offset,
            "length": length,
            "detail": detail or {},
        }
        with (self.root / "incidents.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def flip(self, path: Path, position: int, mask: int = 1) -> None:
        """Change bits of one byte."""
        data = bytearray(path.read_bytes())
        data[position] ^= mask
        self.write(path, bytes(data))

    def write(self, path: Path, data: bytes) -> None:
        """Replace a file's content, whatever its mode."""
        path.unlink()
        path.write_bytes(data)


def healthy(root: Path, sealed: int = 4) -> Crafted:
    """Return a journal of some sealed segments, every other one compressed, and an open tail."""
    journal = Crafted(root)
    for index in range(sealed):
        base = journal.seal(journal.add())
        if index % 2:
            journal.compress(base)
    journal.add(journal.data(2) + b'{"half', mode=0o600)
    return journal


def judge(root: Path) -> bool:
    """Return whether a journal without recorded gaps is complete and intact from its first data file on."""
    directory = root / "segments"
    names = sorted(os.listdir(directory))
    data: dict[int, bytes] = {}
    seals: dict[int, bytes] = {}
    for file in names:
        base, suffix = int(file[:20]), file[20:]
        content = (directory / file).read_bytes()
        if suffix == ".seal.json":
            seals[base] = content
        elif suffix == ".log":
            data[base] = content
        elif suffix == ".log.zst":
            try:
                data.setdefault(base, zstd.decompress(content))
            except zstd.ZstdError:
                return False
    return _tiles(data, seals) and _proves(data, seals)


def _tiles(data: dict[int, bytes], seals: dict[int, bytes]) -> bool:
    bases = sorted(data)
    newest_seal = max(seals, default=-1)
    if not bases or bases[-1] <= newest_seal:
        return False
    return all(a + len(data[a]) == b for a, b in pairwise(bases)) and all(
        base in seals for base in bases if base < newest_seal
    )


def _proves(data: dict[int, bytes], seals: dict[int, bytes]) -> bool:
    previous: str | None = None
    for number, base in enumerate(sorted(seals)):
        try:
            seal = json.loads(seals[base])
        except ValueError:
            return False
        if (number or base == 0) and seal.get("previous") != previous:
            return False
        if base in data and not _agrees(seal, base, data[base]):
            return False
        previous = hashlib.sha256(seals[base]).hexdigest()
    return True


def _agrees(seal: Json, base: int, raw: bytes) -> bool:
    expected = {
        "journal": JOURNAL_ID,
        "base": base,
        "end": base + len(raw),
        "records": raw.count(b"\n"),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "first_time": times(raw)[0],
        "last_time": times(raw)[1],
    }
    return expected == {key: seal.get(key) for key in expected}
