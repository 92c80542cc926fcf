"""Lay the raw bytes of stdout beside the bytes of the journal; pure, and nothing in common with the delivery code.

Every record is different (its time has nanoseconds), so a line names its place in the journal. Walking along stdout,
each line must be the next one of the journal. Three things are allowed besides, all after a kill -9 of ship: one line
that was cut (the beginning of the next record, ended by one newline), a step back to a place that
incidents.jsonl lists with kind ``repeat``, and, from there, the listed records once more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ListedRepeat:
    """A range of journal offsets that ship says it may have delivered twice."""

    offset: int
    length: int

    def covers(self, start: int) -> bool:
        """Whether a record that begins at start is in the range."""
        return self.offset <= start < self.offset + self.length


@dataclass(slots=True)
class Alignment:
    """What stdout has of the journal."""

    delivered: list[bytes] = field(default_factory=list)  # each line once, as it first came, strangers included
    repeated: int = 0
    repeated_unlisted: int = 0
    cut_lines: int = 0
    out_of_order: int = 0
    strangers: list[bytes] = field(default_factory=list)  # lines that the journal does not hold
    missing: int = 0  # records of the journal that never came
    same_digest: bool = False  # sha256(stdout without cut lines and repeats) = sha256(journal)


def split_records(data: bytes) -> list[bytes]:
    """Return the lines of data, each with its newline; the last one may lack it."""
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


class _Walk:
    """The state of one walk along stdout."""

    def __init__(self, journal: bytes, first_offset: int, repeats: list[ListedRepeat]) -> None:
        self.lines = split_records(journal)
        self.repeats = repeats
        self.place = {line: number for number, line in enumerate(self.lines)}
        self.offsets = [first_offset]
        for line in self.lines:
            self.offsets.append(self.offsets[-1] + len(line))
        self.seen = [False] * len(self.lines)
        self.expected = 0
        self.result = Alignment()

    def step(self, line: bytes) -> None:
        """Take the next line of stdout."""
        number = self.place.get(line)
        if number is None:
            self._not_a_whole_record(line)
            return
        if number > self.expected:
            self.result.out_of_order += 1
        self.expected = number + 1
        if self.seen[number]:
            self._again(number)
            return
        self.seen[number] = True
        self.result.delivered.append(line)

    def _again(self, number: int) -> None:
        self.result.repeated += 1
        if not any(repeat.covers(self.offsets[number]) for repeat in self.repeats):
            self.result.repeated_unlisted += 1

    def _not_a_whole_record(self, line: bytes) -> None:
        fragment = line.removesuffix(b"\n")
        next_line = self.lines[self.expected] if self.expected < len(self.lines) else b""
        if self.repeats and next_line.startswith(fragment):
            self.result.cut_lines += 1
        else:
            self.result.strangers.append(line)
            self.result.delivered.append(line)


def align(stdout: bytes, journal: bytes, first_offset: int, repeats: list[ListedRepeat]) -> Alignment:
    """Compare stdout with the journal's bytes, which begin at first_offset."""
    walk = _Walk(journal, first_offset, repeats)
    for line in split_records(stdout):
        walk.step(line)
    result = walk.result
    result.missing = walk.seen.count(False)
    once = hashlib.sha256(b"".join(result.delivered)).digest()
    result.same_digest = once == hashlib.sha256(journal).digest()
    return result
