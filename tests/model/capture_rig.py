"""Capture without its process: the two halves driven step by step, killed at any system call, and started again.

A kill is a BaseException raised from a system call of the code under test; all descriptors that the incarnation opened
are then closed, as the kernel would. The FIFO and the reserve are held by the rig, as the supervisor holds them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from standpipe.capture.fifo import ensure_fifo, open_fifo
from standpipe.capture.pipe import PipeCapture, Wake
from standpipe.journal import identity
from standpipe.journal.layout import Layout, parse_segment_file_name
from standpipe.journal.recovery import Recovery, mark_clean
from standpipe.journal.room import Room
from standpipe.journal.syncer import Syncer
from standpipe.journal.writer import Writer
from standpipe.observe.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEGMENT_SIZE = 256
CAP_BYTES = 1 << 20
HARD_LIMIT = 2 * SEGMENT_SIZE
WATCHED = ("open", "rename", "fsync", "fdatasync", "fchmod", "unlink", "splice", "pwrite", "write")


class Kill(BaseException):
    """SIGKILL, as seen from inside."""


class Rig:
    """One journal, one writer, and any number of captures one after the other."""

    def __init__(self, directory: str) -> None:
        self.layout = Layout(f"{directory}/journal")
        self.fifo = f"{directory}/fifo"
        identity.open_or_create(self.layout, "node", 0.0)
        for path in (self.fifo, self.layout.reserve):
            ensure_fifo(path)
        self.held = [open_fifo(self.fifo), open_fifo(self.layout.reserve)]
        self.written = b""
        self.now = 0.0
        self._log_sink = os.open("/dev/null", os.O_WRONLY)
        self._before: set[str] = set()

    def write(self, data: bytes) -> None:
        """Write into the FIFO, as Vault does; data must fit."""
        assert len(data) == os.write(self.held[0], data)
        self.written += data

    def start(self) -> None:
        """Start a capture; it recovers the journal."""
        self._before = set(os.listdir("/proc/self/fd"))
        log = Log("capture", self._log_sink)
        current = Recovery(self.layout, log, SEGMENT_SIZE, 0.0, self.now).run({})
        self.wake = Wake()
        self.syncer = Syncer(
            self.layout,
            log,
            Room(self.layout, CAP_BYTES, SEGMENT_SIZE),
            fsync_seconds=1.0,
            seal_every_seconds=1000.0,
            wall_clock=lambda: 0.0,
            clock=lambda: self.now,
        )
        writer = Writer(self.syncer, current, SEGMENT_SIZE)
        self.syncer.attach(writer, current, self.wake.wake)
        self.pipe = PipeCapture(self.fifo, self.layout.reserve, writer, self.wake)

    def work(self) -> None:
        """Let both halves do all that they can do now."""
        for _ in range(200):
            moved = self.pipe.pump()
            self.now += 0.5
            busy = self.syncer.step()
            if not moved and not busy and not self.pipe.bytes_in_pipes:
                return

    def stop(self) -> None:
        """Stop in order: everything synced, and marked as clean."""
        self.syncer.stop()
        self.syncer.run()
        assert self.syncer.all_safe
        mark_clean(self.layout)
        self.die()

    def die(self) -> None:
        """Close what the capture had open, as the kernel does for the dead."""
        for name in set(os.listdir("/proc/self/fd")) - self._before:
            try:
                os.close(int(name))
            except OSError:
                continue  # the descriptor of the listing itself

    def segments(self) -> list[tuple[int, bytes, int]]:
        """Return (base, bytes that count, mode) of every segment: a later base bounds the one before."""
        found = []
        for name in sorted(os.listdir(self.layout.segments)):
            parsed = parse_segment_file_name(name)
            if parsed and parsed[1] == ".log":
                path = f"{self.layout.segments}/{name}"
                with open(path, "rb") as file:
                    found.append((parsed[0], file.read(), os.stat(path).st_mode & 0o777))
        bounds = [base for base, _, _ in found[1:]] + [1 << 62]
        return [(base, data[: bound - base], mode) for (base, data, mode), bound in zip(found, bounds, strict=True)]

    def captured(self) -> bytes:
        """Return the journal's bytes, which must have no hole."""
        data = b""
        for base, content, _ in self.segments():
            assert len(data) == base
            data += content
        return data

    def close(self) -> None:
        """Close what the rig holds."""
        for descriptor in (*self.held, self._log_sink):
            os.close(descriptor)


@contextmanager
def killed_at(step: int) -> Iterator[Callable[[], int]]:
    """Raise Kill instead of the step-th (from 0) watched system call; yields a function that counts them."""
    count = 0

    def wrap(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count - 1 == step:
                raise Kill
            return real(*args, **kwargs)

        return call

    patches = [mock.patch.object(os, name, wrap(getattr(os, name))) for name in WATCHED]
    for patch in patches:
        patch.start()
    try:
        yield lambda: count
    finally:
        for patch in patches:
            patch.stop()
