"""`standpipe demo`, whole: on a real OpenBao, with all its faults."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from standpipe.demo.interrupts import Interrupts
from standpipe.demo.screen import PlainScreen
from standpipe.demo.show import Demo, present

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SECONDS = 8.0  # enough for every act; the counts do not depend on it
DEADLINE_SECONDS = 240


def run_demo(temporary: Path, *options: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
    """Run the real command with its temporary files below a directory of the test."""
    command = [sys.executable, "-m", "standpipe", "demo", "--seconds", str(SECONDS), *options]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    return subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, env=environment, timeout=DEADLINE_SECONDS, check=False
    )


def test_every_count_is_right(tmp_path: Path) -> None:
    """The demo exits 0, its table says that all was delivered, and nothing is left of it."""
    done = run_demo(tmp_path, "--json")
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    table = json.loads(done.stdout)
    assert ("right", [], 0, "complete", True) == (
        table["verdict"],
        table["wrong"],
        table["records_lost"],
        table["verify_verdict"],
        table["digests_equal"],
    )
    assert table["records_expected"] == table["records_captured"] == table["records_delivered"]
    assert 2 * table["requests_audited"] + table["records_start_up"] == table["records_expected"]
    assert ["calm", "stall", "ship", "keep", "capture", "calm-again"] == [phase["name"] for phase in table["phases"]]
    assert all(phase["requests"] > 0 for phase in table["phases"])
    assert [] == list(tmp_path.iterdir())


def test_piped_stdout_carries_the_records(tmp_path: Path) -> None:
    """Without a terminal stdout has the raw records and nothing else, as `--keep` shows; stderr has the table."""
    kept = tmp_path / "kept"
    done = run_demo(tmp_path, "--keep", str(kept))
    assert done.returncode == 0, done.stderr.decode()
    assert (kept / "stdout.raw").read_bytes() == done.stdout
    assert b"lost                                 0" in done.stderr
    assert b"Every count is right" in done.stderr


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """SIGINT in the middle of a phase ends the demo with 130; no process and no file of it stays."""
    command = [sys.executable, "-m", "standpipe", "demo", "--json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as demo:
        assert demo.stderr is not None
        while b"calm" not in (line := demo.stderr.readline()):
            assert line, "ended before its first phase"
        demo.send_signal(signal.SIGINT)
        demo.stderr.read()
    assert 130 == demo.returncode
    assert [] == list(tmp_path.iterdir())
    assert [] == processes_that_name(str(tmp_path))


def processes_that_name(text: str) -> list[str]:
    """Return the command lines of all processes that hold a text."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(path, encoding="utf-8") as file:
            line = file.read().replace("\0", " ")
            if text in line:
                found.append(line)
    return found


class TamperedDemo(Demo):
    """A demo from whose journal somebody takes one byte between the stop and the counting."""

    def count(self):  # type: ignore[no-untyped-def]  # noqa: ANN201  as Demo.count
        """Take a byte out of the middle of the first sealed segment, then count."""
        segments = self.stage.journal / "segments"
        seal = min(segments.glob("*.seal.json"))
        base = seal.name.partition(".")[0]
        victim = next(path for path in (segments / f"{base}.log", segments / f"{base}.log.zst") if path.exists())
        data = victim.read_bytes()
        victim.chmod(0o600)
        victim.write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 1 :])
        return super().count()


def test_one_byte_less_is_seen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With one byte taken out of a sealed segment the demo fails, and its own count and `verify` both say so."""
    screen = PlainScreen(records=False)
    status = present(TamperedDemo(tmp_path, SECONDS, screen, Interrupts()), screen, as_json=True)
    table = json.loads(capfd.readouterr().out)
    assert status == 1
    assert ("wrong", 1, False) == (table["verdict"], table["verify_exit_status"], table["digests_equal"])
    assert any("lines on stdout are not in the journal" in reason for reason in table["wrong"])


def test_a_directory_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    """`--keep` never mixes its files with others."""
    (tmp_path / "mine").touch()
    done = run_demo(tmp_path, "--keep", str(tmp_path))
    assert (64, b"") == (done.returncode, done.stdout)
    assert b"is not empty" in done.stderr
