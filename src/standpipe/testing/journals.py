"""Journals for the cases, as plain files: records as Vault writes them, segments, seals, and a tail that grows.

What is in a journal is known record by record (`Unit`), so what must arrive is known without reading it again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass

from standpipe.journal.digest import digest_blocks
from standpipe.journal.frames import write_frames
from standpipe.journal.identity import Identity
from standpipe.journal.layout import (
    COMPRESSED_SUFFIX,
    DIRECTORY_MODE,
    FINISHED_SEGMENT_MODE,
    OPEN_SEGMENT_MODE,
    SEAL_SUFFIX,
    SEGMENT_SUFFIX,
    Layout,
)
from standpipe.journal.seal import Seal, encode_seal, seal_digest

JOURNAL_ID = "5ca1ab1e-0000-4000-8000-00000000cafe"
NODE = "node-1"
CREATED = "2024-05-06T07:00:00.000Z"
USUAL_BYTES = 700  # of an audit record


@dataclass(frozen=True, slots=True)
class Unit:
    """What is delivered as one: a record, or a whole segment. body: its bytes, a record's without the newline."""

    offset: int
    length: int
    body: bytes
    seal: bool = False

    @property
    def end(self) -> int:
        """Return the offset after it."""
        return self.offset + self.length

    @property
    def id(self) -> str:
        """Return the id that destinations get."""
        return f"{JOURNAL_ID}-{self.offset:020d}{'-seal' if self.seal else ''}"


def make_record(number: int, size: int = USUAL_BYTES, marker: str = "") -> bytes:
    """Return one audit record with its newline, `size` bytes or as many as it needs; requests and responses in turn.

    marker: a word that is in this record and, if the caller so chooses, in no other.
    """
    seconds, nanoseconds = divmod(number * 1_000_003, 1_000_000_000)
    kind = "response" if number % 2 else "request"
    request = {
        "id": f"6f0e8a52-0000-4000-8000-{number // 2:012d}",
        "operation": ("read", "read", "update", "update")[number % 4],
        "mount_type": "kv",
        "mount_point": "secret/",
        "namespace": {"id": "root"},
        "path": f"secret/data/{number}",
        "data": {"note": 'é \U0001f600 \u2028 \\ "', "marker": marker, "n": number, "list": [1, "x", None, True]},
    }
    entry = {"time": f"2024-05-06T07:08:{seconds:02d}.{nanoseconds:09d}Z", "type": kind, "request": request, "pad": ""}
    short = len(json.dumps(entry, ensure_ascii=False).encode()) + 1
    entry["pad"] = _noise(number, max(0, size - short))
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


def _noise(number: int, size: int) -> str:
    """Return text that hardly compresses, as the HMACs in a real record; the same for the same number."""
    digests = (hashlib.sha512(b"%d %d" % (number, part)).digest() for part in range(size // 80 + 1))
    return base64.b64encode(b"".join(digests)).decode("ascii")[:size]


class MadeJournal:
    """A journal under construction; also while a ship reads it."""

    def __init__(self, directory: str) -> None:
        """Make the directories and journal.json."""
        self.layout = Layout(directory)
        for path in (directory, self.layout.segments, self.layout.cursors, self.layout.deadletter):
            os.mkdir(path, DIRECTORY_MODE)
        with open(self.layout.identity, "wb") as file:
            file.write(Identity(JOURNAL_ID, NODE, CREATED, None).to_bytes())
        self.records: list[Unit] = []
        self.segments: list[Unit] = []
        self.seals: list[Unit] = []
        self.end = 0
        self._base = 0
        self._content = b""
        self._open = False
        self._previous: str | None = None

    def append(self, *lines: bytes) -> None:
        """Write on in the open segment; each line is one record, with its newline."""
        path = self.layout.segment(self._base)
        with open(path, "ab") as file:
            file.write(b"".join(lines))
        if not self._open:
            os.chmod(path, OPEN_SEGMENT_MODE)
            self._open = True
        for line in lines:
            self.records.append(Unit(self.end, len(line), line[:-1]))
            self.end += len(line)
            self._content += line

    def close(self, *, compressed: bool = False) -> None:
        """Finish the open segment, seal it, and begin another one at its end."""
        path = self.layout.segment(self._base)
        os.chmod(path, FINISHED_SEGMENT_MODE)
        body = self._seal()
        self.seals.append(Unit(self._base, len(self._content), body.strip(), seal=True))
        self.segments.append(Unit(self._base, len(self._content), self._content))
        if compressed:
            with open(self.layout.segment(self._base, COMPRESSED_SUFFIX), "wb") as file:
                for _ in write_frames([self._content], file.write):
                    pass
            os.unlink(path)
        self._base, self._content, self._open = self.end, b"", False
        with open(self.layout.segment(self._base, SEGMENT_SUFFIX), "xb") as file:
            os.fchmod(file.fileno(), OPEN_SEGMENT_MODE)

    def _seal(self) -> bytes:
        """Write the seal, in one step, and return its bytes."""
        digest = digest_blocks([self._content])
        seal = Seal(
            journal=JOURNAL_ID,
            base=self._base,
            end=self.end,
            records=digest.records,
            sha256=digest.sha256,
            previous=self._previous,
            first_time=digest.first_time,
            last_time=digest.last_time,
            sealed_at=CREATED,
        )
        body = encode_seal(seal)
        final = self.layout.segment(self._base, SEAL_SUFFIX)
        with open(f"{final}.tmp", "wb") as file:
            file.write(body)
        os.rename(f"{final}.tmp", final)
        self._previous = seal_digest(body)
        return body
