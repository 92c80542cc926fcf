from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import EXIT_OK, EXIT_UNABLE
from standpipe.journal import lock
from standpipe.journal.layout import FINISHED_SEGMENT_MODE, SEAL_SUFFIX, Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.seal_store import read_seal_bytes
from tests.journal.keep_fixture import add_segment, fill, make_journal, names
from tests.journal.whole import assert_chain, segment_bytes
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEADLINE_SECONDS = 60.0
CONFIG = "sinks: {}\n"
RSS_MAX_KIB = 25 * 1024
KILLS = scale(12, 100)


class Keeps:
    """Starts keep processes on one journal, and ends those that are left."""

    def __init__(self, layout: Layout, config: str) -> None:
        self.layout = layout
        self._config = config
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        """Start one."""
        command = [sys.executable, "-m", "standpipe", "keep", "--journal", self.layout.root, "--config", self._config]
        process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, pass_fds=pass_fds)
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill and reap what is left."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def keeps(tmp_path: Path) -> Iterator[Keeps]:
    """Return a starter for a journal without sinks: everything counts as delivered."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    keeps = Keeps(make_journal(str(tmp_path)), str(config))
    yield keeps
    keeps.end()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a generous deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count(layout: Layout, suffix: str) -> int:
    """Return how many files end so."""
    return len([name for name in names(layout) if name.endswith(suffix)])


def whole(layout: Layout) -> bytes:
    """Return all bytes of the journal."""
    reader = JournalReader(layout)
    data = b"".join(segment_bytes(reader, segment) for segment in reader.segments)
    reader.close()
    return data


def assert_seals(layout: Layout) -> None:
    """Check every link."""
    seals = sorted(name for name in names(layout) if name.endswith(SEAL_SUFFIX))
    assert_chain([read_seal_bytes(layout, int(name[:20])) for name in seals])


def test_once_does_everything_and_exits(keeps: Keeps) -> None:
    """One full pass seals and compresses all closed segments."""
    expected = fill(keeps.layout, 4)
    with open(keeps.layout.segment(len(expected) - 120, ".log.zst.tmp"), "w") as file:
        file.write("half")
    process = keeps.start("--once")
    assert EXIT_OK == process.wait(DEADLINE_SECONDS)
    assert 0 == count(keeps.layout, ".tmp")
    assert (4, 4, 1) == (count(keeps.layout, ".seal.json"), count(keeps.layout, ".zst"), count(keeps.layout, ".log"))
    assert expected == whole(keeps.layout)
    assert_seals(keeps.layout)


def test_it_tells_when_it_is_ready_and_ends_at_sigterm(keeps: Keeps) -> None:
    """The newline comes after the lock is held; SIGTERM ends it with 0; its memory stays small."""
    fill(keeps.layout, 2)
    read_end, write_end = os.pipe()
    process = keeps.start("--ready-fd", str(write_end), pass_fds=(write_end,))
    os.close(write_end)
    assert b"\n" == os.read(read_end, 10)
    os.close(read_end)
    assert process.pid == lock.holder(keeps.layout.lock("keep"))
    wait_until(lambda: count(keeps.layout, ".zst") == 2)
    with open(f"/proc/{process.pid}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    process.terminate()
    assert EXIT_OK == process.wait(DEADLINE_SECONDS)
    assert peak <= RSS_MAX_KIB


def test_a_second_keep_is_refused(keeps: Keeps) -> None:
    """Only one keep works on a journal, and the message names the other one."""
    fill(keeps.layout, 1)
    first = keeps.start()
    wait_until(lambda: lock.holder(keeps.layout.lock("keep")) == first.pid)
    second = keeps.start("--once")
    _, messages = second.communicate(timeout=DEADLINE_SECONDS)
    assert EXIT_UNABLE == second.returncode
    assert f"process {first.pid}" in messages.decode()


def test_a_successor_waits_for_the_lock(keeps: Keeps) -> None:
    """With --lock-wait a keep takes over when its predecessor dies, and waits until then."""
    fill(keeps.layout, 1)
    held = lock.acquire(keeps.layout.lock("keep"), "keep")
    successor = keeps.start("--once", "--lock-wait", str(DEADLINE_SECONDS))
    os.close(held)
    assert EXIT_OK == successor.wait(DEADLINE_SECONDS)


def test_sigterm_ends_the_wait_for_the_lock(keeps: Keeps) -> None:
    """A supervised keep that waits for its predecessor's lock still ends when it is asked to."""
    held = lock.acquire(keeps.layout.lock("keep"), "keep")
    process = keeps.start("--parent-pid", str(os.getpid()), "--lock-wait", str(10 * DEADLINE_SECONDS))
    wait_until(lambda: takes_signals(process.pid))
    process.terminate()
    assert EXIT_OK == process.wait(DEADLINE_SECONDS)
    os.close(held)


