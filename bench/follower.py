"""The programs that follow a file, as real processes, each writing a copy of it to another file."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import stat
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench.peers import command, environment
from bench.processes import CHILDREN, STANDPIPE, SUPERVISOR, program, role_pid, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping

    from bench.peers import Peer

TAIL = "tail -F"
SIDECAR, SIDECAR_PUNCH = "sidecar, no reclaim", "sidecar, punch"
RECLAIM = {SIDECAR: "none", SIDECAR_PUNCH: "punch"}
SETTLE_SECONDS = 120.0
SETTLE_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Follower:
    """A program that was started. pids: every process of it by role; settle: wait until it has nothing left to do."""

    process: subprocess.Popen[bytes]
    target: str
    pids: dict[str, int]
    settle: Callable[[], None]


def _nothing_to_settle() -> None:
    """Return at once: most programs do no work after their output."""


@contextlib.contextmanager
def sidecar(
    way: str, source: str, directory: str, stdout: int, more: Mapping[str, object] | None = None
) -> Iterator[Follower]:
    """Start `standpipe sidecar` beside a file, with its journal in directory; yield when all its children run.

    more: of the config.
    """
    journal, config, target = f"{directory}/journal", f"{directory}/sidecar.yaml", f"{directory}/target"
    with open(config, "w", encoding="utf-8") as file:
        json.dump({"source": {"file": source, "reclaim": {"way": RECLAIM[way]}}, **(more or {})}, file)
    line = [*STANDPIPE, "sidecar", "--file", source, "--journal", journal, "--config", config]
    with program(line, stdout, f"{directory}/messages.log") as process:
        wait_until(lambda: all(role_pid(journal, role) for role in CHILDREN), process, "all children run")
        pids = {SUPERVISOR: process.pid, **{role: role_pid(journal, role) for role in CHILDREN}}
        yield Follower(process, target, pids, partial(wait_until_kept, journal))


def wait_until_kept(journal: str) -> None:
    """Wait until keep has sealed and compressed every finished segment. Raises TimeoutError."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while any(_is_finished(path) for path in glob.glob(f"{journal}/segments/*.log")):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {SETTLE_SECONDS:g} s in vain for keep to compress {journal}")
        time.sleep(SETTLE_POLL_SECONDS)


def _is_finished(segment: str) -> bool:
    try:
        return not os.stat(segment).st_mode & stat.S_IWUSR
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def following(way: str, peer: Peer | None, source: str, directory: str) -> Iterator[Follower]:
    """Start a program that follows source from its beginning; its output is directory/target. A peer names itself."""
    target = f"{directory}/target"
    with open(target, "ab") as stdout, contextlib.ExitStack() as stack:
        if way in RECLAIM:
            yield stack.enter_context(sidecar(way, source, directory, stdout.fileno()))
            return
        line, values = ["tail", "-n", "+1", "-F", source], None
        if peer:
            line, values = command(peer, directory), environment(peer, directory, source, target)
        process = stack.enter_context(program(line, stdout.fileno(), f"{directory}/messages.log", values))
        yield Follower(process, target, {way: process.pid}, _nothing_to_settle)
