"""A journal that a real keeper seals, segment by segment, with pauses in which nothing comes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from standpipe.journal import identity, lock
from standpipe.journal.keeper import Keeper, KeeperSettings
from standpipe.journal.layout import FINISHED_SEGMENT_MODE
from standpipe.observe.log import Log
from tests.journal.keep_fixture import add_segment, limits, make_journal, names, never, record

if TYPE_CHECKING:
    from pathlib import Path

LONG_SECONDS = 3600.0


class Kept:
    """One journal and who works on it. The last segment is always open and, until `begin`, empty."""

    def __init__(self, directory: Path) -> None:
        self.layout = make_journal(str(directory))
        self.end = 0
        self.number = 0
        self.settings = KeeperSettings((), limits())
        self.messages = directory / "keep.messages"
        self._log = os.open(self.messages, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._capture: int | None = None
        self.start_capture()
        add_segment(self.layout, 0, b"", finished=False)

    def start_capture(self) -> None:
        """Hold the lock as capture does."""
        self._capture = lock.acquire(self.layout.lock("capture"), "capture")

    def stop_capture(self) -> None:
        """Let go of it."""
        if self._capture is not None:
            os.close(self._capture)
        self._capture = None

    def close(self) -> None:
        """Close what is open."""
        self.stop_capture()
        os.close(self._log)

    def begin(self, count: int = 5) -> bytes:
        """Write records into the open segment; return them."""
        data = b"".join(record(self.number + n) for n in range(count))
        self.number += count
        with open(self.layout.segment(self.end), "ab") as file:
            file.write(data)
        return data

    def cut(self) -> None:
        """Finish the open segment and begin the next one."""
        path = self.layout.segment(self.end)
        size = os.path.getsize(path)
        base, self.end = self.end, self.end + size
        add_segment(self.layout, self.end, b"", finished=False)
        os.chmod(self.layout.segment(base), FINISHED_SEGMENT_MODE)

    def keep(self, *, seal_every: float = LONG_SECONDS, passes: int = 1, **changes: object) -> None:
        """Let a keeper look at the journal. changes: of the retention's limits."""
        settings = replace(self.settings, seal_every_seconds=seal_every, limits=limits(**changes))
        keeper = Keeper(self.layout, identity.read(self.layout), settings, Log("keep", self._log))
        try:
            for _ in range(passes):
                keeper.pass_over(never)
        finally:
            keeper.close()

    def write(self, count: int = 5) -> None:
        """Write records, close their segment, and let it be sealed."""
        self.begin(count)
        self.cut()
        self.keep()

    def wait(self, times: int = 1) -> None:
        """Let nothing come, so often as long as `seal_every`."""
        self.keep(seal_every=0.0, passes=times)

    def sign_with(self, path: Path) -> None:
        """Sign from now on."""
        self.settings = replace(self.settings, sign_key=str(path))

    def seals(self) -> list[str]:
        """Return the names of all seals, in the order of the chain."""
        return sorted(name for name in names(self.layout) if name.endswith(".seal.json"))

    def seal(self, name: str) -> dict[str, object]:
        """Return what a seal says."""
        with open(f"{self.layout.segments}/{name}", "rb") as file:
            found: dict[str, object] = json.loads(file.read())
        return found

    def replace(self, name: str, data: bytes) -> None:
        """Put other bytes in a file's place, whatever its mode."""
        path = f"{self.layout.segments}/{name}"
        os.unlink(path)
        with open(path, "wb") as file:
            file.write(data)


def idle_name(base: int, number: int) -> str:
    """Return the name of an idle seal."""
    return f"{base:020d}.{number:06d}.seal.json"


def seal_name(base: int) -> str:
    """Return the name of a segment's seal."""
    return f"{base:020d}.seal.json"
