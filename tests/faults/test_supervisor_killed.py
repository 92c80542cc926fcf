from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.rig import Rig, is_full, pipe_bytes, wait_until
from tests.tier import scale

if TYPE_CHECKING:
    from pathlib import Path

COUNT = scale(4000, 40_000)
RATE = 2000  # records a second: the writer is at work for 2 s or more
SIZES = (300, 2048, 900, 5000)
ROLES = ("capture", "keep", "ship")


def gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("successor", ["run", "capture"])
def test_a_killed_supervisor_beside_a_holder_loses_nothing(tmp_path: Path, successor: str) -> None:
    """Kill `run` with -9: its children die, COMMAND and the pipes live, and whoever starts next takes every byte."""
    output = tmp_path / "output"
    with Rig(tmp_path / "rig") as rig, open(output, "ab") as file:
        words = ["--fifo", str(rig.fifo), "--journal", str(rig.journal)]
        run = rig.run(*words, stdout=file.fileno())
        holder = rig.start("hold", str(rig.fifo), str(rig.journal / "reserve"))
        wait_until(lambda: holder.messages().count('"holding"') == 2, "both pipes are held")
        rig.release()  # now `hold` alone keeps them
        writer = rig.write(COUNT, SIZES, rate=RATE)
        pids = [rig.role_pid(role) for role in ROLES]
        (command,) = rig.commands()
        wait_until(lambda: writer.progress.records > COUNT // 10, "records flow")
        run.kill()
        wait_until(lambda: all(gone(pid) for pid in pids), "the children die with it")
        assert not gone(command)
        descriptor = rig.hold(rig.fifo)
        wait_until(lambda: is_full(descriptor) or writer.finished(), "the pipe is full")
        assert pipe_bytes(descriptor) > 0
        assert not gone(command)
        if successor == "run":
            again = rig.start("run", *words, "--", "sleep", "1000", stdout=file.fileno())
            again.says('"started"')
        else:
            again = rig.capture()
        writer.end()
        wait_until(lambda: rig.captured() == len(writer.expected), "everything is captured")
        if successor == "run":
            again.process.send_signal(signal.SIGTERM)
            assert 128 + signal.SIGTERM == again.status()
        else:
            assert 0 == again.stop()
            assert 0 == rig.ship(output=output)
        assert writer.expected == rig.content()
        assert 0 == rig.verify()[0]
        check_output(output.read_bytes(), writer.expected)
        os.kill(command, 0)


def check_output(data: bytes, expected: bytes) -> None:
    """Stdout is what was written, but for one batch that was sent twice behind a line that a kill cut."""
    if data == expected:
        return
    cut = next(index for index, (have, want) in enumerate(zip(data, expected, strict=False)) if have != want)
    again = cut + data[cut:].startswith(b"\n")
    rest = data[again:]
    assert expected.endswith(rest)
    assert len(rest) >= len(expected) - cut
