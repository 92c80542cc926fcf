"""Who reads the stdout of `standpipe run`: keeps every byte in a file, and can be told to stop reading for a while."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READ_BYTES = 65536  # what the pipe holds by default


class Consumer:
    """Reads a pipe until its end, in a thread of its own."""

    def __init__(self, read_fd: int, copy: Path, show: Callable[[bytes], None]) -> None:
        """Take over the pipe's descriptor; ``show`` gets every piece as it comes."""
        self.bytes_read = 0
        self._fd = read_fd
        self._copy = copy
        self._show = show
        self._reading = threading.Event()
        self._reading.set()
        self._thread = threading.Thread(target=self._work, name="consumer", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stall(self) -> None:
        """Read nothing more; at most one read that is under way still ends."""
        self._reading.clear()

    def resume(self) -> None:
        """Read on."""
        self._reading.set()

    def wait_for_end(self, seconds: float) -> bool:
        """Wait until the last writer has closed the pipe and everything was read; False at the deadline."""
        self.resume()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        with self._copy.open("wb", buffering=0) as copy:
            while self._reading.wait():
                piece = os.read(self._fd, READ_BYTES)
                if not piece:
                    break
                self.bytes_read += len(piece)
                copy.write(piece)
                self._show(piece)
        os.close(self._fd)
