"""Everything that one pump waits for, in one poll: what it is told, the journal's growth, room in stdout.

Signals reach the process's main thread only; it tells each pump by `drain` and `stop`. One object serves one pump's
thread; `drain`, `stop` and `wake` may be called from any other.
"""

import os
import select
import threading
from collections.abc import Callable

from standpipe.journal.watch import DirectoryWatch

LATE_SECONDS = 5.0  # a reader that takes nothing for so long is told of
COALESCE_SECONDS = (
    0.02  # between two looks at the journal: at 5,000 records/s 100 records a look, and no person notices
)


class Waiting:
    """What a pump has been told, and how it waits."""

    goes_on: Callable[[], bool] = staticmethod(lambda: False)  # may the source complete its last line, whoever stops?

    def __init__(self, directory: str, *, once: bool = False) -> None:
        """Watch the directory. `once`: drain from the beginning, and wait for no new reader."""
        self.once = once
        self.draining = once
        self.end_proven = False  # nothing will follow what the journal holds now, unless `goes_on` says so
        self.stop_now = False
        self._lock = threading.Lock()
        self._wake_end = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._watch = DirectoryWatch(directory)
        self._wake_poll = select.poll()
        self._wake_poll.register(self._wake_end, select.POLLIN)
        self._data_poll = select.poll()
        self._data_poll.register(self._wake_end, select.POLLIN)
        if self._watch.descriptor >= 0:
            self._data_poll.register(self._watch.descriptor, select.POLLIN)

    # From any thread.

    def drain(self) -> None:
        """Deliver what there is, to the last byte, and stop."""
        self.end_proven = True  # first: whoever sees the other one must see this as well
        self.draining = True
        self.wake()

    def stop(self) -> None:
        """Stop now."""
        self.stop_now = True
        self.wake()

    def wake(self) -> None:
        """End the wait under way, or the next one; after `close` nothing: an attempt may outlive its pump."""
        with self._lock:
            if self._wake_end >= 0:
                os.eventfd_write(self._wake_end, 1)

    # From the pump's thread.

    def _clear_wake(self) -> None:
        try:
            os.eventfd_read(self._wake_end)
        except BlockingIOError:
            return

    def for_data(self, seconds: float | None = None) -> None:
        """Wait until the journal may have more, we are woken, or seconds have passed.

        Never less than COALESCE_SECONDS, unless seconds are fewer or we are woken.
        """
        shortest = COALESCE_SECONDS if seconds is None else min(COALESCE_SECONDS, seconds)
        if self.pause(shortest) or self.draining or self.stop_now:
            return
        longest = self._watch.poll_seconds if seconds is None else min(self._watch.poll_seconds, seconds)
        for descriptor, _ in self._data_poll.poll(longest * 1000):
            if descriptor == self._wake_end:
                self._clear_wake()
            else:
                self._watch.clear()

    def pause(self, seconds: float | None) -> bool:
        """Sleep (None: without end) until we are woken; tell whether we were."""
        woken = bool(self._wake_poll.poll(None if seconds is None else seconds * 1000))
        if woken:
            self._clear_wake()
        return woken

    def writable(self, descriptor: int, late: Callable[[], None] = lambda: None) -> bool:
        """Wait until a descriptor takes more; False if we were told to stop now. late: called once it takes long."""
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.register(self._wake_end, select.POLLIN)
        patience: float | None = LATE_SECONDS
        while not self.stop_now:
            found = poll.poll(None if patience is None else patience * 1000)
            if not found:
                patience = None
                late()
            for ready, _ in found:
                if ready == descriptor:
                    return True
                self._clear_wake()
        return False

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            os.close(self._wake_end)
            self._wake_end = -1
        self._watch.close()
