"""A file source without its process: capture driven step by step, killed at any system call, and started again.

A kill is a BaseException raised from a system call of the code under test; all descriptors that the incarnation opened
are then closed, as the kernel would. What others do to the files: see follow_world.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from standpipe.capture import punching, reopen, succession
from standpipe.capture.file_start import FileStart
from standpipe.capture.follow import FileCapture
from standpipe.capture.follow_report import Report
from standpipe.capture.lease import is_unused
from standpipe.capture.pipe import Wake
from standpipe.capture.punching import Punching
from standpipe.capture.reclaim import Reclaim, Way
from standpipe.capture.reclaim_plan import PUNCH
from standpipe.capture.reopen import Reopen
from standpipe.journal import boot, identity
from standpipe.journal.layout import HARD_LIMIT_FACTOR, Layout, parse_segment_file_name
from standpipe.journal.recovery import Recovery, mark_clean
from standpipe.journal.room import Room
from standpipe.journal.syncer import Syncer
from standpipe.journal.writer import Writer
from standpipe.observe.log import Log
from standpipe.vault.process import Reloader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standpipe.capture.regular_file import OpenFile

SEGMENT_SIZE = 16 << 10
HARD_LIMIT = HARD_LIMIT_FACTOR * SEGMENT_SIZE
PLENTY_BYTES = 1 << 30
RECLAIM_AT_BYTES = 16 << 10
TURN_SECONDS = 0.5
TURNS_MAX = 3000  # a settled capture needs a few; a scenario of this size a few hundred
WATCHED = ("open", "rename", "fsync", "fdatasync", "fchmod", "unlink", "sendfile", "pwrite", "write")
WATCHED_ELSEWHERE = ((punching, "punch"), (reopen, "rename_no_replace"))


class Kill(BaseException):
    """SIGKILL, as seen from inside."""


class Volume(Room):
    """The journal's room, whose cap the test moves."""

    def set_cap(self, cap_bytes: int) -> None:
        """Let the journal have so many bytes."""
        self._cap_bytes = cap_bytes


