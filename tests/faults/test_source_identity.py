"""No position is believed for an inode's sake: only bytes prove where capture goes on, or it stops and says so."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.faults.follow_rig import RECLAIM_AT, FileRig, content, data_start
from tests.faults.rig import wait_until
from tests.faults.volumes import EXT4, MIB, XFS, call, in_other_boot, make_image, mounted
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 400
OLD = content(100_000, COUNT)
NEW = content(200_000, COUNT)
LONGER = content(300_000, 2 * COUNT)
TIMES = scale(20, 200)  # that a file is truncated and filled again
CREATIONS_MAX = 200  # files made until an inode's number comes back

DAMAGE = {
    "empty": b"",
    "cut": b'{"format":1,"path":"/au',
    "zeros": bytes(4096),
    "garbage": bytes(range(256)) * 16,
    "list": b"[]",
    "null": b"null",
    "deep": b"[" * 100_000,
    "future": b'{"format":2,"files":"elsewhere"}',
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[FileRig]:
    """Make a rig whose file and journal are beside each other."""
    (tmp_path / "audit").mkdir()
    with FileRig(tmp_path / "rig", tmp_path / "audit" / "audit.log", tmp_path / "journal") as made:
        yield made


def captured_and_stopped(rig: FileRig, data: bytes, *, kill: bool = True) -> None:
    """Capture a file with these bytes, and end capture."""
    rig.source.write_bytes(data)
    capture = rig.capture()
    rig.wait_captured(data)
    if kill:
        capture.kill()
    else:
        assert 0 == capture.stop()


def goes_on(rig: FileRig, expected: bytes, *, before: tuple[str, ...] | list[str] = ()) -> None:
    """Capture what there is to capture: that must make the journal these bytes, and `verify` content."""
    capture = rig.capture(before=before)
    rig.wait_captured(expected)
    assert 0 == capture.stop()
    assert expected == rig.content()
    assert 0 == rig.verify("--accept-recorded")[0]


def refuses(rig: FileRig, expected: bytes) -> None:
    """Start capture, which must end with exit status 2 and an incident, and leave the journal as it is."""
    assert 2 == rig.start(*rig.capture_words()).status()
    assert ["source-lost"] == rig.ours()
    assert expected == rig.content()


# ---- source.json


@pytest.mark.parametrize("damage", [None, *DAMAGE])
def test_without_its_map_the_position_is_found_by_content(rig: FileRig, damage: str | None) -> None:
    """source.json missing, cut, garbage or of a future format: the journal's last bytes say where to go on."""
    captured_and_stopped(rig, OLD)
    if damage is None:
        (rig.journal / "source.json").unlink()
    else:
        (rig.journal / "source.json").write_bytes(DAMAGE[damage])
    rig.append(NEW)
    goes_on(rig, OLD + NEW)
    assert [] == rig.ours()


def test_without_its_map_a_file_that_was_punched_goes_on(rig: FileRig) -> None:
    """What was punched cannot be compared, and need not be."""
    old = content(100_000, 8000)
    rig.source.write_bytes(old)
    capture = rig.capture()
    rig.wait_captured(old)
    wait_until(lambda: data_start(rig.source) > 0, "the file is punched")
    capture.kill()
    assert len(old) > RECLAIM_AT
    (rig.journal / "source.json").unlink()
    rig.append(NEW)
    goes_on(rig, old + NEW)
    assert [] == rig.ours()


def test_without_its_map_a_rotated_file_is_finished_first(rig: FileRig) -> None:
    """The journal's end is found in the renamed file; what it got late comes before what the new one has."""
    captured_and_stopped(rig, OLD)
    (rig.journal / "source.json").unlink()
    rig.append(LONGER)
    rig.source.rename(rig.source.with_name("audit.log.1"))
    rig.append(NEW)
    goes_on(rig, OLD + LONGER + NEW)
    assert [] == rig.ours()


@pytest.mark.parametrize("damage", scale([None, "garbage"], [None, *DAMAGE]))
def test_without_its_map_and_its_bytes_capture_stops(rig: FileRig, damage: str | None) -> None:
    """A file of the same length and the same inode that is not the one that was captured: exit 2, and no byte taken."""
    captured_and_stopped(rig, OLD)
    if damage is None:
        (rig.journal / "source.json").unlink()
    else:
        (rig.journal / "source.json").write_bytes(DAMAGE[damage])
    with open(rig.source, "r+b") as file:
        file.write(NEW)
    refuses(rig, OLD)


# ---- Device and inode


