"""The records with values in clear text in a stretch of raw bytes: how many, from where to where. Pure."""

from __future__ import annotations

from typing import Final

from standpipe.records.raw_values import may_hold_raw_values, raw_fields

LINE_BYTES_MAX: Final = 4 << 20
"""Of one line: keep has to fit in 25 MiB. Longer ones are the answers to large LISTs; their requests are short."""

NAMES_MAX: Final = 16  # of members: what a person reads


class RawScan:
    """Takes bytes that follow on, in blocks of any size; what is found so far is in the attributes.

    first: the offset of the first line with such a value, None where there is none; end: that of the end of the last.
    lines: how many. names: of the members, the first NAMES_MAX. A line that has not ended yet is not looked at.
    """

    __slots__ = ("_held", "_line_bytes_max", "_offset", "end", "first", "lines", "names")

    def __init__(self, offset: int, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        """Begin where a line begins."""
        self._offset = offset
        self._held = b""
        self._line_bytes_max = line_bytes_max
        self.first: int | None = None
        self.end = offset
        self.lines = 0
        self.names: tuple[str, ...] = ()

    def feed(self, block: bytes) -> None:
        """Take the next bytes. A line beyond the limit is passed over: memory is a block and that limit."""
        data = self._held + block if self._held else block
        end = data.rfind(b"\n") + 1
        if end and may_hold_raw_values(data[:end]):
            self._look(data, end)
        self._offset += end
        self._held = data[end:]
        if len(self._held) > self._line_bytes_max:
            self._offset += len(self._held)
            self._held = b""

    def _look(self, data: bytes, end: int) -> None:
        start = 0
        while start < end:
            newline = data.index(b"\n", start)
            line = data[start:newline]
            names = raw_fields(line[max(0, line.find(b"{")) :]) if may_hold_raw_values(line) else ()
            if names:
                self.first = self._offset + start if self.first is None else self.first
                self.end = self._offset + newline + 1
                self.lines += 1
                self.names = tuple(dict.fromkeys((*self.names, *names)))[:NAMES_MAX]
            start = newline + 1
