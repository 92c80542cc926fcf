"""One follower under one load: a file that is there before it starts, or one that grows while it runs."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contest import write
from bench.cpu import cpu_of, pss_bytes
from bench.file_result import Copy, Followed, compare
from bench.follower import following
from bench.writer import RECORD_BYTES, make_pool

if TYPE_CHECKING:
    from bench.contest import Load
    from bench.follower import Follower
    from bench.peers import Peer

POLL_SECONDS = 0.004
MEMORY_EVERY_SECONDS = 0.1
QUIET_SECONDS = 10.0  # without growth: nothing more will come
FIRST_SECONDS = 60.0  # until the first byte


class Watch:
    """Watches a follower's output grow, and its memory."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._memory_due = 0.0
        self.pss_bytes = 0

    def wait_for(self, total: int) -> float:
        """Wait until the output has so many bytes, or grows no more; return when it grew last (CLOCK_MONOTONIC)."""
        size, grown_at = 0, time.monotonic()
        while size < total:
            now = time.monotonic()
            found = os.stat(self._follower.target).st_size if os.path.exists(self._follower.target) else 0
            if found > size:
                size, grown_at = found, now
            elif now - grown_at > (QUIET_SECONDS if size else FIRST_SECONDS):
                break
            elif self._follower.process.poll() is not None:
                raise RuntimeError(f"{self._follower.process.args!r} ended with {self._follower.process.returncode}")
            self._look_at_memory(now)
            time.sleep(POLL_SECONDS)
        self._look_at_memory(self._memory_due)
        return grown_at

    def _look_at_memory(self, now: float) -> None:
        if now >= self._memory_due:
            self._memory_due = now + MEMORY_EVERY_SECONDS
            self.pss_bytes = max(self.pss_bytes, sum(pss_bytes(pid) for pid in self._follower.pids.values()))


def _copied(target: str, records: int, first: int) -> Copy:
    with open(target, "rb") as file:
        return compare(file, make_pool(), records, first)


def catch_up(backlog: Load, way: str, peer: Peer | None, *, settle: bool) -> Followed:
    """Let a follower copy a file that is there; time and CPU count from the start of the program."""
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    source = f"{directory}/source"
    try:
        Path(source).touch()
        said = write(source, backlog)
        os.sync()
        began = time.monotonic()
        with following(way, peer, source, directory) as follower:
            watch = Watch(follower)
            last_at = watch.wait_for(int(said["bytes"]))
            if settle:
                follower.settle()
            return Followed(
                source_bytes=int(said["bytes"]),
                seconds=last_at - began,
                cpu_seconds=cpu_of(follower.pids),
                pss_bytes=watch.pss_bytes,
                copy=_copied(follower.target, int(said["records"]), 0),
                source_real_bytes=os.stat(source).st_blocks * 512,
            )
    finally:
        shutil.rmtree(directory)
        os.sync()


def follow(load: Load, way: str, peer: Peer | None, *, settle: bool) -> Followed:
    """Let a follower copy a file that grows; time and CPU count from the first write, after one record has come out."""
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    source = f"{directory}/source"
    try:
        Path(source).write_bytes(make_pool()[0])
        with following(way, peer, source, directory) as follower:
            watch = Watch(follower)
            watch.wait_for(RECORD_BYTES)
            start = cpu_of(follower.pids)
            said = write(source, load)
            last_at = watch.wait_for(RECORD_BYTES + int(said["bytes"]))
            if settle:
                follower.settle()
            settled = cpu_of(follower.pids)
            return Followed(
                source_bytes=int(said["bytes"]),
                seconds=last_at - said["began"],
                cpu_seconds={role: settled[role] - start[role] for role in settled},
                pss_bytes=watch.pss_bytes,
                copy=_copied(follower.target, int(said["records"]), 1),
                source_real_bytes=os.stat(source).st_blocks * 512,
            )
    finally:
        shutil.rmtree(directory)
        os.sync()
