"""Which sinks a journal delivers to, and what changes when the config names other ones: entered, recorded, told."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from standpipe.delivery.resume import start_of_new
from standpipe.journal import kinds
from standpipe.journal.cursor import read_cursor
from standpipe.journal.reader import JournalReader
from standpipe.journal.sink_entries import REMOVED, SinkEntry
from standpipe.observe.log import utc_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from standpipe.config_sinks import SinkConfig
    from standpipe.delivery.ledger import Ledger
    from standpipe.delivery.sink_states import SinkStates
    from standpipe.journal.layout import Layout
    from standpipe.observe.log import Log


@dataclass(frozen=True, slots=True)
class Settled:
    """By name: the offset where each sink of the config began, or begins; and which have been delivered to before."""

    starts: Mapping[str, int]
    known: Collection[str]


class Roster:
    """Used by ship's main thread, before the pumps of new sinks are started."""

    def __init__(self, layout: Layout, states: SinkStates, ledger: Ledger, log: Log) -> None:
        self._layout = layout
        self._states = states
        self._ledger = ledger
        self._log = log

    def settle(self, sinks: Sequence[SinkConfig], running: Collection[str] = ()) -> Settled:
        """Enter the config's sinks, durably, and mark as removed those that it does not have any more.

        A sink whose cursor is there goes on from it, also after it was away. running: those whose delivery goes on as
        it is, and what ails them with it. Raises OSError, JournalError.
        """
        before = self._before(sinks)
        base, end = self._ends()
        here = {name for name, entry in (before or {}).items() if entry.state != REMOVED}
        entries = dict(before or {})
        for sink in sinks:
            if sink.name not in here:
                start = self._first_offset(sink, base, end, added=before is not None)
                begun = sink.name in entries and entries[sink.name].begun
                entries[sink.name] = SinkEntry(sink.type, start, begun=begun)
            elif sink.name not in running:
                known = entries[sink.name]
                entries[sink.name] = SinkEntry(sink.type, known.start, begun=known.begun)
        names = {sink.name for sink in sinks}
        for name in sorted(here - names):
            entries[name] = replace(entries[name], state=REMOVED, why="", since=utc_text(time.time()))
            self._tell_removed(name)  # before it holds nothing any more
        self._states.enter(entries)
        for sink in sinks:
            if before is not None and sink.name not in here:
                self._tell_added(sink, entries[sink.name].start, base)
        return Settled({name: entries[name].start for name in names}, {name for name in names if entries[name].begun})

    def settle_once(self, sinks: Sequence[SinkConfig]) -> Settled:
        """Return the same for a ship that delivers once and ends: enter nothing, for its config may be anybody's.

        A sink that is not known begins with all that the journal holds, and holds nothing itself. Raises OSError,
        JournalError.
        """
        before = self._before(sinks) or {}
        base, end = self._ends()
        new = {sink.name: start_of_new(sink.start, base, end, added=False) for sink in sinks}
        known = {sink.name for sink in sinks if sink.name in before}
        return Settled(
            new | {name: before[name].start for name in known}, {name for name in known if before[name].begun}
        )

    def _before(self, sinks: Sequence[SinkConfig]) -> Mapping[str, SinkEntry] | None:
        known = self._states.known
        return known if known is not None else self._from_cursors(sinks)

    def _ends(self) -> tuple[int, int]:
        reader = JournalReader(self._layout)
        try:
            return reader.base, reader.end
        finally:
            reader.close()

    def _from_cursors(self, sinks: Sequence[SinkConfig]) -> dict[str, SinkEntry] | None:
        """Return the sinks of a journal that an earlier release delivered; None where nobody did."""
        found = {sink.name: read_cursor(self._layout.cursor(sink.name)) for sink in sinks}
        entries = {sink.name: SinkEntry(sink.type, 0, begun=True) for sink in sinks if found[sink.name] is not None}
        return entries or None

    def _first_offset(self, sink: SinkConfig, base: int, end: int, *, added: bool) -> int:
        """Return where a sink begins; what is behind a cursor that is there is due."""
        start = start_of_new(sink.start, base, end, added=added)
        cursor = read_cursor(self._layout.cursor(sink.name))
        return start if cursor is None else min(start, cursor.offset)

    def _tell_added(self, sink: SinkConfig, start: int, base: int) -> None:
        cursor = read_cursor(self._layout.cursor(sink.name))
        goes_on = cursor.offset if cursor is not None else start
        before_bytes = max(0, goes_on - base)
        detail: dict[str, object] = {"sink": sink.name, "type": sink.type, "held_before_bytes": before_bytes}
        self._ledger.add(kinds.SINK_ADDED, goes_on, 0, detail)
        self._log.warning(
            "a sink was added; it gets what comes from this offset on",
            sink=sink.name,
            offset=goes_on,
            held_before_bytes=before_bytes,
        )

    def _tell_removed(self, name: str) -> None:
        cursor = read_cursor(self._layout.cursor(name))
        offset = cursor.offset if cursor is not None else None
        self._ledger.add(kinds.SINK_REMOVED, offset, 0, {"sink": name})
        self._log.warning("a sink was removed; the journal keeps nothing for it any more", sink=name, offset=offset)
