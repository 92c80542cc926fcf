"""What no peer's list has, and what a review of the file source found: each by the front door, as the scenarios are."""

from __future__ import annotations

import gzip
import os
import shutil
from typing import TYPE_CHECKING

from tests.faults.injection import wait_until
from tests.faults.rig import open_files
from tests.scenarios.rig import NO_PRIVILEGES, Scene, lines

if TYPE_CHECKING:
    from pathlib import Path

OLD = lines(0, 500)
MANY = 150  # generations: enough that they are read as a queue


def test_a_volume_that_is_mounted_after_the_start(tmp_path: Path) -> None:
    """The file is not there at the start and comes back longer: it goes on where it was, and nothing counts as lost."""
    with Scene(tmp_path) as scene:
        scene.append(OLD)
        capture = scene.capture()
        scene.expect(OLD)
        capture.kill()
        away = tmp_path / "away"
        scene.path.rename(away)
        capture = scene.capture()
        capture.looks_around(scene.vault)
        new = scene.append(lines(1000, 300), away)
        away.rename(scene.path)
        scene.finish(capture, OLD + new)
        assert [] == scene.incidents()


def test_a_file_that_never_comes_back_is_told_when_another_one_begins(tmp_path: Path) -> None:
    """As long as nothing else is there, it may come back; then what it got after our position is lost, and told."""
    with Scene(tmp_path) as scene:
        scene.append(OLD)
        capture = scene.capture()
        scene.expect(OLD)
        capture.kill()
        scene.path.unlink()
        capture = scene.capture()
        capture.looks_around(scene.vault)
        assert [] == scene.incidents()
        new = scene.append(lines(1000, 10))
        scene.finish(capture, OLD + new)
        _, _, detail = scene.incident("source-lost")
        assert len(OLD) == detail["source_from"]


def test_archives_of_others_keep_every_byte(tmp_path: Path) -> None:
    """Holes are punched into the live file only: what somebody has rotated is his."""
    with Scene(tmp_path) as scene:
        archive = scene.append(lines(0, 5000), scene.older())
        data = archive + scene.append(lines(10_000, 5000))
        capture = scene.capture(reclaim_at="4KiB")
        scene.finish(capture, data)
        assert archive == scene.older().read_bytes()
        assert 0 == scene.path.read_bytes()[0], "the live file was not punched, so this test shows nothing"


def test_a_copy_beside_the_log_at_the_very_first_start(tmp_path: Path) -> None:
    """Somebody made a copy before we came, and the log has grown since: nothing is captured twice."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 2000))
        shutil.copy(scene.path, scene.older("bak"))
        data += scene.append(lines(2000, 500))
        scene.finish(scene.capture(), data)


def test_a_second_devices_file_is_no_generation(tmp_path: Path) -> None:
    """`audit-2.log` beside `audit.log` is somebody else's live file."""
    with Scene(tmp_path) as scene:
        scene.append(lines(5000, 50), scene.vault / "audit-2.log")
        data = scene.append(OLD)
        scene.finish(scene.capture(), data)


def test_hundreds_of_generations_and_few_descriptors(tmp_path: Path) -> None:
    """All are read, in order, and capture keeps few of them open."""
    with Scene(tmp_path) as scene:
        data = b""
        for number in range(MANY):
            path = scene.older(f"{number:04d}")
            data += scene.append(lines(number * 10, 3), path)
            os.utime(path, ns=(number * 10**9, number * 10**9))
        data += scene.append(lines(90_000, 3))
        capture = scene.capture()
        scene.expect(data)
        assert len(open_files(capture.pid)) < MANY // 2
        scene.finish(capture, data)


def test_a_gz_that_is_cut_off_is_tried_once(tmp_path: Path) -> None:
    """It never becomes whole, and is not unpacked at every look."""
    with Scene(tmp_path) as scene:
        scene.path.touch()
        capture = scene.capture()
        capture.looks_around(scene.vault)
        cut = gzip.compress(os.urandom(8 << 20))[:-9]
        scene.older("1.gz").write_bytes(cut)
        capture.looks_around(scene.vault)
        before = _read_bytes(capture.pid)
        for _ in range(3):
            capture.looks_around(scene.vault)
        assert _read_bytes(capture.pid) - before < len(cut)
        scene.finish(capture, scene.append(OLD))


def _read_bytes(pid: int) -> int:
    """Return how much a process has read with system calls (rchar of proc_pid_io(5))."""
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return int(file.readline().split()[1])


def test_a_directory_that_cannot_be_listed(tmp_path: Path) -> None:
    """The live file is followed all the same; its older generations cannot be seen, and that is told."""
    with Scene(tmp_path) as scene:
        data = scene.append(OLD)
        scene.vault.chmod(0o300)
        capture = scene.capture(NO_PRIVILEGES)
        wait_until(lambda: scene.content() == data, "the live file is captured")
        capture.says("cannot be opened")
        scene.vault.chmod(0o700)
        scene.finish(capture, data)
