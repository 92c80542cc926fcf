from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.volume import (
    birth_time_ns,
    first_data,
    free_bytes,
    open_named_scratch,
    punch,
    real_size,
    rename_no_replace,
    why_not_punch,
)
from tests.faults.volumes import BTRFS, EXT4, MIB, XFS, Ballast, Volume, call, disk, make_image, mounted, tmpfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TMPFS, OVERLAY = "tmpfs", "overlay"
FAR = 5 << 30  # an offset that 32 bits cannot hold
HOLE = (3 << 20, 6 << 20)
SIZE = 8 << 20


@contextmanager
def overlay(directory: Path) -> Iterator[Volume]:
    """Mount an overlay whose layers lie on an ext4, as a container's own file system does."""
    with disk(directory, EXT4, 96 * MIB) as below:
        for name in ("lower", "upper", "work"):
            (below.path / name).mkdir()
        path = directory / "overlay"
        path.mkdir()
        layers = f"lowerdir={below.path}/lower,upperdir={below.path}/upper,workdir={below.path}/work"
        call("mount", "-t", "overlay", "-o", layers, "standpipe-test", str(path))
        try:
            yield Volume(path)
        finally:
            call("umount", str(path))


@contextmanager
def ramfs(path: Path) -> Iterator[Volume]:
    """Mount a ramfs: it knows nothing of holes."""
    path.mkdir()
    call("mount", "-t", "ramfs", "standpipe-test", str(path))
    try:
        yield Volume(path)
    finally:
        call("umount", str(path))


@contextmanager
def bind(source: Path, target: Path) -> Iterator[None]:
    """Mount a file over a file."""
    call("mount", "--bind", str(source), str(target))
    try:
        yield
    finally:
        call("umount", str(target))


@pytest.fixture(scope="module", params=[EXT4, XFS, BTRFS, TMPFS, OVERLAY])
def volume(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Volume]:
    """Mount each file system once."""
    directory = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        if request.param == TMPFS:
            yield stack.enter_context(tmpfs(directory / "disk", 96 * MIB))
        elif request.param == OVERLAY:
            yield stack.enter_context(overlay(directory))
        else:
            yield stack.enter_context(disk(directory, request.param, 96 * MIB))


@pytest.fixture
def file(volume: Volume) -> Iterator[Path]:
    """Make an audit file with some MiB in it."""
    path = volume.path / "audit.log"
    path.write_bytes(os.urandom(SIZE))
    yield path
    path.unlink()


def test_a_punch_gives_space_back_and_leaves_the_rest(file: Path) -> None:
    """The range reads as zeros, bytes outside it and the size stay, the real size shrinks; twice is as good as once."""
    before = file.read_bytes()
    start, end = HOLE
    with open(file, "r+b") as descriptor:
        os.fsync(descriptor.fileno())
        real = real_size(os.fstat(descriptor.fileno()))
        for _ in range(2):
            punch(descriptor.fileno(), start, end)
            os.fsync(descriptor.fileno())
            assert real - (end - start) == real_size(os.fstat(descriptor.fileno()))
    assert before[:start] + bytes(end - start) + before[end:] == file.read_bytes()


def test_a_punch_under_an_appending_writer(file: Path) -> None:
    """A writer with O_APPEND goes on at the end, as if nothing had happened."""
    with open(file, "ab", buffering=0) as writer, open(file, "r+b") as descriptor:
        punch(descriptor.fileno(), 0, SIZE)
        writer.write(b"after\n")
    assert bytes(SIZE) + b"after\n" == file.read_bytes()


def test_offsets_beyond_32_bits(file: Path) -> None:
    """Holes far into a file are punched where they are asked for, and data there is found."""
    with open(file, "r+b") as descriptor:
        os.pwrite(descriptor.fileno(), b"y" * (2 * MIB), FAR)
        assert FAR == first_data(descriptor.fileno(), SIZE)
        punch(descriptor.fileno(), FAR, FAR + MIB)
        assert FAR + MIB == first_data(descriptor.fileno(), SIZE)
        assert bytes(MIB) + b"y" * MIB == os.pread(descriptor.fileno(), 2 * MIB, FAR)


def test_first_data_after_holes(file: Path) -> None:
    """The first byte after a hole is found, and nothing where only a hole or the end follows."""
    start, end = HOLE
    with open(file, "r+b") as descriptor:
        number = descriptor.fileno()
        punch(number, start, end)
        assert [0, end, end + 5] == [first_data(number, offset) for offset in (0, start + 5, end + 5)]
        assert first_data(number, SIZE) is None
        os.truncate(number, SIZE + MIB)
        assert first_data(number, SIZE) is None
        punch(number, 0, SIZE)
        assert first_data(number, 0) is None


def test_the_volume_can_be_punched(volume: Volume, file: Path) -> None:
    """The probe says yes with a scratch file of either kind, and leaves neither that nor a trace in the file."""
    before = (file.read_bytes(), sorted(os.listdir(volume.path)))
    assert "" == why_not_punch(str(file))
    assert "" == why_not_punch(str(volume.path / "missing"))
    os.close(open_named_scratch(str(volume.path)))
    assert before == (file.read_bytes(), sorted(os.listdir(volume.path)))


