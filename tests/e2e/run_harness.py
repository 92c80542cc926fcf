"""`standpipe run` from outside: its stdout with a tap that can be closed, its journal as plain files, its processes.

Imports nothing from standpipe: what is compared here is compared by code that shares nothing with the program.
"""

from __future__ import annotations

import glob
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

ROLES = ("capture", "keep", "ship")
WAIT_SECONDS = 60.0
STANDPIPE = [sys.executable, "-m", "standpipe"]


class Tap:
    """Reads a pipe into memory in a thread; may be closed for a while, like a runtime that stalls."""

    def __init__(self) -> None:
        """Make the pipe; `write_end` is for the child."""
        self.data = bytearray()
        self._read_end, self.write_end = os.pipe()
        self._open = threading.Event()
        self._open.set()
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Read to the end, then close everything."""
        self._open.set()
        os.close(self.write_end)
        self._thread.join(WAIT_SECONDS)
        os.close(self._stop_write)
        os.close(self._stop_read)
        os.close(self._read_end)

    def stall(self) -> None:
        """Read no more."""
        self._open.clear()

    def flow(self) -> None:
        """Read again."""
        self._open.set()

    def _work(self) -> None:
        while True:
            self._open.wait()
            ready, _, _ = select.select([self._read_end], [], [], 0.05)
            if ready and self._open.is_set():
                piece = os.read(self._read_end, 65536)
                if not piece:
                    return
                self.data += piece


def run_prefix(fifo: Path, journal: Path, config: Path | None = None) -> list[str]:
    """Return the command line before COMMAND."""
    more = ["--config", str(config)] if config else []
    return [*STANDPIPE, "run", "--fifo", str(fifo), "--journal", str(journal), *more, "--"]


def journal_files(journal: Path) -> list[tuple[int, Path]]:
    """Return (base, path) of the segments' data, raw where there are both."""
    found: dict[int, Path] = {}
    for path in sorted(glob.glob(f"{journal}/segments/*.log*")):
        if path.endswith((".log", ".log.zst")):
            found.setdefault(int(Path(path).name[:20]), Path(path))
    return sorted(found.items())


def journal_bytes(journal: Path) -> bytes:
    """Return the journal's bytes, read with cat and zstdcat's format by the zstd program; there must be no hole."""
    data = b""
    for base, path in journal_files(journal):
        assert len(data) == base, f"{path} does not follow on {len(data)}"
        if path.suffix == ".zst":
            data += subprocess.run(["zstdcat", str(path)], check=True, capture_output=True).stdout
        else:
            data += path.read_bytes()
    return data


def journal_end(journal: Path) -> int:
    """Return the journal's end without reading it."""
    files = journal_files(journal)
    raw = [(base, path) for base, path in files if path.suffix == ".log"]
    return raw[-1][0] + os.stat(raw[-1][1]).st_size if raw else 0


def cursor_offset(journal: Path, sink: str = "stdout") -> int:
    """Return a cursor's offset: of the two slots, the one with the higher sequence."""
    content = (journal / "cursors" / sink).read_bytes()
    slots = [json.loads(part[: part.rindex(b"}") + 1]) for part in (content[:512], content[4096:4608]) if b"}" in part]
    return int(max(slots, key=lambda slot: slot["sequence"])["offset"])


def incidents(journal: Path) -> list[dict[str, object]]:
    """Return all incidents."""
    path = journal / "incidents.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def repeats(journal: Path) -> list[tuple[int, int]]:
    """Return (offset, length) of what may have reached stdout twice."""
    return [(int(str(i["offset"])), int(str(i["length"]))) for i in incidents(journal) if i["kind"] == "repeat"]


def role_pid(journal: Path, role: str) -> int:
    """Return the process id in a role's lock file, 0 where there is none."""
    try:
        return int((journal / f"lock.{role}").read_text().strip() or "0")
    except FileNotFoundError:
        return 0


def wait_until(condition: object, what: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait until a callable says yes; fail at the deadline."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.005)