class Rig:
    """One journal, and any number of captures of one path, one after the other."""

    def __init__(self, directory: str, *, way: str = PUNCH, sees_writers: bool = True) -> None:
        self.directory = directory
        self.path = f"{directory}/audit.log"
        self.layout = Layout(f"{directory}/journal")
        identity.open_or_create(self.layout, "node", 0.0)
        self.way = way
        self.sees_writers = sees_writers
        self.reloader = Reloader(os.getpid(), None)  # we are no server: it cannot be reached
        self.now = 0.0
        self.boot_id = "boot-0"
        self.cap_bytes = PLENTY_BYTES
        self.others: set[int] = set()  # descriptors in our process that are not capture's
        self.alive = False
        self.runs = False
        self.safe_end = 0
        self._null = os.open("/dev/null", os.O_WRONLY)
        self._before: set[str] = set()

    # The parts of the process, as capture.py and capture_file.py put them together.

    def start(self) -> None:
        """Start a capture. Raises SourceError."""
        self._before = set(os.listdir("/proc/self/fd"))
        self.alive = True
        log = Log("capture", self._null)
        clock = lambda: self.now  # noqa: E731 - the clock of this rig
        report = Report(self.layout.incidents, log, clock)
        with self._stands_in():
            start = FileStart(self.path, self.layout, report)
            way = Way(lambda: (self.way, "asked for"), start.store, log, clock)
            companion = Punching(self.layout, start.store, report, RECLAIM_AT_BYTES)
            reopening = Reopen(self.path, self.reloader, report, clock, RECLAIM_AT_BYTES)
            recovery = Recovery(self.layout, log, SEGMENT_SIZE, 0.0, self.now, start.store.before_finish)
            current = recovery.run({"file": self.path})
            self.room = Volume(self.layout, self.cap_bytes, SEGMENT_SIZE)
            wake = Wake()
            self.syncer = Syncer(
                self.layout,
                log,
                self.room,
                fsync_seconds=1.0,
                seal_every_seconds=1000.0,
                wall_clock=clock,
                clock=clock,
                companion=companion,
            )
            writer = Writer(self.syncer, current, SEGMENT_SIZE)
            self.syncer.attach(writer, current, wake.wake)
            reclaim = Reclaim(way, companion, reopening, self.syncer)
            self.capture = FileCapture(self.path, self.layout, writer, start.store, report, reclaim, wake, clock)
            start.begin(self.capture, current.end)
            self.safe_end = max(self.safe_end, self.syncer.safe_end)  # what was synced before stays so

    def _is_unused(self, file: OpenFile) -> bool | None:
        return is_unused(file) if self.sees_writers else None

    @contextmanager
    def _stands_in(self) -> Iterator[None]:
        """Let the rig say whether others' descriptors can be seen, and under which boot we run."""
        with (
            mock.patch.object(succession, "is_unused", self._is_unused),
            mock.patch.object(reopen, "is_unused", self._is_unused),
            mock.patch.object(boot, "current_boot_id", return_value=self.boot_id),
        ):
            self.runs = True
            try:
                yield
            finally:
                self.runs = False

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let others act in the middle of a step of capture: what they call is not watched."""
        before, self.runs = self.runs, False
        try:
            yield
        finally:
            self.runs = before

    def turn(self) -> bool:
        """Let both halves do one step; tell whether anything moved, or has to be tried again."""
        with self._stands_in():
            end = self.capture.end
            self.capture.pump()
            self.now += TURN_SECONDS
            busy = self.syncer.step()
            self.safe_end = max(self.safe_end, self.syncer.safe_end)
            return busy or self.capture.end != end

    def work(self, turns: int = TURNS_MAX) -> None:
        """Let both halves do all that they can do now; a capture that waits for room stops trying."""
        quiet = 0
        for _ in range(turns):
            end = self.capture.end
            self.turn()
            quiet = quiet + 1 if self.capture.end == end else 0
            if quiet == 4:  # a step to look, one to leave, one to follow, one to open
                return

    def stop(self) -> None:
        """Stop in order: everything synced, and marked as clean."""
        with self._stands_in():
            self.syncer.stop()
            self.syncer.run()
            assert self.syncer.all_safe
            self.safe_end = self.syncer.safe_end
            mark_clean(self.layout)
        self.die()

    def die(self) -> None:
        """Close what the capture had open, as the kernel does for the dead."""
        for name in set(os.listdir("/proc/self/fd")) - self._before:
            if int(name) not in self.others:
                try:
                    os.close(int(name))
                except OSError:
                    continue  # the descriptor of the listing itself
        self.alive = False

    def holds(self, device: int, inode: int) -> bool:
        """Tell whether the capture has a file open, so that it can read it though it has no name any more."""
        if not self.alive:
            return False
        for name in set(os.listdir("/proc/self/fd")) - self._before:
            if int(name) in self.others:
                continue
            try:
                status = os.fstat(int(name))
            except OSError:
                continue
            if (status.st_dev, status.st_ino) == (device, inode):
                return True
        return False

    # The journal, read with ls and cat.

    def segments(self) -> list[tuple[int, bytes]]:
        """Return (base, bytes that count) of every segment: a later base bounds the one before."""
        found = []
        for name in sorted(os.listdir(self.layout.segments)):
            parsed = parse_segment_file_name(name)
            if parsed and parsed[1] == ".log":
                with open(f"{self.layout.segments}/{name}", "rb") as file:
                    found.append((parsed[0], file.read()))
        bounds = ([base for base, _ in found] + [1 << 62])[1:]
        return [(base, data[: bound - base]) for (base, data), bound in zip(found, bounds, strict=True)]

    def journal_since(self, offset: int) -> list[tuple[int, bytes]]:
        """Return what the journal has from an offset on, as (offset, bytes) without gaps inside."""
        runs: list[tuple[int, bytes]] = []
        for base, data in self.segments():
            start = max(base, offset)
            if start < base + len(data):
                runs.append((start, data[start - base :]))
        return runs

    def close(self) -> None:
        """Close what the rig holds."""
        if self.alive:
            self.die()
        os.close(self._null)


@contextmanager
def killed_at(rig: Rig, step: int, *, half: bool = False) -> Iterator[Callable[[], int]]:
    """Raise Kill instead of the step-th (from 0) watched system call; yields a function that counts them.

    half: a call that moves bytes moves half of them first, as one that the kernel interrupts.
    """
    count = 0

    def wrap(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal count
            if not rig.runs:
                return real(*args, **kwargs)
            count += 1
            if count - 1 == step:
                if half:
                    _do_half(name, real, args)
                raise Kill
            return real(*args, **kwargs)

        return call

    places = [(os, name) for name in WATCHED] + list(WATCHED_ELSEWHERE)
    patches = [mock.patch.object(place, name, wrap(name, getattr(place, name))) for place, name in places]
    for patch in patches:
        patch.start()
    try:
        yield lambda: count
    finally:
        for patch in patches:
            patch.stop()


def _do_half(name: str, real: Callable[..., object], args: tuple[object, ...]) -> None:
    if name == "sendfile":
        target, source, offset, size = args
        length = min(int(str(size)), os.fstat(int(str(source))).st_size - int(str(offset)))
        real(target, source, offset, length // 2)
    elif name == "write" and isinstance(args[1], (bytes, memoryview)):
        real(args[0], args[1][: len(args[1]) // 2])
