from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from standpipe.delivery.waiting import Waiting
from standpipe.journal import watch

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DEADLINE_SECONDS = 60.0


def test_a_wake_up_is_not_lost_before_data_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes while the journal may not be looked at again yet ends the wait all the same."""
    monkeypatch.setattr(watch, "POLL_SECONDS", 1e6)
    monkeypatch.setattr(watch, "POLL_SECONDS_BLIND", 1e6)
    wait = Waiting(str(tmp_path))
    thread = threading.Thread(target=wait.for_data, daemon=True)
    wait.wake()
    thread.start()
    thread.join(DEADLINE_SECONDS)
    ended = not thread.is_alive()
    wait.stop()
    thread.join()
    wait.close()
    assert ended


def test_a_pause_tells_whether_it_was_ended(tmp_path: Path) -> None:
    """Once for a wake-up, which is used up by it."""
    wait = Waiting(str(tmp_path))
    assert not wait.pause(0.0)
    wait.wake()
    assert wait.pause(None)
    assert not wait.pause(0.0)
    wait.close()


def test_a_wake_up_after_the_end_reaches_nobody(tmp_path: Path) -> None:
    """An attempt may outlive its pump: whatever has the descriptor's number then is not written to."""
    wait = Waiting(str(tmp_path))
    before = set(os.listdir("/proc/self/fd"))
    wait.close()
    closed = before - set(os.listdir("/proc/self/fd"))
    path = tmp_path / "another"
    opened = [os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(len(closed) + 1)]
    assert closed & {str(descriptor) for descriptor in opened}, "a number is used again"
    wait.wake()
    wait.stop()
    wait.drain()
    for descriptor in opened:
        os.close(descriptor)
    assert b"" == path.read_bytes()


def test_whoever_sees_a_drain_sees_its_end(tmp_path: Path) -> None:
    """`draining` is set last: a pump that saw it alone would leave out a last line without its newline."""

    class Watched(Waiting):
        seen: tuple[str, ...] = ()

        def __setattr__(self, name: str, value: object) -> None:
            self.__dict__["seen"] = (*self.seen, name)
            super().__setattr__(name, value)

    wait = Watched(str(tmp_path))
    wait.seen = ()
    wait.drain()
    wait.close()
    assert wait.seen.index("end_proven") < wait.seen.index("draining")
