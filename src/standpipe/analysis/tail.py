"""Requests as they go by, from a journal or a stream: reads, waits, and hands over what is to be shown."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from standpipe.analysis.tail_filter import Filter, Wish
from standpipe.analysis.tail_half import Half
from standpipe.analysis.tail_pairs import GIVE_UP_SECONDS, RESPONSE_ONLY, Exchange, Pairs
from standpipe.analysis.tail_stream import GAP, JSONX, Notice, StreamReader, item_of
from standpipe.delivery.edges import offset_at, record_start
from standpipe.errors import StandpipeError
from standpipe.journal import identity
from standpipe.journal.reader import JournalReader
from standpipe.journal.span import Hole
from standpipe.journal.watch import DirectoryWatch
from standpipe.records.framing import Framer
from standpipe.records.pair_fields import is_jsonx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from standpipe.journal.layout import Layout

READ_BYTES: Final = 1 << 20  # of a backlog; a few hundred records
STREAM_BYTES: Final = 64 << 10  # a pipe gives no more at once
RECENT_BYTES: Final = 512 << 10  # before the journal's end: has the last RECENT requests even where records are large
RECENT: Final = 10  # requests shown before what comes, as `tail -f` and `journalctl -f` do
NANOSECONDS: Final = 10**9

Shown = Exchange | Notice


@dataclass(frozen=True, slots=True)
class TailSettings:
    """What to show. follow: wait for more. prefix: the audit device's, before each record."""

    wish: Wish = field(default_factory=Wish)
    follow: bool = True
    prefix: bytes = b""

    @property
    def is_narrow(self) -> bool:
        """Whether only some requests are wanted; then what is no request at all is not."""
        return bool(self.wish.paths or self.wish.who or self.wish.operations)


class _Work:
    """From items to what is shown."""

    def __init__(self, settings: TailSettings) -> None:
        self.pairs = Pairs()
        self._wants = Filter(settings.wish).wants
        self._is_narrow = settings.is_narrow

    def take(self, items: Iterable[Half | Notice | None], now: float) -> Iterator[Shown]:
        for item in items:
            if isinstance(item, Half):
                yield from self._wanted(self.pairs.take(item, now))
            elif item is not None:
                if item.kind == JSONX:
                    raise StandpipeError(
                        "the audit device writes XML (format=jsonx), which has no lines",
                        "Enable the device with format=json, the default; standpipe reads nothing else",
                    )
                if not self._is_narrow:
                    yield item

    def overdue(self, now: float | None) -> Iterator[Shown]:
        yield from self._wanted(self.pairs.overdue(now))

    def finish(self) -> Iterator[Shown]:
        yield from self._wanted(self.pairs.finish())

    def _wanted(self, exchanges: Iterable[Exchange]) -> Iterator[Exchange]:
        return filter(self._wants, exchanges)


class _JournalItems:
    """The items of a journal from an offset on."""

    def __init__(self, reader: JournalReader, journal_id: str, offset: int, prefix: bytes) -> None:
        self._reader = reader
        self._journal_id = journal_id
        self._prefix = prefix
        self._framer = Framer(offset, prefix)

    @property
    def position(self) -> int:
        return self._framer.offset + self._framer.pending

    def read(self) -> list[Half | Notice] | None:
        """Read once; None where there is nothing more now."""
        data = self._reader.read(self.position, READ_BYTES)
        if data:
            # JSONx has no newline: its first entry would never end.
            if not self._framer.pending and is_jsonx(data.removeprefix(self._prefix)):
                return [Notice(JSONX, self._journal_id, self.position, len(data))]
            return [item_of(record, self._journal_id) for record in self._framer.feed(data)]
        hole = self._reader.span(self.position)
        if not isinstance(hole, Hole):
            return None
        begin = self.position
        torn = [item_of(record, self._journal_id) for record in self._framer.skip_to(hole.end)]
        return [*torn, Notice(GAP, self._journal_id, begin, hole.end - begin)]


def tail_journal(
    layout: Layout,
    settings: TailSettings,
    show: Callable[[Iterable[Shown]], None],
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Show a journal's requests; without an end where `follow` is set, until the process is interrupted.

    Where a start is given, from there on; else, with `follow`, the last RECENT and what comes; else all there are.
    show: is called with what one read brought. progress: of what was there at the start: bytes read, bytes in all.
    Raises JournalError or OSError where the journal cannot be read.
    """
    journal_id = identity.read(layout).journal_id
    watch = DirectoryWatch(layout.segments)
    reader = JournalReader(layout)
    try:
        recent = settings.follow and settings.wish.since is None
        start = _start(layout, reader, settings, recent=recent)
        items = _JournalItems(reader, journal_id, start, settings.prefix)
        work = _Work(settings)
        end = reader.end
        if recent:
            show(_recent(items, work, cut=start > 0))
        while True:
            while (found := items.read()) is not None:
                show(work.take(found, time.monotonic()))
                show(work.overdue(None))
                if items.position <= end:
                    progress(items.position - start, end - start)
                elif not settings.follow:
                    break
            if not settings.follow:
                show(work.finish())
                return
            show(work.overdue(time.monotonic()))
            _wait(watch, work.pairs.next_seconds(time.monotonic()))
    finally:
        reader.close()
        watch.close()


def _start(layout: Layout, reader: JournalReader, settings: TailSettings, *, recent: bool) -> int:
    if recent:
        return record_start(reader, max(reader.base, reader.end - RECENT_BYTES), reader.base)
    if settings.wish.since is None:
        return reader.base
    # A response that came after the moment may belong to a request before it: begin where that one could stand.
    moment = datetime.fromtimestamp(settings.wish.since / NANOSECONDS, UTC) - timedelta(seconds=GIVE_UP_SECONDS)
    return offset_at(layout, reader, moment, settings.prefix)


def _recent(items: _JournalItems, work: _Work, *, cut: bool) -> list[Shown]:
    """Return the last requests of what is there. cut: it begins in the middle, so a lone response proves nothing."""
    last: deque[Shown] = deque(maxlen=RECENT)
    while (found := items.read()) is not None:
        for shown in work.take(found, time.monotonic()):
            if not (cut and isinstance(shown, Exchange) and shown.outcome == RESPONSE_ONLY):
                last.append(shown)
    return list(last)


def _wait(watch: DirectoryWatch, seconds: float | None) -> None:
    longest = watch.poll_seconds if seconds is None else min(watch.poll_seconds, seconds)
    poll = select.poll()
    if watch.descriptor >= 0:
        poll.register(watch.descriptor, select.POLLIN)
    if poll.poll(longest * 1000):
        watch.clear()


def tail_stream(descriptor: int, settings: TailSettings, show: Callable[[Iterable[Shown]], None]) -> None:
    """Show the requests of a stream of lines, raw or with an envelope, until it ends. Raises OSError."""
    framer = Framer(0, settings.prefix)
    lines = StreamReader()
    work = _Work(settings)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while True:
        seconds = work.pairs.next_seconds(time.monotonic()) if settings.follow else None
        if not poll.poll(None if seconds is None else seconds * 1000):
            show(work.overdue(time.monotonic()))
            continue
        data = os.read(descriptor, STREAM_BYTES)
        if not data:
            break
        show(work.take(map(lines.item_of, framer.feed(data)), time.monotonic()))
        show(work.overdue(time.monotonic() if settings.follow else None))
    show(work.take((lines.item_of(record, last=True) for record in framer.finish()), time.monotonic()))
    show(work.finish())
