"""The one writer of sinks.json (journal.sink_entries): ship's threads tell what ails their sink, its main saves."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from standpipe.journal.sink_entries import REMOVED
from standpipe.journal.sink_entries_store import read_entries, write_entries
from standpipe.observe.log import utc_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standpipe.journal.layout import Layout
    from standpipe.journal.sink_entries import SinkEntry


def _lasting(entries: Mapping[str, SinkEntry]) -> dict[str, tuple[str, int, bool]]:
    """Return what of the entries must survive a power loss."""
    return {name: (entry.type, entry.start, entry.state == REMOVED) for name, entry in entries.items()}


class SinkStates:
    """`tell` may be called by any thread; the others are for the main thread."""

    def __init__(self, layout: Layout) -> None:
        """Read what there is. Raises OSError."""
        self._path = layout.sinks
        self._lock = threading.Lock()
        self._entries = read_entries(self._path)
        self._changed = False

    @property
    def known(self) -> Mapping[str, SinkEntry] | None:
        """The sinks that were entered, also by an earlier ship; None where this journal never delivered."""
        return self._entries

    def enter(self, entries: dict[str, SinkEntry]) -> None:
        """Set which sinks there are, durably where that is news. Raises OSError, and leaves what was.

        A full volume must not stop a start that changes nothing: what it delivers makes room again.
        """
        news = self._entries is None or _lasting(self._entries) != _lasting(entries)
        if news:
            write_entries(self._path, entries)
        with self._lock:
            self._entries = entries
            self._changed = not news

    def tell(self, name: str, state: str, why: str) -> None:
        """Note a sink's state; `save` writes it."""
        with self._lock:
            entry = (self._entries or {}).get(name)
            if self._entries is not None and entry is not None and (entry.state, entry.why) != (state, why):
                since = entry.since if entry.since and entry.state == state else utc_text(time.time())
                self._entries[name] = replace(entry, state=state, why=why, since=since)
                self._changed = True

    def begin(self, name: str) -> None:
        """Note that a sink's cursor was made; `save` writes it."""
        with self._lock:
            entry = (self._entries or {}).get(name)
            if self._entries is not None and entry is not None and not entry.begun:
                self._entries[name] = replace(entry, begun=True)
                self._changed = True

    def save(self) -> None:
        """Write the file if something has changed. Raises OSError: try again later."""
        with self._lock:
            if not self._changed:
                return
            entries = dict(self._entries or {})
            self._changed = False
        try:
            write_entries(self._path, entries)
        except OSError:
            self._changed = True
            raise
