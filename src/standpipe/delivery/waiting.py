"""Everything that delivery waits for, in one poll: signals, the journal's growth, room in stdout."""

import os
import select
import signal
from collections.abc import Callable

from standpipe.journal.watch import DirectoryWatch

COALESCE_SECONDS = (
    0.02  # between two looks at the journal: at 5,000 records/s 100 records a look, and no person notices
)


class Waiting:
    """For one thread. SIGUSR1: deliver what there is, to the last byte, and stop. SIGTERM: stop now."""

    goes_on: Callable[[], bool] = staticmethod(lambda: False)  # may the source complete its last line, whoever stops?

    def __init__(self, directory: str, *, once: bool = False) -> None:
        """Install the handlers, watch the directory. `once`: drain from the beginning, and wait for no new reader."""
        self.once = once
        self.draining = once
        self.end_proven = False  # nothing will follow what the journal holds now, unless `goes_on` says so
        self.stop_now = False
        self._signals, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGUSR1, self._on_drain)
        signal.signal(signal.SIGTERM, self._on_stop)
        self._watch = DirectoryWatch(directory)
        self._signal_poll = select.poll()
        self._signal_poll.register(self._signals, select.POLLIN)
        self._data_poll = select.poll()
        self._data_poll.register(self._signals, select.POLLIN)
        if self._watch.descriptor >= 0:
            self._data_poll.register(self._watch.descriptor, select.POLLIN)

    def _on_drain(self, _number: int, _frame: object) -> None:
        self.draining = True
        self.end_proven = True

    def _on_stop(self, _number: int, _frame: object) -> None:
        self.stop_now = True

    def _clear_signals(self) -> None:
        try:
            os.read(self._signals, 4096)
        except BlockingIOError:
            return

    def for_data(self) -> None:
        """Wait until the journal may have more, or a signal came; never less than COALESCE_SECONDS without a signal."""
        self.pause(COALESCE_SECONDS)
        if self.draining or self.stop_now:
            return
        for descriptor, _ in self._data_poll.poll(self._watch.poll_seconds * 1000):
            if descriptor == self._signals:
                self._clear_signals()
            else:
                self._watch.clear()

    def pause(self, seconds: float) -> None:
        """Sleep; a signal ends it."""
        if self._signal_poll.poll(seconds * 1000):
            self._clear_signals()

    def writable(self, descriptor: int) -> bool:
        """Wait until a descriptor takes more; False if we were told to stop now."""
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.register(self._signals, select.POLLIN)
        while not self.stop_now:
            for ready, _ in poll.poll():
                if ready == descriptor:
                    return True
                self._clear_signals()
        return False