@pytest.mark.parametrize("kind", [EXT4, XFS])
@pytest.mark.parametrize("with_map", [True, False])
def test_another_device_number_changes_nothing(tmp_path: Path, kind: str, *, with_map: bool) -> None:
    """The same volume through another loop device: capture goes on, with source.json and without."""
    image = tmp_path / "disk.img"
    make_image(image, kind, 16 * MIB)
    other = tmp_path / "other.img"
    make_image(other, EXT4, 8 * MIB)
    path = tmp_path / "disk"
    with FileRig(tmp_path / "rig", path / "audit.log", tmp_path / "journal") as rig:
        with mounted(image, path):
            captured_and_stopped(rig, OLD)
            device = rig.source.stat().st_dev
        if not with_map:
            (rig.journal / "source.json").unlink()
        with ExitStack() as stack:
            stack.enter_context(mounted(other, tmp_path / "other"))  # takes the loop device that came free
            stack.enter_context(mounted(image, path))
            assert device != rig.source.stat().st_dev
            rig.append(NEW)
            goes_on(rig, OLD + NEW)
        assert [] == rig.ours()


def reuse_inode(path: Path, data: bytes) -> None:
    """Delete a file and make new ones until one has its inode's number; put it in the place of the first."""
    number = path.stat().st_ino
    path.unlink()
    others = []
    for i in range(CREATIONS_MAX):
        candidate = path.with_name(f"candidate{i}")
        candidate.write_bytes(data)
        if candidate.stat().st_ino == number:
            candidate.rename(path)
            break
        others.append(candidate)
    for candidate in others:
        candidate.unlink()
    assert number == path.stat().st_ino


@pytest.mark.parametrize("birth_times", [True, False])
@pytest.mark.parametrize("data", [NEW, LONGER], ids=["as-long", "longer"])
@pytest.mark.parametrize("with_map", [True, False])
def test_a_reused_inode_is_another_file(tmp_path: Path, data: bytes, *, birth_times: bool, with_map: bool) -> None:
    """Deleted and made anew with the same number, the same size or more: read from its beginning, and told."""
    image = tmp_path / "disk.img"
    make_image(image, EXT4, 16 * MIB, *(() if birth_times else ("-I", "128")))
    with (
        mounted(image, tmp_path / "disk") as volume,
        FileRig(tmp_path / "rig", volume.path / "audit.log", tmp_path / "journal") as rig,
    ):
        captured_and_stopped(rig, OLD)
        reuse_inode(rig.source, data)
        if not with_map:
            (rig.journal / "source.json").unlink()
            refuses(rig, OLD)
            return
        goes_on(rig, OLD + data)
        assert ["source-lost" if birth_times else "truncated"] == rig.ours()
        detail = rig.detail(rig.ours()[0])
        assert len(OLD) == detail["source_from"]
        assert "unknown" == detail["lost_bytes"]


@pytest.mark.parametrize("birth_times", [True, False])
def test_an_inode_reused_while_we_look_on(tmp_path: Path, *, birth_times: bool) -> None:
    """While capture runs it has the old file open: the new one is another file, and both are captured whole."""
    image = tmp_path / "disk.img"
    make_image(image, EXT4, 16 * MIB, *(() if birth_times else ("-I", "128")))
    with (
        mounted(image, tmp_path / "disk") as volume,
        FileRig(tmp_path / "rig", volume.path / "audit.log", tmp_path / "journal") as rig,
    ):
        rig.source.write_bytes(OLD)
        capture = rig.capture()
        rig.wait_captured(OLD)
        rig.source.unlink()
        rig.source.write_bytes(NEW)
        rig.wait_captured(OLD + NEW)
        assert 0 == capture.stop()
        assert 0 == rig.verify("--accept-recorded")[0]


# ---- Rolled back


def restored(path: Path, data: bytes, *, in_place: bool) -> None:
    """Put an older copy of a file back: over its bytes, or as another file with its name."""
    copy = path.with_name("restored")
    copy.write_bytes(data)
    if in_place:
        shutil.copyfile(copy, path)
        copy.unlink()
    else:
        copy.rename(path)


@pytest.mark.parametrize("lines", scale([0, 250], [0, 1, 250, 399]))
@pytest.mark.parametrize("torn_bytes", scale([0, 7], [0, 1, 7, 499]))
@pytest.mark.parametrize("refilled", [False, True], ids=["shorter", "refilled"])
def test_a_file_that_lost_its_end_with_the_power(rig: FileRig, lines: int, torn_bytes: int, *, refilled: bool) -> None:
    """After another boot id the file has less than the journal: the journal's copy stands, and what is new is whole."""
    captured_and_stopped(rig, OLD, kill=False)
    kept = OLD[: lines * 500 + torn_bytes]
    with open(rig.source, "r+b") as file:
        file.truncate(len(kept))
    words = in_other_boot(rig.directory, str(uuid.uuid4()))
    new = LONGER if refilled else NEW[: 5 * 500]
    rig.append(new)
    expected = OLD + kept[lines * 500 :] + new
    goes_on(rig, expected, before=words)
    assert ["source-rolled-back"] == rig.ours()
    assert (len(OLD), 0) == tuple(rig.detail("source-rolled-back")[key] for key in ("source_to", "lost_bytes"))


