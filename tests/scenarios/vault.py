"""A stand-in for Vault: a process that appends records when told to, and opens its file anew at SIGHUP, as Vault does.

    python vault.py PATH HANGUPS WRITTEN ON_HANGUP

It reads numbers from stdin, one a line: so many records it writes, each by one write(2), and answers with a line. A
SIGHUP that comes meanwhile is handled between two records: the old file is closed before the new one is opened.
HANGUPS is a file with one byte for each SIGHUP handled; WRITTEN one with a byte for each record. ON_HANGUP: `reopen`,
or `ignore`: nothing is done.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

RECORD = b'{"time":"2026-01-01T00:00:00Z","serial":"%09d","pad":"%s"}\n'
RECORD_BYTES = 256
END_SECONDS = 60.0


def record(serial: int) -> bytes:
    """Return one record."""
    return RECORD % (serial, b"x" * (RECORD_BYTES - len(RECORD % (0, b""))))


class Vault:
    """The process, as the test sees it."""

    def __init__(self, path: Path, directory: Path, on_hangup: str = "reopen") -> None:
        """Start it, and wait until it has the file open. directory: for what it tells."""
        self._hangups = directory / "vault-hangups"
        self._written = directory / "vault-written"
        self._hangups.write_bytes(b"")
        self._written.write_bytes(b"")
        words = [sys.executable, __file__, str(path), str(self._hangups), str(self._written), on_hangup]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._serial = 0
        self._begun = 0
        self._answer()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(END_SECONDS)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    @staticmethod
    def record(serial: int) -> bytes:
        """Return what it writes for a serial number."""
        return record(serial)

    def _answer(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"done\n", "the writer died"

    def begin(self, count: int) -> None:
        """Let it begin to write so many records."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"%d\n" % count)
        self._begun = count

    def end(self) -> bytes:
        """Wait until they are written, and return them."""
        self._answer()
        data = b"".join(record(self._serial + number) for number in range(self._begun))
        self._serial += self._begun
        self._begun = 0
        return data

    def write(self, count: int) -> bytes:
        """Let it write so many records, and return them."""
        self.begin(count)
        return self.end()

    def written(self) -> int:
        """Return how many bytes it has written."""
        return self._written.stat().st_size * RECORD_BYTES

    def promised(self) -> int:
        """Return how many bytes it will have written when all that was begun has ended."""
        return (self._serial + self._begun) * RECORD_BYTES

    def hangup(self) -> None:
        """Send it SIGHUP, as a rotator does."""
        os.kill(self.pid, signal.SIGHUP)

    def hangups(self) -> int:
        """Return how many it has handled."""
        return self._hangups.stat().st_size


def main(path: str, hangups_path: str, written_path: str, on_hangup: str) -> None:
    """Write what stdin asks for."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    hangups, told = os.open(hangups_path, flags), os.open(written_path, flags)
    output = os.open(path, flags, 0o600)

    def reopen(_number: int, _frame: object) -> None:
        nonlocal output
        if on_hangup == "reopen":
            os.close(output)
            output = os.open(path, flags, 0o600)
        os.write(hangups, b"h")

    signal.signal(signal.SIGHUP, reopen)
    os.write(1, b"done\n")
    serial = 0
    while asked := os.read(0, 100):
        for _ in range(int(asked)):
            data = record(serial)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
            if os.write(output, data) != len(data):
                sys.exit("a short write")
            os.write(told, b"w")
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
            serial += 1
        os.write(1, b"done\n")


if __name__ == "__main__":
    main(*sys.argv[1:5])
