"""Which records hold a value: its HMAC, or the value itself where an audit device writes it in clear. Pure.

What is looked for is searched for as bytes; a record is parsed only where they are found, and counts only where a
whole text is the value, or, of a path, one of its segments.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from standpipe.records.framing import LINE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

HASHED: Final = "hashed"
CLEAR: Final = "clear"
AUDIT_HASH: Final = "sys/audit-hash/"

# Go escapes these (encoding/json), Python and others do not; the other escapes are the same.
_GO_ESCAPES: Final = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


class Needle:
    """What is looked for. value: None where only its hash is known; hashed: None where no server was asked."""

    def __init__(self, hashed: str | None, value: str | None) -> None:
        """Prepare the bytes to search for."""
        self.hashed = hashed
        self.value = value
        texts = [text for text in (hashed, value) if text]
        plain = [json.dumps(text, ensure_ascii=False)[1:-1] for text in texts]
        go = [text.translate(_GO_ESCAPES) for text in plain]
        self.bytes = tuple(dict.fromkeys(text.encode("utf-8", "surrogatepass") for text in (*plain, *go)))

    def places(self, entry: dict[str, object]) -> dict[str, str]:
        """Return the dotted names of the members that are the value, and for each HASHED or CLEAR."""
        return dict(self._in(entry, ""))

    def _in(self, value: object, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for name, member in value.items():
                below = f"{path}.{name}" if path else name
                if name in (self.hashed, self.value):  # map keys are not hashed; a name may be the value
                    yield below, HASHED if name == self.hashed else CLEAR
                yield from self._in(member, below)
        elif isinstance(value, list):
            for element in value:
                yield from self._in(element, path)
        elif isinstance(value, str):
            if value == self.hashed:
                yield path, HASHED
            elif self.value and (value == self.value or (path in PATHS and _is_segment(self.value, value))):
                yield path, CLEAR


PATHS: Final = ("request.path", "response.secret.lease_id", "response.wrap_info.creation_path")


def _is_segment(wanted: str, path: str) -> bool:
    """Tell whether a path has the wanted segments, one or several, one after another."""
    return f"/{wanted.strip('/')}/" in f"/{path.strip('/')}/"


def is_question(entry: dict[str, object]) -> bool:
    """Tell whether a record is of the server being asked for a hash: such a record holds every value asked for."""
    request = entry.get("request")
    path = request.get("path") if isinstance(request, dict) else None
    return isinstance(path, str) and path.startswith(AUDIT_HASH)


class Lines:
    """Finds the lines of a stream of bytes that hold one of the needle's texts.

    Blocks may be cut anywhere. Memory: one block, and one line of at most line_bytes_max.
    """

    def __init__(self, needle: Needle, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        """Begin before the first block."""
        self._texts = needle.bytes
        self._line_bytes_max = line_bytes_max
        self._held = b""
        self._next = 0  # the offset of the byte after the held ones

    def feed(self, offset: int, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield offset and bytes, without the newline, of each whole line that has a text in it.

        A block that does not follow on the one before it begins a line.
        """
        if offset != self._next:
            self._held = b""
        data = self._held + block if self._held else block
        start = offset - len(self._held)
        self._next = offset + len(block)
        end = data.rfind(b"\n") + 1
        self._held = data[end:] if len(data) - end <= self._line_bytes_max else b""
        for line_start, line_end in self._spans(data, end):
            yield start + line_start, data[line_start:line_end]

    def _spans(self, data: bytes, end: int) -> list[tuple[int, int]]:
        found = set()
        for text in self._texts:
            position = data.find(text, 0, end)
            while position >= 0:
                line_start = data.rfind(b"\n", 0, position) + 1
                line_end = data.find(b"\n", position)
                found.add((line_start, line_end))
                position = data.find(text, line_end, end)
        return sorted(found)
