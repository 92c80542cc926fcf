"""Scenarios of group C: somebody else cuts the file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults.injection import wait_until
from tests.faults.rig import is_full
from tests.scenarios.rig import Scene, back, check_equal, copy_truncate, line, lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scenarios.rig import Capture

KIB = 1 << 10
BOTH = pytest.mark.parametrize("live", [True, False], ids=["live", "down"])
OLD = lines(0, 500)  # 100 KB: more than a block of proof


def begun(scene: Scene, *, live: bool, data: bytes = OLD) -> Capture:
    """Capture some records, and then look away."""
    scene.append(data)
    capture = scene.capture()
    scene.expect(data)
    if live:
        capture.pause()
    else:
        capture.kill()
    return capture


@BOTH
@pytest.mark.parametrize("copied", [True, False], ids=["copy", "no-copy"])
def test_s35_copytruncate_all_read(tmp_path: Path, *, live: bool, copied: bool) -> None:
    """Everything was read, then the file is copied and cut: the new content is read from 0; an alarm, and no loss."""
    with Scene(tmp_path) as scene:
        capture = begun(scene, live=live)
        if copied:
            copy_truncate(scene.path, scene.older())
        else:
            os.truncate(scene.path, 0)
        new = scene.append(lines(1000, 20))
        scene.finish(back(scene, capture, live=live), OLD + new)
        offset, length, detail = scene.incident("truncated")
        assert (len(OLD), 0, len(OLD)) == (offset, length, detail["source_from"])
        if copied:
            assert str(scene.older()) == detail["copy"]
        scene.settles(OLD + new)


def test_s35_copytruncate_while_it_looks(tmp_path: Path) -> None:
    """The same without a pause, again and again: what was captured before each cut is followed by what came after."""
    with Scene(tmp_path) as scene:
        capture = scene.capture()
        data = b""
        for number in range(5):
            data += scene.append(lines(1000 * number, 100 + number))
            scene.expect(data)
            copy_truncate(scene.path, scene.older(str(number)))
        data += scene.append(lines(9000, 10))
        scene.finish(capture, data)
        assert scene.incidents("truncated")


@BOTH
def test_s36_copytruncate_unread_tail_with_a_copy(tmp_path: Path, *, live: bool) -> None:
    """Unread bytes were cut away: the copy beside proves to be the continuation and is read; nothing is lost."""
    with Scene(tmp_path) as scene:
        capture = begun(scene, live=live)
        tail = scene.append(lines(1000, 300))
        copy_truncate(scene.path, scene.older())
        new = scene.append(lines(2000, 20))
        scene.finish(back(scene, capture, live=live), OLD + tail + new)
        _, _, detail = scene.incident("truncated")
        assert len(OLD + tail) == detail["source_from"]  # what may have come after the copy is lost, and nobody saw it
        assert "unknown" == detail["lost_bytes"]
        assert str(scene.older()) == detail["copy"]
        scene.settles(OLD + tail + new)


def test_s36_copytruncate_unread_tail_that_was_seen(tmp_path: Path) -> None:
    """Unread bytes that were seen are lost without a copy: the incident has their exact range."""
    with Scene(tmp_path) as scene:
        capture = scene.capture(segment_size="16KiB", max_size="64KiB")
        written = scene.append(lines(0, 1000))
        capture.says("takes no more")
        capture.looks_around(scene.vault)
        position = scene.end()
        assert 0 < position < len(written)
        os.truncate(scene.path, 0)
        offset, length, detail = scene.incident("truncated")
        assert (position, 0) == (offset, length)
        assert (position, len(written)) == (detail["source_from"], detail["source_to"])
        assert len(written) - position == detail["lost_bytes"]
        capture.kill()
        new = scene.append(lines(2000, 20))
        capture = scene.capture()
        data = written[:position]
        data += b"" if data.endswith(b"\n") else b"\n"
        scene.finish(capture, data + new)


@BOTH
def test_s36_copytruncate_unread_tail_unseen(tmp_path: Path, *, live: bool) -> None:
    """Bytes that came and went between two looks: the incident says from where, and never that nothing was lost."""
    with Scene(tmp_path) as scene:
        capture = begun(scene, live=live)
        scene.append(lines(1000, 300))
        os.truncate(scene.path, 0)
        new = scene.append(lines(2000, 20))
        scene.finish(back(scene, capture, live=live), OLD + new)
        offset, _, detail = scene.incident("truncated")
        assert (len(OLD), len(OLD)) == (offset, detail["source_from"])
        assert 0 != detail["lost_bytes"]


@BOTH
@pytest.mark.parametrize("size", [99_800, 100_000, 100_200, 300_000], ids=["less", "same", "line-more", "much-more"])
def test_s37_truncate_and_refill_past_offset(tmp_path: Path, size: int, *, live: bool) -> None:
    """A file that was cut and has grown to where it was, or past it, is told by its content."""
    with Scene(tmp_path) as scene:
        capture = begun(scene, live=live)
        os.truncate(scene.path, 0)
        new = scene.append(lines(5000, size // 200))
        scene.finish(back(scene, capture, live=live), OLD + new)
        assert len(OLD) == scene.incident("truncated")[0]
        scene.settles(OLD + new)


@pytest.mark.parametrize("copied", [True, False], ids=["copy", "no-copy"])
@pytest.mark.parametrize("rounds", [1, 3])
def test_s38_truncate_while_down(tmp_path: Path, rounds: int, *, copied: bool) -> None:
    """Nobody looks while the file is cut, once or more: new content is read from 0, copies that continue are read."""
    with Scene(tmp_path) as scene:
        begun(scene, live=False)
        data = OLD
        for number in range(rounds):
            tail = scene.append(lines(1000 * (number + 1), 50))
            scene.tick()
            if copied:
                copy_truncate(scene.path, scene.older(str(number)))
                data += tail
            else:
                os.truncate(scene.path, 0)
            scene.tick()
        data += scene.append(lines(9000, 20))
        scene.finish(scene.capture(), data)
        scene.incident("truncated")
        scene.settles(data)


@pytest.mark.parametrize("size", [50, 5000])
def test_s39_truncate_while_sink_blocked(tmp_path: Path, size: int) -> None:
    """The sink is blocked while the file is cut: its cursor is the journal's, so that nothing is passed over later."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 2000))
        capture = scene.capture()
        scene.expect(data)
        read_end, write_end = os.pipe()
        ship = scene.spawn("ship", "--journal", str(scene.journal), stdout=write_end)
        wait_until(lambda: is_full(write_end), "the sink is blocked")
        os.truncate(scene.path, 0)
        data += scene.append(lines(5000, size))
        scene.expect(data)
        got = b""
        while len(got) < len(data):
            got += os.read(read_end, 1 << 16)
        assert ship.alive()
        os.close(write_end)
        os.close(read_end)
        check_equal(data, got)
        scene.finish(capture, data)


