"""A live audit file from outside: how much room it takes, how often room was given back, and what a sync costs.

Imports nothing from standpipe. A reclaim is counted by what is seen of it: the room that the live file takes shrank by
a quarter of `at` or more (a punch), or a file with another name of ours appeared (a rename).
"""

from __future__ import annotations

import glob
import os
import platform
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from tests.e2e.run_harness import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAMPLE_SECONDS = 0.002
STAT_BLOCK_BYTES = 512  # stat(2): st_blocks counts these
# The numbers of fsync and fdatasync in /proc/<pid>/task/<tid>/syscall.
SYNCS = {"x86_64": (b"74", b"75"), "aarch64": (b"82", b"83")}[platform.machine()]
RUNNING = b"running"  # what that file says of a thread that is on a processor, in whatever call


def renamed_files(live: Path) -> list[str]:
    """Return the files that reclaim has renamed, the oldest first."""
    return sorted(glob.glob(f"{live}.standpipe-*"))


def left_bytes(live: Path) -> bytes:
    """Return what the renamed files and the live one still hold, oldest first, without the hole at their heads.

    A server that ends while reclaim waits for its new file never makes one: then the renamed file is the last, and
    there is no live one. Without either this fails.
    """
    content = b""
    renamed = renamed_files(live)
    for path in (*renamed, str(live)) if live.exists() or not renamed else renamed:
        with open(path, "rb") as file, suppress(OSError):  # ENXIO: a hole only, or nothing
            file.seek(os.lseek(file.fileno(), 0, os.SEEK_DATA))
            content += file.read()
    return content


def calls_of(pid: int) -> dict[str, bytes]:
    """Return the number of the system call in which each thread of a process is; nothing where it has gone."""
    calls = {}
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/syscall", "rb") as file:
                calls[thread] = file.read().partition(b" ")[0].strip()
    return calls


class Watch:
    """Looks at a live file, and at capture, every few milliseconds, in a thread."""

    def __init__(self, live: Path, at_bytes: int, capture: Callable[[], int]) -> None:
        """Prepare. capture: returns its process id, or 0."""
        self.punches = 0
        self.renames: set[str] = set()
        self.largest_bytes = 0  # of the live file and the renamed ones together, on the disk
        self.sync_growth_bytes = 0  # the most by which they grew while one sync of capture's was under way
        self._live = live
        self._at_bytes = at_bytes
        self._capture = capture
        self._growth: dict[str, int] = {}  # by thread: since it is in the sync that is under way
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join(WAIT_SECONDS)

    def __str__(self) -> str:
        """Give the figures."""
        figures = f"{self.largest_bytes} bytes at most, {self.sync_growth_bytes} of these in one sync"
        return f"{self.punches} punches, {len(self.renames)} renames, {figures}"

    @property
    def reclaims(self) -> int:
        """How often room was given back."""
        return self.punches + len(self.renames)

    def _work(self) -> None:
        inode, live_before, all_before, pid = 0, 0, 0, 0
        while not self._stop.wait(SAMPLE_SECONDS):
            calls = calls_of(pid)
            if not calls:
                pid = self._capture()
            inode_now, live_now, all_now = self._look()
            if inode_now == inode and live_before - live_now >= self._at_bytes // 4:
                self.punches += 1
            self.largest_bytes = max(self.largest_bytes, all_now)
            self._add_growth(calls, max(0, all_now - all_before))
            inode, live_before, all_before = inode_now, live_now, all_now

    def _add_growth(self, calls: dict[str, bytes], grown_bytes: int) -> None:
        """Add up the growth for each thread that is in a sync, which may be on a processor for a part of it."""
        going_on = [
            thread for thread, call in calls.items() if call in SYNCS or (call == RUNNING and thread in self._growth)
        ]
        self._growth = {thread: self._growth.get(thread, 0) + grown_bytes for thread in going_on}
        self.sync_growth_bytes = max([self.sync_growth_bytes, *self._growth.values()])

    def _look(self) -> tuple[int, int, int]:
        """Return the live file's inode (0: there is none), the bytes it takes, and those of it and the renamed ones."""
        taken: dict[int, int] = {}  # by inode: a rename between two looks must not count a file twice
        renamed = renamed_files(self._live)
        self.renames.update(renamed)
        inode = 0
        for path in (*renamed, str(self._live)):
            with suppress(FileNotFoundError):
                status = os.stat(path)
                taken[status.st_ino] = status.st_blocks * STAT_BLOCK_BYTES
                inode = status.st_ino if path == str(self._live) else 0
        return inode, taken.get(inode, 0), sum(taken.values())
