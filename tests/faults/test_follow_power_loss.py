"""The disk at random instants under load, mounted again as after a crash: what the file still has, and what was synced.

Vault never syncs, and the journal does so seldom here, so an image may lack the end of either. The rules: every byte
that the file still has is in the journal afterwards; every byte that was punched, or stood in a finished segment, is in
the journal; no address is used for other bytes.
"""

from __future__ import annotations

import random
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.source_map import KEPT_BYTES
from tests.faults.follow_rig import RECLAIM_AT, SIZES, FileRig, data_start
from tests.faults.rig import Segments, wait_until
from tests.faults.test_power_loss import check_tiling, end_of, gaps, used_twice
from tests.faults.volumes import EXT4, MIB, XFS, call, disk, frozen, in_other_boot, make_image, mounted
from tests.faults.writer import records
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.volumes import Volume

SEGMENT_SIZE = 2 * MIB  # a segment's end is synced; what comes after it is not
HARD_LIMIT = 2 * SEGMENT_SIZE
FINISHED_MODE = 0o440
IMAGES_MIN = scale(2, 10)
IMAGES_MAX = scale(12, 40)  # until both kinds of loss were seen
NEW_SERIAL = 5_000_000  # as many digits as the serials of the load have: a new record begins as an old one does
FIRST_SERIAL = 1_000_000
NEW_COUNT = 50


@dataclass
class Loss:
    """What one image lacked, in bytes: of the file, and of the journal."""

    source: int
    journal: int


@contextmanager
def volumes(directory: Path, kind: str, *, two: bool) -> Iterator[tuple[Volume, list[Path]]]:
    """Mount one or two volumes at disk0, disk1; their images lie on one lower volume, which can be stopped."""
    with disk(directory, EXT4, 1024 * MIB, "lower") as lower:
        images = [lower.path / f"disk{i}.img" for i in range(1 + two)]
        for image in images:
            make_image(image, kind, 96 * MIB)
        with mounted(images[0], directory / "disk0"):
            if not two:
                yield lower, images
                return
            with mounted(images[1], directory / "disk1"):
                yield lower, images


@contextmanager
def remounted(lower: Volume, images: list[Path], directory: Path) -> Iterator[tuple[Path, Path]]:
    """Copy all images at one instant and mount the copies; yield the file's path and the journal's."""
    directory.mkdir()
    copies = [directory / image.name for image in images]
    with frozen(lower):
        for image, copy in zip(images, copies, strict=True):
            call("cp", "--sparse=always", str(image), str(copy))
    try:
        with mounted(copies[0], directory / "disk0") as first:
            if len(copies) == 1:
                yield first.path / "audit.log", first.path / "journal"
                return
            with mounted(copies[1], directory / "disk1") as second:
                yield first.path / "audit.log", second.path / "journal"
    finally:
        for copy in copies:
            copy.unlink()


def finished_end(journal: Path) -> int:
    """Return the end of the newest segment that is marked as finished: it was synced before."""
    names = sorted((journal / "segments").glob("*.log"))
    done = [int(path.name[:20]) + path.stat().st_size for path in names if mode(path) == FINISHED_MODE]
    return max(done, default=0)


def mode(path: Path) -> int:
    """Return a file's permissions."""
    return path.stat().st_mode & 0o777


@dataclass
class Before:
    """What was certain before an image was taken. Offsets of the file and of the journal are the same here."""

    segments: Segments
    size: int  # of the file
    promised: int  # the journal had this much on its disk


def certain(rig: FileRig) -> Before:
    """Ask the running journal: bytes are punched only once they, and KEPT_BYTES after them, are synced."""
    punched = data_start(rig.source)
    promised = max(finished_end(rig.journal), punched + KEPT_BYTES if punched else 0)
    return Before(rig.segments(), rig.source.stat().st_size, promised)


def common_length(one: bytes, other: bytes) -> int:
    """Return how many leading bytes are equal.

    A size can be on the disk before the data (ext4, in the block that the file ended in): NULs stand in its place.
    """
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(i for i in range(length) if one[i] != other[i])


