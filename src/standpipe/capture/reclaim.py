"""Reclaim as the thread that follows the file sees it: which way, and that way told of everything that moves.

Holes are punched on the syncer's thread; the file is reopened by steps on ours. Where no way works when capture starts,
Vault may not run yet, or the file may not be there: it is asked again when a file is begun, and now and then.
"""

from __future__ import annotations

from standpipe.capture.reclaim_plan import NONE, PUNCH, REOPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.capture.followed import Followed, Left
    from standpipe.capture.punching import Punching
    from standpipe.capture.reopen import Reopen
    from standpipe.capture.source_store import SourceStore
    from standpipe.journal.syncer import Syncer
    from standpipe.observe.log import Log

ASK_AGAIN_SECONDS = 60.0  # while no way works: a probe of the volume and a walk through /proc


class Way:
    """Which way works here; `ask` returns (way, reason in words), and is asked again while there is none."""

    def __init__(
        self, ask: Callable[[], tuple[str, str]], store: SourceStore, log: Log, clock: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._store = store
        self._log = log
        self._clock = clock
        self._asked_at = clock()
        self.now = NONE
        self.choose()

    def choose(self) -> None:
        """Ask, and tell what is new. The map gets it; it is saved with the next change. Raises OSError."""
        self._asked_at = self._clock()
        way, reason = self._ask()
        chosen = {"way": way, "reason": reason}
        if chosen == self._store.map.reclaim and way == self.now:
            return
        self.now = way
        with self._store.lock:
            self._store.map.reclaim = chosen
        self._log.info("reclaim", way=way, reason=reason)

    def may_ask_again(self) -> bool:
        """Tell whether no way works, and it is time to look again."""
        return self.now == NONE and self._clock() - self._asked_at >= ASK_AGAIN_SECONDS


class Reclaim:
    """One source's reclaim."""

    def __init__(self, way: Way, punching: Punching, reopen: Reopen, syncer: Syncer) -> None:
        self._way = way
        self._punching = punching
        self._reopen = reopen
        self._syncer = syncer
        self._apply()

    def _apply(self) -> None:
        self._punching.active = self._way.now == PUNCH
        self._reopen.wanted = self._way.now == REOPEN
        self._reopen.allowed = self._way.now != NONE

    def follow(self, current: Followed, end: int) -> None:
        """Take over a file, of which the journal has everything before its own end."""
        if self._way.now == NONE:
            self._way.choose()
            self._apply()
        self._punching.follow(current.file, current.known)
        self._punching.fenced_end = end
        self._reopen.follow(current)

    def copied(self, end: int) -> None:
        """Take note of the journal's new end: what was copied was the file that it should be."""
        self._punching.fenced_end = end
        if self._punching.is_due(end):
            self._syncer.wake()

    def step(self, current: Followed, left: list[Left], end: int, *, line_open: bool) -> None:
        """Do one thing at most, and wait for nothing."""
        if self._way.may_ask_again():
            self.follow(current, end)
        if left:
            self._reopen.unlink_finished(left, self._syncer.safe_until)
            self._want_safe(self._reopen.needed_end(left))
        self._reopen.step(current, end, line_open=line_open)

    def _want_safe(self, end: int) -> None:
        """Have the journal synced up to an offset now: what waits for it takes room until then."""
        if end > max(self._punching.wanted_end, self._syncer.safe_until):
            self._punching.wanted_end = end
            self._syncer.wake()
