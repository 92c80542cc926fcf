"""A command that keeps records in temporary files, and is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.analysis.audit_world import world, write

if TYPE_CHECKING:
    from pathlib import Path

ENDLESS = "SELECT count(*) FROM range(100000000000000) numbers WHERE sqrt(numbers.range) = 0.5"
DEADLINE_SECONDS = 60.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    """In the middle of a query that takes for ever: it ends at once, with the signal's status, and its files go."""
    write(tmp_path / "j", world(10))
    (tmp_path / "scratch").mkdir()
    words = [sys.executable, "-m", "standpipe", "query", "--journal", str(tmp_path / "j"), ENDLESS]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "scratch")}
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not os.listdir(tmp_path / "scratch"):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(number)
            _, said = process.communicate(timeout=DEADLINE_SECONDS)
        finally:
            process.kill()
    assert (128 + number, b"") == (process.returncode, said)
    assert [] == os.listdir(tmp_path / "scratch")