def test_a_rename_replaces_nothing(file: Path) -> None:
    """A free name is taken and a taken one is not, and the birth time goes with the file."""
    moved = file.with_suffix(".1")
    with open(file, "rb") as descriptor:
        birth = birth_time_ns(descriptor.fileno())
    rename_no_replace(str(file), str(moved))
    file.write_bytes(b"new")
    with pytest.raises(FileExistsError):
        rename_no_replace(str(file), str(moved))
    assert (b"new", SIZE) == (file.read_bytes(), moved.stat().st_size)
    with open(file, "rb") as new, open(moved, "rb") as old:
        assert birth is not None
        assert (birth, True) == (birth_time_ns(old.fileno()), birth_time_ns(new.fileno()) != birth)
    moved.unlink()


def test_free_bytes_of_a_volume(tmp_path: Path) -> None:
    """What is written is no longer free, and what is punched is free again."""
    with tmpfs(tmp_path / "disk", 4 * MIB) as small:
        path = small.path / "audit.log"
        empty = free_bytes(str(small.path))
        path.write_bytes(bytes(MIB))
        assert empty - MIB == free_bytes(str(path))
        with open(path, "r+b") as descriptor:
            punch(descriptor.fileno(), 0, MIB)
        assert empty == free_bytes(str(path))


@pytest.mark.parametrize("kind", [EXT4, TMPFS])
def test_a_full_volume_can_be_punched(tmp_path: Path, kind: str) -> None:
    """Where there is no room for a scratch file the file itself is asked, and then gives its space back."""
    with disk(tmp_path, EXT4, 8 * MIB) if kind == EXT4 else tmpfs(tmp_path / "disk", 8 * MIB) as small:
        path = small.path / "audit.log"
        path.write_bytes(b"x" * MIB)
        Ballast(small)
        assert 0 == free_bytes(str(path))
        assert "" == why_not_punch(str(path))
        with open(path, "r+b") as descriptor:
            punch(descriptor.fileno(), 0, MIB)
            os.fsync(descriptor.fileno())
            assert 0 == real_size(os.fstat(descriptor.fileno()))
        assert b"\0" * MIB == path.read_bytes()


def test_a_file_system_without_holes_is_told(tmp_path: Path) -> None:
    """A ramfs cannot punch, and the probe names the directory; renaming and asking for data work there too."""
    with ramfs(tmp_path / "disk") as memory:
        path = memory.path / "audit.log"
        path.write_bytes(b"x")
        assert f"the file system of {memory.path} cannot punch holes" == why_not_punch(str(path))
        with open(path, "r+b") as descriptor, pytest.raises(OSError, match="Operation not supported"):
            punch(descriptor.fileno(), 0, 4096)
        with open(path, "rb") as descriptor:
            assert 0 == first_data(descriptor.fileno(), 0)
        rename_no_replace(str(path), str(path.with_suffix(".1")))
        assert ["audit.1"] == os.listdir(memory.path)


def test_a_file_that_is_a_mount_of_its_own_is_asked_itself(tmp_path: Path) -> None:
    """A file mounted from another volume, as subPath does it, is not judged by the directory that it is seen in."""
    with ramfs(tmp_path / "ram") as memory, tmpfs(tmp_path / "disk", MIB) as good:
        for volume in (memory, good):
            (volume.path / "audit.log").touch()
            (volume.path / "other").touch()
        with bind(memory.path / "audit.log", good.path / "other"):
            said = why_not_punch(str(good.path / "other"))
        assert f"the file system of {good.path}/other cannot punch holes" == said
        with bind(good.path / "audit.log", memory.path / "other"):
            assert "" == why_not_punch(str(memory.path / "other"))


def test_a_read_only_volume_is_told(tmp_path: Path) -> None:
    """A file that can only be read, by its mount, cannot be punched."""
    with tmpfs(tmp_path / "disk", MIB) as small:
        path = small.path / "audit.log"
        path.touch()
        call("mount", "-o", "remount,ro", str(small.path))
        assert f"cannot open {path} for writing: Read-only file system" == why_not_punch(str(path))


def test_an_append_only_file_is_told(tmp_path: Path) -> None:
    """A file with the attribute `a` cannot be punched, though its volume can."""
    with disk(tmp_path, EXT4, 8 * MIB) as small:
        path = small.path / "audit.log"
        path.touch()
        call("chattr", "+a", str(path))
        assert f"no permission to write to {path}" == why_not_punch(str(path))


def test_birth_times_that_nobody_knows(tmp_path: Path) -> None:
    """Inodes too small for a birth time have none, and neither have files on which an image builder left it 0."""
    for name, options in (("small", ("-I", "128")), ("zero", ())):
        image = tmp_path / f"{name}.img"
        make_image(image, EXT4, 8 * MIB, *options)
        with mounted(image, tmp_path / name) as volume:
            (volume.path / "audit.log").touch()
        if not options:
            call("debugfs", "-w", "-R", "set_inode_field audit.log crtime 0", str(image))
        with mounted(image, tmp_path / name) as volume, open(volume.path / "audit.log", "rb") as descriptor:
            assert birth_time_ns(descriptor.fileno()) is None
