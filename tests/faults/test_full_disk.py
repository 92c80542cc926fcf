from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.faults.rig import Rig, Role, is_full, wait_until
from tests.faults.volumes import EXT4, MIB, Ballast, Volume, disk, tmpfs
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 600
SIZES = (300, 2048, 1, 5000, 70_000)
ROOM_BYTES = MIB  # what the volume takes before it is full; the pipes hold 2 MiB more, the writer has 9 MB


@contextmanager
def volume(directory: Path, kind: str) -> Iterator[Volume]:
    """Mount a small file system of either kind."""
    with disk(directory, EXT4, 96 * MIB) if kind == EXT4 else tmpfs(directory / "disk", 96 * MIB) as mounted:
        yield mounted


def start_on_full_disk(rig: Rig) -> Role:
    """Start capture, which either works and meets the full disk, or cannot recover the journal and ends."""
    capture = rig.start(*rig.capture_words(segment_size="256KiB"))
    wait_until(lambda: "takes no more" in capture.messages() or not capture.alive(), "it meets the full disk")
    assert capture.alive() or "No space left" in capture.messages()
    return capture


@pytest.mark.parametrize("kind", [EXT4, "tmpfs"])
@pytest.mark.parametrize("kills", [0, 3])
def test_a_full_disk_makes_the_writer_wait_and_loses_nothing(tmp_path: Path, kind: str, kills: int) -> None:
    """While the disk is full the bytes stay in the pipes and the writer waits; with room all goes on by itself."""
    with volume(tmp_path, kind) as small, Rig(tmp_path / "rig", small.path / "journal") as rig:
        capture = rig.capture(segment_size="256KiB")
        ballast = Ballast(small, ROOM_BYTES)
        writer = rig.write(COUNT, SIZES)
        capture.says("the journal takes no more")
        wait_until(lambda: is_full(rig.held_fifo), "the FIFO is full")
        for _ in range(kills):
            capture.kill()
            capture = start_on_full_disk(rig)
        assert not writer.finished()
        before = rig.content()
        ballast.drop()
        if not capture.alive():
            capture = rig.capture(segment_size="256KiB")
        writer.end()
        rig.wait_captured(writer.expected)
        assert writer.expected.startswith(before)
        if not kills:  # the dead could only remember it
            wait_until(lambda: rig.incidents("disk-full"), "the incident is written")
            capture.says("the journal takes bytes again")
        assert 0 == capture.stop()
        assert writer.expected == rig.content()
        assert 0 == rig.verify()[0]


def test_run_outlives_a_full_disk(tmp_path: Path) -> None:
    """Under `run` all is delivered after a full disk, though capture was killed while it was full."""
    with disk(tmp_path, EXT4, 96 * MIB) as small, Rig(tmp_path / "rig", small.path / "journal") as rig:
        output = tmp_path / "output"
        with open(output, "wb") as file:
            run = rig.run("--fifo", str(rig.fifo), "--journal", str(rig.journal), stdout=file.fileno())
        ballast = Ballast(small, ROOM_BYTES)
        writer = rig.write(COUNT, SIZES)
        run.says("the journal takes no more")
        for _ in range(scale(2, 10)):
            rig.kill_role("capture")
        ballast.drop()
        writer.end()
        wait_until(lambda: output.stat().st_size >= len(writer.expected), "everything is delivered")
        rig.end_run(run)
        assert writer.expected == output.read_bytes()
        assert rig.captured() == len(writer.expected)
        assert 0 == rig.verify()[0]