def test_a_rollback_without_anything_new(rig: FileRig) -> None:
    """A shorter file after another boot id, and nothing written since: the journal stays, and the incident says it."""
    captured_and_stopped(rig, OLD, kill=False)
    with open(rig.source, "r+b") as file:
        file.truncate(100 * 500)
    capture = rig.capture(before=in_other_boot(rig.directory, str(uuid.uuid4())))
    wait_until(rig.ours, "the rollback is told")
    assert 0 == capture.stop()
    assert (OLD, ["source-rolled-back"]) == (rig.content(), rig.ours())
    detail = rig.detail("source-rolled-back")
    assert (100 * 500, len(OLD)) == (detail["source_from"], detail["source_to"])


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("refilled", [False, True], ids=["shorter", "refilled"])
def test_an_older_copy_put_back_by_somebody(rig: FileRig, *, in_place: bool, refilled: bool) -> None:
    """Under the same boot id a restored older copy is a truncation: told, and every line of the new end is captured."""
    captured_and_stopped(rig, OLD)
    restored(rig.source, OLD[: 250 * 500], in_place=in_place)
    new = LONGER if refilled else NEW[: 5 * 500]
    rig.append(new)
    capture = rig.capture()
    wait_until(lambda: rig.captured() >= len(OLD) + len(new), "it is captured")
    assert 0 == capture.stop()
    data = rig.content()
    assert data.startswith(OLD)
    assert data.endswith(new)
    assert data[len(OLD) : -len(new)] in (b"", OLD[: 250 * 500])  # another file that begins alike may be read whole
    assert len(rig.ours()) == 1
    assert rig.ours()[0] in (("truncated",) if in_place else ("truncated", "source-lost"))


# ---- Truncated and filled again


@pytest.mark.parametrize("refill", [NEW, LONGER], ids=["as-long", "longer"])
@pytest.mark.parametrize("kill", [True, False])
def test_truncated_and_refilled_while_down(rig: FileRig, refill: bytes, *, kill: bool) -> None:
    """The size never looks smaller and every record is as long as the one in its place: the bytes give it away."""
    captured_and_stopped(rig, OLD, kill=kill)
    with open(rig.source, "r+b") as file:
        file.truncate(0)
        file.write(refill)
    goes_on(rig, OLD + refill)
    assert ["truncated"] == rig.ours()
    detail = rig.detail("truncated")
    assert (len(OLD), None, "unknown") == tuple(detail[key] for key in ("source_from", "source_to", "lost_bytes"))


@pytest.mark.parametrize("refill", [NEW, LONGER], ids=["as-long", "longer"])
def test_truncated_and_refilled_while_running(rig: FileRig, refill: bytes) -> None:
    """The same between two looks of a capture that runs, but sleeps: both fillings are captured, and it is told."""
    rig.source.write_bytes(OLD)
    capture = rig.capture()
    rig.wait_captured(OLD)
    with ExitStack() as stack:
        call("kill", "-STOP", str(capture.pid))
        stack.callback(call, "kill", "-CONT", str(capture.pid))
        with open(rig.source, "r+b") as file:
            file.truncate(0)
            file.write(refill)
    rig.wait_captured(OLD + refill)
    assert 0 == capture.stop()
    assert ["truncated"] == rig.ours()
    detail = rig.detail("truncated")
    assert (len(OLD), len(OLD), "unknown") == tuple(detail[key] for key in ("source_from", "source_to", "lost_bytes"))
    assert 0 == rig.verify("--accept-recorded")[0]


def test_truncated_and_refilled_again_and_again(rig: FileRig) -> None:
    """Each filling is captured whole where it was captured before the next truncation."""
    expected = b""
    rig.source.touch()
    capture = rig.capture()
    for number in range(TIMES):
        piece = content(100_000 + 1000 * number, 150)
        with open(rig.source, "r+b") as file:
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), piece)
        expected += piece
        rig.wait_captured(expected)
    assert 0 == capture.stop()
    assert ["truncated"] * (TIMES - 1) == rig.ours()
    assert 0 == rig.verify("--accept-recorded")[0]