def test_a_journal_of_a_future_format_is_not_touched(keeps: Keeps) -> None:
    """It says which format it found, and changes nothing."""
    fill(keeps.layout, 1)
    with open(keeps.layout.identity) as file:
        entry = json.load(file)
    with open(keeps.layout.identity, "w") as file:
        json.dump(entry | {"format": 2}, file)
    before = names(keeps.layout)
    process = keeps.start("--once")
    _, messages = process.communicate(timeout=DEADLINE_SECONDS)
    assert (EXIT_UNABLE, before) == (process.returncode, names(keeps.layout))
    assert "format 2" in messages.decode()


def test_a_supervised_keep_waits_for_the_journal(tmp_path: Path, keeps: Keeps) -> None:
    """Started before capture has created the journal, it waits, and ends at SIGTERM meanwhile."""
    keeps.layout = Layout(str(tmp_path / "later"))
    waiting = keeps.start("--parent-pid", str(os.getpid()))
    other = keeps.start("--parent-pid", str(os.getpid()))
    wait_until(lambda: takes_signals(waiting.pid) and takes_signals(other.pid))
    other.terminate()
    assert EXIT_OK == other.wait(DEADLINE_SECONDS)
    os.rename(make_journal(str(tmp_path / "made")).root, keeps.layout.root)
    fill(keeps.layout, 1)
    wait_until(lambda: count(keeps.layout, ".seal.json") == 1)
    waiting.terminate()
    assert EXIT_OK == waiting.wait(DEADLINE_SECONDS)


def takes_signals(pid: int) -> bool:
    """Tell whether a supervised keep has set its signals up: SIGINT is ignored after SIGTERM was blocked."""
    with open(f"/proc/{pid}/status") as status:
        mask = next(int(line.split()[1], 16) for line in status if line.startswith("SigIgn:"))
    return bool(mask & (1 << (signal.SIGINT - 1)))


def test_sigkill_at_any_moment_loses_nothing(keeps: Keeps) -> None:
    """Killed over and over while it seals and compresses: no byte and no link is lost, and the work gets done."""
    layout = keeps.layout
    expected = fill(layout, 2, records_each=4000)
    add_tail(layout, len(expected), finish_before=2 * 4000 * 120)
    for kill in range(KILLS):
        process = keeps.start("--lock-wait", "30")
        files = names(layout)
        wait_until(lambda files=files: names(layout) != files)  # type: ignore[misc]
        process.kill()
        process.wait()
        base = last_base(layout)
        data = b"%06d\n" % kill * 40_000
        with open(layout.segment(base), "ab") as file:
            file.write(data)
        expected += data
        os.chmod(layout.segment(base), FINISHED_SEGMENT_MODE)
        add_segment(layout, len(expected), b"", finished=False)
        assert expected == whole(layout)
        assert_seals(layout)
    assert EXIT_OK == keeps.start("--once").wait(DEADLINE_SECONDS)
    assert expected == whole(layout)
    assert (1, 0) == (count(layout, ".log"), count(layout, ".tmp"))
    assert_seals(layout)


def last_base(layout: Layout) -> int:
    """Return the base of the last segment."""
    return max(int(name[:20]) for name in names(layout) if name[:20].isdigit())


def add_tail(layout: Layout, end: int, *, finish_before: int) -> None:
    """Close the last segment and open another one."""
    os.chmod(layout.segment(finish_before), FINISHED_SEGMENT_MODE)
    add_segment(layout, end, b"", finished=False)
