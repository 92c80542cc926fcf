"""A journal in memory and what a destination got of it, by code that shares nothing with the program's own.

Records are compact, as Go writes them: the fixtures and copies made of them are what a real Vault's would be.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field

JOURNAL = "0a1b2c3d-0000-4000-8000-00000000cafe"
OTHER = "0a1b2c3d-0000-4000-8000-00000000beef"


def vault_record(number: int, size: int = 0) -> bytes:
    """Return one half of a request in Vault's form, without the newline; even numbers are requests."""
    kind = "response" if number % 2 else "request"
    request: dict[str, object] = {
        "id": f"6f0e8a52-0000-4000-8000-{number // 2:012d}",
        "operation": "read",
        "mount_type": "kv",
        "path": f"secret/data/{number // 2}",
        "data": {"note": "a<b>&c é\u2028", "count": number, "pad": "x" * size},
    }
    entry: dict[str, object] = {
        "time": f"2024-05-06T07:{number // 60:02d}:{number % 60:02d}.5Z",
        "type": kind,
        "auth": {"policies": ["default"], "token_type": "service"},
        "request": request,
    }
    if number % 2:
        entry["response"] = {"mount_type": "kv"}
    text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


@dataclass
class Delivered:
    """Records of one journal as a destination with an envelope gets them, line by line."""

    journal: str = JOURNAL
    offset: int = 0
    after: int = 0
    base: int = 0
    previous: str | None = None
    content: bytes = b""  # of the segment under way
    raw: bytes = b""  # all of it
    lines: list[bytes] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)  # of the records, as they were added
    seal_files: list[bytes] = field(default_factory=list)
    times: list[str] = field(default_factory=list)

    def envelope(self, offset: int, length: int, after: int, **more: object) -> bytes:
        """Return the envelope's member, as the text `"standpipe":{…}`."""
        members = {
            "id": f"{self.journal}-{offset:020d}",
            "journal": self.journal,
            "offset": offset,
            "length": length,
            "after": after,
            **more,
        }
        return b'"standpipe":' + json.dumps(members, separators=(",", ":")).encode()

    def add(self, body: bytes, *, sent: bool = True, lead: bytes = b"") -> None:
        """Write a record to the journal; send it, unless it is filtered. lead: Vault's prefix."""
        length = len(lead) + len(body) + 1
        if sent:
            self.lines.append(b"{" + self.envelope(self.offset, length, self.after) + b"," + body[1:])
            self.after = self.offset + length
        self._write(lead + body + b"\n")

    def add_torn(self, raw: bytes, *, newline: bool = True) -> None:
        """Write and send bytes that are no JSON object."""
        length = len(raw) + newline
        members = self.envelope(self.offset, length, self.after, torn=True)
        text = json.dumps(raw.decode()).encode()
        self.lines.append(b"{" + members + b',"raw":' + text + b"}")
        self.after = self.offset + length
        self._write(raw + (b"\n" if newline else b""))

    def add_parts(self, body: bytes, count: int) -> None:
        """Write a record and send it in parts."""
        length = len(body) + 1
        step = -(-len(body.decode()) // count)
        for number in range(count):
            piece = body.decode()[number * step : (number + 1) * step]
            members = self.envelope(self.offset, length, self.after, part=f"{number + 1}/{count}")
            self.lines.append(b"{" + members + b',"raw":' + json.dumps(piece).encode() + b"}")
        self.after = self.offset + length
        self._write(body + b"\n")

    def skip(self, size: int) -> None:
        """Leave addresses that hold nothing, as after a loss of power; the next record says so in `after`."""
        self.offset += size
        self.base = self.after = self.offset

    def seal(self, *, gaps: tuple[dict[str, object], ...] = (), sent: bool = True) -> bytes:
        """Close the segment; return its seal file's bytes."""
        records = re.findall(r'"time":"([^"]{10,})"', self.content.decode())
        entry = {
            "format": 1,
            "journal": self.journal,
            "base": self.base,
            "end": self.offset,
            "records": self.content.count(b"\n"),
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "previous": self.previous,
            "first_time": records[0] if records else None,
            "last_time": records[-1] if records else None,
            "sealed_at": "2024-05-06T09:00:00.000Z",
            "gaps": list(gaps),
            "signature": None,
        }
        data = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        self.previous = hashlib.sha256(data).hexdigest()
        if sent:
            self.lines.append(seal_line(self.journal, self.base, self.offset, data))
        self.seal_files.append(data)
        self.base, self.content = self.offset, b""
        return data

    def _write(self, data: bytes) -> None:
        self.ranges.append((self.offset, self.offset + len(data)))
        self.offset += len(data)
        self.content += data
        self.raw += data

    def text(self) -> bytes:
        """Return all lines."""
        return b"".join(line + b"\n" for line in self.lines)


def seal_line(journal: str, base: int, end: int, data: bytes) -> bytes:
    """Return a seal as a destination gets it."""
    members = {
        "id": f"{journal}-{base:020d}-seal",
        "journal": journal,
        "kind": "seal",
        "offset": base,
        "length": end - base,
    }
    return b'{"standpipe":' + json.dumps(members, separators=(",", ":")).encode() + b',"seal":' + data.strip() + b"}"


def delivered(count: int = 12, per_segment: int = 4, journal: str = JOURNAL) -> Delivered:
    """Return records in sealed segments and an unsealed tail of half a segment."""
    made = Delivered(journal)
    for number in range(count):
        made.add(vault_record(number))
        if number % per_segment == per_segment - 1 and number < count - per_segment // 2:
            made.seal()
    return made