def check_image(rig: FileRig, before: Before, load: bytes) -> Loss:
    """Start capture on what an image holds, write some more, and compare all; `load` is what was ever written."""
    survived = rig.segments()
    journal = b"".join(data for _, data in survived)
    end, start = common_length(load, journal), data_start(rig.source)
    assert b"" == journal[end:].strip(b"\0"), "the volume made the journal's bytes up"
    assert before.promised <= end, "the journal lacks bytes that were synced"
    assert start <= end, "bytes were given back that the journal does not have"
    new = b"".join(records(NEW_SERIAL, NEW_COUNT, SIZES))
    with open(rig.source, "rb") as file:
        file.seek(start)
        kept = file.read()
    same = start + common_length(load[start:], kept)
    assert b"" == kept[same - start :].strip(b"\0"), "the volume made the file's bytes up"
    rig.append(new)
    capture = rig.capture(before=in_other_boot(rig.directory, str(uuid.uuid4())), segment_size=str(SEGMENT_SIZE))
    resumed = survived[-1][0] + HARD_LIMIT
    # The line under way comes again, whole, unless the file has only a hole in its place: then the journal has it.
    begun = max(start, load.rfind(b"\n", 0, min(end, same)) + 1)
    expected = load[begun:same] + kept[same - start :] + new
    wait_until(lambda: rig.captured() >= resumed + len(expected), "the rest of the file is captured")
    assert 0 == capture.stop()
    after = rig.segments()
    assert expected == b"".join(data for base, data in after if base >= resumed)
    assert load[:end] == b"".join(data for base, data in after if base < resumed), "other bytes than were there before"
    assert [] == used_twice(before.segments, after)
    # A segment may have its name before the one before it was synced, and bytes of its own only after that.
    named = survived[-1][0]
    assert ([(end, named), (named, resumed)] if end < named else [(end, resumed)]) == gaps(rig)
    check_tiling(rig)
    check_told(rig, end, same)
    assert 0 == rig.verify("--accept-recorded")[0]
    return Loss(source=max(0, before.size - same), journal=max(0, end_of(before.segments) - end))


def check_told(rig: FileRig, end: int, same: int) -> None:
    """There is one incident for the journal's gap, and one more where the file fell back behind the journal."""
    assert ["source-rolled-back"] * (same < end) == [kind for kind in rig.ours() if kind != "power-loss"]
    if same < end:
        detail = rig.detail("source-rolled-back")
        assert (end, 0) == (detail["source_to"], detail["lost_bytes"])


@pytest.mark.parametrize("kind", [EXT4, XFS])
@pytest.mark.parametrize("two", [False, True], ids=["one-volume", "two-volumes"])
def test_what_the_file_still_has_survives_a_power_loss(tmp_path: Path, kind: str, *, two: bool) -> None:
    """Whatever an image lacks of the file and of the journal, the journal then has what either had or promised."""
    random_numbers = random.Random(f"{kind}{two}")  # noqa: S311 - the same moments each time
    losses: list[Loss] = []
    with volumes(tmp_path, kind, two=two) as (lower, images):
        journal = tmp_path / f"disk{int(two)}" / "journal"
        with FileRig(tmp_path / "rig", tmp_path / "disk0" / "audit.log", journal) as rig:
            rig.source.touch()
            rig.capture(segment_size=str(SEGMENT_SIZE), fsync="1h")
            writer = rig.write_file(first=FIRST_SERIAL)
            for number in range(IMAGES_MAX):
                rig.wait_for(writer, random_numbers.randrange(RECLAIM_AT))
                wait_until(lambda: data_start(rig.source) > 0, "something was punched")
                before = certain(rig)
                place = tmp_path / f"after{number}"
                with remounted(lower, images, place) as (source, copy):
                    load = rig.oracle.read_bytes()
                    with FileRig(place / "rig", source, copy) as again:
                        losses.append(check_image(again, before, load))
                if number + 1 >= IMAGES_MIN and any(loss.source for loss in losses) and any(x.journal for x in losses):
                    break
            writer.end()
    assert any(loss.source for loss in losses), "no image lost a byte of the file: this was no power loss"
    assert any(loss.journal for loss in losses), "no image lost a byte of the journal: this was no power loss"
