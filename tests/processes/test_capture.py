"""A real `standpipe capture`: what it refuses, and how Ctrl-C ends it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from standpipe import config, config_keys
from standpipe.processes import capture
from standpipe.units import parse_size
from tests.processes.front_door import FrontDoor, wait_until


def start(directory: Path, *options: str) -> FrontDoor:
    """Start it on a FIFO and a journal of its own."""
    return FrontDoor(
        directory, "capture", "--fifo", str(directory / "fifo"), "--journal", str(directory / "journal"), *options
    )


def wait_for_work(door: FrontDoor, directory: Path) -> None:
    """Wait until it has recovered the journal, which it does after its handlers are installed."""
    path = directory / "journal" / "boot.json"
    wait_until(lambda: path.exists() or door.process.poll() is not None, "capture is at work")
    assert door.process.poll() is None, door.messages()


def is_clean(directory: Path) -> bool:
    """Tell what boot.json says of the last stop."""
    return bool(json.loads((directory / "journal" / "boot.json").read_text())["clean"])


def test_ctrl_c_stops_a_lone_capture_in_order(tmp_path: Path) -> None:
    """SIGINT is SIGTERM to a capture without a supervisor: what the FIFO holds is taken, and the stop is clean."""
    door = start(tmp_path)
    try:
        wait_for_work(door, tmp_path)
        writer = os.open(tmp_path / "fifo", os.O_WRONLY)
        os.write(writer, b"{}\n")
        door.signal(signal.SIGINT)
        os.close(writer)
        assert 0 == door.status(), door.messages()
        assert is_clean(tmp_path)
        assert b"{}\n" == b"".join(path.read_bytes() for path in (tmp_path / "journal" / "segments").glob("0*.log"))
    finally:
        door.kill()


def test_ctrl_c_is_the_supervisors_business(tmp_path: Path) -> None:
    """With --parent-pid SIGINT is ignored, for a terminal sends it to the whole group; SIGTERM still ends it."""
    door = start(tmp_path, "--parent-pid", str(os.getpid()))
    try:
        wait_for_work(door, tmp_path)
        status = Path(f"/proc/{door.pid}/status").read_text(encoding="ascii")
        (ignored,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
        assert int(ignored, 16) >> (signal.SIGINT - 1) & 1
        door.signal(signal.SIGINT)
        assert not is_clean(tmp_path)
        door.signal(signal.SIGTERM)
        assert 0 == door.status(), door.messages()
        assert is_clean(tmp_path)
    finally:
        door.kill()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--segment-size", "0"), "--segment-size: 0 bytes are less than 4096"),
        (("--segment-size", "4095"), "--segment-size: 4095 bytes are less than 4096"),
        (("--segment-size", "4KiB", "--max-size", "8191"), "--max-size: 8191 bytes are less than 8192, twice"),
    ],
    ids=["none", "below a page", "no room for two"],
)
def test_sizes_that_the_config_would_refuse(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    """They are a wrong command line: status 64, and neither FIFO nor journal is made."""
    door = start(tmp_path, *options)
    try:
        assert 64 == door.status()
        assert door.said(words)
        assert [door.messages_path] == list(tmp_path.iterdir())
    finally:
        door.kill()


def test_the_bounds_are_those_of_the_config() -> None:
    """The process cannot import the config, so it has the numbers again."""
    bounds = (parse_size(config_keys.MIN_SEGMENT_TEXT), config.MIN_SEGMENTS)
    assert bounds == (capture.MIN_SEGMENT_BYTES, capture.MIN_SEGMENTS)
