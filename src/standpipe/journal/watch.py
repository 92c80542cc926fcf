"""inotify on the segments directory: a hint that there may be more to read, never the truth.

Only hints are taken from it, so an overflow, a lost event or a file system without inotify costs time and nothing else:
whoever waits also wakes up every POLL_SECONDS. See inotify(7); the standard library has no binding.
"""

import ctypes
import os

IN_MODIFY = 0x2  # sys/inotify.h
IN_MOVED_TO = 0x80
IN_NONBLOCK = os.O_NONBLOCK
IN_CLOEXEC = os.O_CLOEXEC
EVENTS_BYTES = 64 << 10  # one read empties the queue of some thousand events

POLL_SECONDS = 0.5  # without events: soon enough for a log, rare enough to cost nothing
POLL_SECONDS_BLIND = 0.02  # where inotify is not to be had


class DirectoryWatch:
    """A descriptor that becomes readable when a file in a directory grows or appears; -1 where that cannot be had."""

    def __init__(self, path: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        if (
            self.descriptor >= 0
            and libc.inotify_add_watch(self.descriptor, os.fsencode(path), IN_MODIFY | IN_MOVED_TO) < 0
        ):
            os.close(self.descriptor)
            self.descriptor = -1

    @property
    def poll_seconds(self) -> float:
        """How long a waiter may sleep at most."""
        return POLL_SECONDS if self.descriptor >= 0 else POLL_SECONDS_BLIND

    def clear(self) -> None:
        """Forget the events so far; look at the directory after this, not before."""
        try:
            os.read(self.descriptor, EVENTS_BYTES)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Stop watching."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
