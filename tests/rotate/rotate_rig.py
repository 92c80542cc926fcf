"""A rotator without its process, beside a writer like Vault: killed at any system call, and started again.

A kill is a BaseException raised from a system call of the code under test, and from every later one, so that nothing is
tidied up; what the dead one had open is then closed, as the kernel would.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from standpipe.capture import volume
from standpipe.observe.log import Log
from standpipe.rotate import names
from standpipe.rotate.content import blocks
from standpipe.rotate.rotator import Rotator, Settings, load_state
from standpipe.rotate.state import decode
from standpipe.rotate.surroundings import Surroundings, Words
from standpipe.vault.process import Holders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standpipe.rotate.plan import Way
    from standpipe.rotate.state import State
    from standpipe.rotate.surroundings import Rotation

MAX_SIZE = 200
START = 1_700_000_000.0  # seconds since 1970
WATCHED = ("open", "rename", "fsync", "fchmod", "unlink", "write", "copy_file_range", "utime")
WATCHED_VOLUME = ("punch", "rename_no_replace")
REAL_OPEN, REAL_WRITE = os.open, os.write  # the writer's own calls are no place for a kill


class Kill(BaseException):
    """SIGKILL, as seen from inside."""


class ManualClock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = START

    def wall(self) -> float:
        """Return the seconds since 1970."""
        return self.now

    def steady(self) -> float:
        """Return seconds that only grow."""
        return self.now

    def wait(self, seconds: float) -> bool:
        """Let time pass."""
        self.now += seconds
        return False


class Writer:
    """What Vault is to a rotator: it appends, and opens its file anew when it is told to."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.ignores_hangup = False
        self.refusal = ""  # why the signal cannot be sent
        self.descriptor = -1
        self.generations: list[tuple[int, bytes]] = []  # inode number and bytes of each file that it made, in order
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        try:
            self.descriptor = REAL_OPEN(self.path, flags | os.O_EXCL, 0o640)
            self.generations.append((self.inode, b""))
        except FileExistsError:
            self.descriptor = REAL_OPEN(self.path, flags)

    @property
    def inode(self) -> int:
        """Return the number of the file that is open."""
        return os.fstat(self.descriptor).st_ino

    def write(self, data: bytes) -> None:
        """Append."""
        assert len(data) == REAL_WRITE(self.descriptor, data)
        at = max(i for i, (inode, _) in enumerate(self.generations) if inode == self.inode)
        self.generations[at] = (self.inode, self.generations[at][1] + data)

    def why_not(self) -> str:
        """Say why no signal can be sent, as a Reloader does."""
        return self.refusal

    def reload(self) -> str:
        """Take SIGHUP."""
        if not self.refusal and not self.ignores_hangup:
            os.close(self.descriptor)
            self._open()
        return self.refusal


class WatchedRotator(Rotator):
    """Tells which files it has written down."""

    def __init__(self, rig: Rig, around: Surroundings) -> None:
        super().__init__(rig.places, rig.settings, around)
        self._rig = rig

    def save(self, state: State) -> None:
        """Save, and tell."""
        super().save(state)
        self._rig.note_state()


class Rig:
    """One live file, one writer, and any number of rotators one after the other."""

    def __init__(self, directory: str, way: Way = "punch", *, keep: int = 1000, compress: bool = False) -> None:
        self.places = names.Places(f"{directory}/audit.log")
        self.writer = Writer(self.places.live)
        self.settings = Settings(keep, MAX_SIZE, None, compress, way)
        self.second_writer: int | None = None  # inode number of a file that somebody else has open for writing
        self.sees_everybody = True  # whether /proc shows every process
        self.clock = ManualClock()
        self.rotations: list[Rotation] = []
        self.seen: set[int] = set()  # inode numbers that a state file has named
        self._messages = os.open(f"{directory}/messages", os.O_RDWR | os.O_CREAT, 0o600)
        self._before = set(os.listdir("/proc/self/fd"))
        self.rotator: Rotator | None = None

    def holders(self, _device: int, inode: int) -> Holders:
        """Tell that the writer has its file open, and perhaps another one."""
        writers = [1] if inode == self.writer.inode else []
        return Holders([*writers, *([2] if inode == self.second_writer else [])], [], complete=self.sees_everybody)

    def rotate(self, *, wait: bool = True) -> None:
        """Let a rotator do what is due; start one where there is none."""
        if self.rotator is None:
            words = Words(Log("rotate", self._messages))
            around = Surroundings(
                self.clock, words, lambda *_: None, self.writer, self.holders, lambda _descriptor: None
            )
            self.rotator = WatchedRotator(self, around)
        try:
            self.rotator.pass_over(wait=wait)
            self.rotator.flush()
        finally:
            self.rotations += self.rotator.take_rotations()

    def note_state(self) -> None:
        """Note which file the state on disk names."""
        try:
            with open(self.places.state, "rb") as file:
                state = decode(file.read())
        except FileNotFoundError:
            return
        if state.file is not None:
            self.seen.add(state.file.inode)

    def die(self) -> None:
        """Close what the rotator had open, as the kernel does for the dead."""
        self.rotator = None
        kept = {*self._before, str(self.writer.descriptor)}
        for name in set(os.listdir("/proc/self/fd")) - kept:
            try:
                os.close(int(name))
            except OSError:
                continue  # the descriptor of the listing itself
        self.note_state()

    def archives(self) -> list[str]:
        """Return the names of all archives, the oldest first, as they are on disk."""
        found = names.archives(self.places.name, os.listdir(self.places.directory))
        raw = [archive.name for archive in found]
        return [n if os.path.exists(self.places.beside(n)) else n + ".zst" for n in raw]

    def archived(self) -> bytes:
        """Return what all archives hold."""
        return b"".join(block for name in self.archives() for block in blocks(self.places.beside(name)))

    def tail(self) -> bytes:
        """Return what the live file has and no archive."""
        state = load_state(self.places)
        file = None if state is None else state.file
        with open(self.places.live, "rb") as live:
            live.seek(0 if file is None else file.archived_to)
            return live.read()

    def messages(self) -> list[str]:
        """Return what was said."""
        data = os.pread(self._messages, 1 << 24, 0)
        return [json.loads(line)["message"] for line in data.splitlines()]

    def close(self) -> None:
        """Close what is open."""
        self.die()
        for descriptor in (self.writer.descriptor, self._messages):
            os.close(descriptor)


@contextmanager
def killed_at(step: int) -> Iterator[Callable[[], int]]:
    """Raise Kill instead of the step-th (from 0) watched call and of all later ones; yields a count of them."""
    count = 0

    def wrap(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count > step:
                raise Kill
            return real(*args, **kwargs)

        return call

    patches = [mock.patch.object(os, name, wrap(getattr(os, name))) for name in WATCHED]
    patches += [mock.patch.object(volume, name, wrap(getattr(volume, name))) for name in WATCHED_VOLUME]
    for patch in patches:
        patch.start()
    try:
        yield lambda: count
    finally:
        for patch in patches:
            patch.stop()
