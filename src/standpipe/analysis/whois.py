"""Find the records that hold a value, in journals and archives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from standpipe.analysis.tail_half import Half, half_of, parse_entry
from standpipe.analysis.whois_match import Lines, Needle, is_question
from standpipe.archive.reading import open_archive
from standpipe.journal import identity
from standpipe.journal.reader import JournalReader
from standpipe.journal.span import Hole
from standpipe.records.framing import parse_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standpipe.archive.location import ArchiveOptions
    from standpipe.journal.layout import Layout

READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """A record that holds the value. places: dotted member names, each with HASHED or CLEAR. half: None for no entry.

    is_question: the server was asked for the value's hash with it.
    """

    node: str
    journal: str
    offset: int
    length: int
    places: dict[str, str]
    half: Half | None
    is_question: bool


def in_journal(layout: Layout, needle: Needle, progress: Callable[[int, int], None]) -> Iterator[Found]:
    """Yield what a journal holds, in order. progress: bytes read and bytes in all. Raises JournalError or OSError."""
    found = identity.read(layout)
    reader = JournalReader(layout)
    lines = Lines(needle)
    try:
        position = start = reader.base
        end = reader.end
        while position < end:
            data = reader.read(position, READ_BYTES)
            if data:
                for offset, line in lines.feed(position, data):
                    yield from _records(needle, line, offset, found.node, found.journal_id)
                position += len(data)
            else:
                hole = reader.span(position)
                if not isinstance(hole, Hole):
                    return
                position = hole.end
            progress(position - start, max(position, end) - start)
    finally:
        reader.close()


def in_archive(
    location: str, options: ArchiveOptions, needle: Needle, progress: Callable[[int, int], None]
) -> Iterator[Found]:
    """Yield what an archive holds, node after node, in order. Raises ArchiveError or JournalError."""
    nodes = [(node, node.segments()) for node in open_archive(location, options).nodes()]
    total = sum(segment.raw_bytes for _, segments in nodes for segment in segments)
    done = 0
    for node, segments in nodes:
        lines = Lines(needle)
        journal = ""
        for segment in segments:
            if segment.journal_id != journal:  # two journals may follow on one another by chance
                lines, journal = Lines(needle), segment.journal_id
            position = segment.base
            for block in node.blocks(segment) if segment.data_key else ():
                for offset, line in lines.feed(position, block):
                    yield from _records(needle, line, offset, node.node, journal)
                position += len(block)
                progress(done + position - segment.base, total)
            done += segment.raw_bytes


def _records(needle: Needle, line: bytes, offset: int, node: str, journal: str) -> Iterator[Found]:
    for record in parse_line(line, offset):
        entry = None if record.torn else parse_entry(record.body)
        places = needle.places(entry) if entry is not None else {}
        if entry is not None and places:
            half = half_of(entry, journal, record.offset)
            yield Found(node, journal, record.offset, record.length, places, half, is_question(entry))
