from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import JournalError
from standpipe.journal import incidents
from standpipe.journal.trouble import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN, Troubles
from standpipe.observe.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FULL = OSError(errno.ENOSPC, "No space left on device", "/x")
BROKEN = OSError(errno.EIO, "Input/output error")
NOW = 1_700_000_000.0


@pytest.fixture
def log_fd(tmp_path: Path) -> Iterator[int]:
    """Return a descriptor for messages."""
    fd = os.open(tmp_path / "messages", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield fd
    os.close(fd)


@pytest.fixture
def troubles(tmp_path: Path, log_fd: int) -> Troubles:
    """Return an empty collection."""
    return Troubles(str(tmp_path / "incidents.jsonl"), Log("keep", log_fd))


@pytest.fixture
def messages(tmp_path: Path, log_fd: int) -> Callable[[], list[str]]:
    """Return a function that returns the messages so far."""

    def read() -> list[str]:
        return [json.loads(line)["message"] for line in (tmp_path / "messages").read_text().splitlines()]

    return read


def test_a_failure_is_said_once_until_it_works_again(troubles: Troubles, messages: Callable[[], list[str]]) -> None:
    """The same reason again is silent; another one is said; the end of it is said."""
    for error in (FULL, FULL, BROKEN, FULL):
        troubles.failed("seal", error, 0, NOW, 0.0)
    assert troubles
    troubles.worked("seal")
    troubles.worked("seal")
    assert not troubles
    assert ["cannot seal; it will be tried again"] * 3 + ["can seal again"] == messages()


def test_retries_back_off_to_a_limit(troubles: Troubles) -> None:
    """The first retry comes at the next tick, later ones further apart, and success forgets it."""
    clock, waits = 0.0, []
    for _ in range(8):
        troubles.failed("seal", FULL, 0, NOW, clock)
        wait = RETRY_SECONDS_MIN
        while not troubles.may_try("seal", clock + wait):
            wait += RETRY_SECONDS_MIN
        waits.append(wait)
        clock += wait
    assert [0.25, 0.5, 1.0, 2.0, 4.0, RETRY_SECONDS_MAX, RETRY_SECONDS_MAX, RETRY_SECONDS_MAX] == waits
    troubles.failed("seal", FULL, 0, NOW, clock)
    assert not troubles.may_try("seal", clock)
    troubles.worked("seal")
    assert troubles.may_try("seal", clock)


def test_incidents_wait_until_the_disk_takes_them(troubles: Troubles, tmp_path: Path) -> None:
    """What cannot be written now is written later, in order, each once, with the kind of its error."""
    path = tmp_path / "incidents.jsonl"
    path.mkdir()
    troubles.failed("seal", FULL, 7, NOW, 0.0)
    troubles.failed("compress", BROKEN, 8, NOW, 0.0)
    troubles.failed("delete", JournalError("x is damaged"), None, NOW, 0.0)
    troubles.flush()
    path.rmdir()
    troubles.flush()
    troubles.flush()
    expected = [("disk-full", 7), ("keep-error", 8), ("damaged", None)]
    assert expected == [(i["kind"], i["offset"]) for i in incidents.read(str(path))]
