"""Which sinks a journal delivers to, and what changes when the config names other ones: entered, recorded, told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.delivery.resume import start_of_new
from standpipe.journal import kinds
from standpipe.journal.cursor import read_cursor
from standpipe.journal.reader import JournalReader
from standpipe.journal.sink_entries import SinkEntry

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from standpipe.config_sinks import SinkConfig
    from standpipe.delivery.ledger import Ledger
    from standpipe.delivery.sink_states import SinkStates
    from standpipe.journal.layout import Layout
    from standpipe.observe.log import Log


class Roster:
    """Used by ship's main thread, before the pumps of new sinks are started."""

    def __init__(self, layout: Layout, states: SinkStates, ledger: Ledger, log: Log) -> None:
        self._layout = layout
        self._states = states
        self._ledger = ledger
        self._log = log

    def settle(self, sinks: Sequence[SinkConfig], running: Collection[str] = ()) -> set[str]:
        """Enter the config's sinks, durably; return the names of those that were entered before.

        A sink whose cursor is there goes on from it, also after it was away. running: those whose delivery goes on as
        it is, and what ails them with it. Raises OSError, JournalError.
        """
        known = self._states.known
        before = known if known is not None else self._from_cursors(sinks)
        reader = JournalReader(self._layout)
        try:
            base, end = reader.base, reader.end
        finally:
            reader.close()
        entries = {}
        for sink in sinks:
            entry = (before or {}).get(sink.name)
            if entry is None:
                start = self._begin(sink, base, end, added=before is not None)
                entry = SinkEntry(sink.type, start)
            entries[sink.name] = entry if sink.name in running else SinkEntry(sink.type, entry.start)
        self._states.enter(entries)
        for name in sorted((before or {}).keys() - entries.keys()):
            self._remove(name)
        return set(before or {})

    def _from_cursors(self, sinks: Sequence[SinkConfig]) -> dict[str, SinkEntry] | None:
        """Return the sinks of a journal that an earlier release delivered; None where nobody did."""
        found = {sink.name: read_cursor(self._layout.cursor(sink.name)) for sink in sinks}
        entries = {sink.name: SinkEntry(sink.type, 0) for sink in sinks if found[sink.name] is not None}
        return entries or None

    def _begin(self, sink: SinkConfig, base: int, end: int, *, added: bool) -> int:
        start = start_of_new(sink.start, base, end, added=added)
        cursor = read_cursor(self._layout.cursor(sink.name))
        if added:
            goes_on = cursor.offset if cursor is not None else start
            detail: dict[str, object] = {
                "sink": sink.name,
                "type": sink.type,
                "held_before_bytes": max(0, goes_on - base),
            }
            self._ledger.add(kinds.SINK_ADDED, goes_on, 0, detail)
            self._log.warning(
                "a sink was added; it gets what comes from this offset on",
                sink=sink.name,
                offset=goes_on,
                held_before_bytes=max(0, goes_on - base),
            )
        return start

    def _remove(self, name: str) -> None:
        cursor = read_cursor(self._layout.cursor(name))
        offset = cursor.offset if cursor is not None else None
        self._ledger.add(kinds.SINK_REMOVED, offset, 0, {"sink": name})
        self._log.warning("a sink was removed; the journal keeps nothing for it any more", sink=name, offset=offset)