@BOTH
def test_s40_copytruncate_with_stale_writer(tmp_path: Path, *, live: bool) -> None:
    """A writer without O_APPEND goes on at its old offset: the NULs before it are passed over, its records exact."""
    with Scene(tmp_path) as scene:
        writer = scene.writer(append=False)
        data = writer.write(OLD)
        capture = scene.capture()
        scene.expect(data)
        if live:
            capture.pause()
        else:
            capture.kill()
        copy_truncate(scene.path, scene.older())
        data += writer.write(lines(1000, 20))
        capture = back(scene, capture, live=live)
        scene.expect(data)
        data += writer.write(lines(1020, 20))
        scene.finish(capture, data)
        assert len(OLD) == scene.incident("truncated")[2]["source_from"]
        scene.settles(data)


@BOTH
@pytest.mark.parametrize("refill", [0, 10, 1000])
def test_s41_move_truncate_move_back(tmp_path: Path, refill: int, *, live: bool) -> None:
    """Away, cut, back: nothing twice, nothing passed over."""
    with Scene(tmp_path) as scene:
        capture = begun(scene, live=live)
        scene.path.rename(scene.older())
        os.truncate(scene.older(), 0)
        scene.older().rename(scene.path)
        new = scene.append(lines(1000, refill))
        capture = back(scene, capture, live=live)
        scene.expect(OLD + new)
        new += scene.append(lines(5000, 10))
        scene.finish(capture, OLD + new)
        scene.settles(OLD + new)


def test_s41_move_and_back_while_it_looks(tmp_path: Path) -> None:
    """Away and back with capture looking on in between: the file is the same."""
    with Scene(tmp_path) as scene:
        data = scene.append(OLD)
        capture = scene.capture()
        scene.expect(data)
        for number in range(3):
            scene.path.rename(scene.older())
            capture.looks_around(scene.vault)
            scene.older().rename(scene.path)
            data += scene.append(line(1000 + number))
            scene.expect(data)
        scene.finish(capture, data)
        assert [] == scene.incidents()
