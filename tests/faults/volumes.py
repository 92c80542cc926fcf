"""Real volumes for the tests of faults: loop images, small tmpfs, a disk that stalls, a disk that fails.

Everything is a context manager and is gone when its block ends, also where the block fails. A machine
that lacks loop devices or cannot freeze fails the tests: these faults must not go unseen.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20
BLOCK_BYTES = 64 << 10
EXT4, XFS, BTRFS = "ext4", "xfs", "btrfs"
SMALLEST_MIB = {EXT4: 8, XFS: 300, BTRFS: 114}  # what the mkfs programs accept
MKFS = {
    # Nothing is left to be initialised in the background: a copy of the image would meet it half done.
    EXT4: ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    XFS: ["mkfs.xfs", "-q"],
    BTRFS: ["mkfs.btrfs", "-q"],
}


def call(*command: str) -> str:
    """Run a program to its end and return its stdout; its stderr is in the failure."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout.strip()


PAGE_BYTES = 4096


@dataclass(frozen=True)
class Volume:
    """A mounted file system and, where it has one, the image below it."""

    path: Path
    image: Path | None = None


@contextmanager
def tmpfs(path: Path, size_bytes: int) -> Iterator[Volume]:
    """Mount a tmpfs of a size."""
    path.mkdir()
    call("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "standpipe-test", str(path))
    try:
        yield Volume(path)
    finally:
        call("umount", str(path))


@contextmanager
def mounted(image: Path, path: Path) -> Iterator[Volume]:
    """Mount an image through a loop device."""
    path.mkdir(exist_ok=True)
    device = call("losetup", "--find", "--show", str(image))
    try:
        # nouuid: a copy of an XFS may be mounted beside its original
        options = ["-o", "nouuid"] if call("blkid", "-p", "-s", "TYPE", "-o", "value", device) == XFS else []
        call("mount", *options, device, str(path))
        try:
            yield Volume(path, image)
        finally:
            call("umount", str(path))
    finally:
        call("losetup", "--detach", device)


def make_image(image: Path, kind: str, size_bytes: int, *options: str) -> None:
    """Make a sparse image with a new file system."""
    with open(image, "wb") as file:
        file.truncate(max(size_bytes, SMALLEST_MIB[kind] * MIB))
    call(*MKFS[kind], *options, str(image))


@contextmanager
def disk(directory: Path, kind: str, size_bytes: int, name: str = "disk") -> Iterator[Volume]:
    """Mount a new file system from an image in a directory: directory/name.img at directory/name."""
    image = directory / f"{name}.img"
    make_image(image, kind, size_bytes)
    with mounted(image, directory / name) as volume:
        yield volume


@contextmanager
def disk_on_disk(directory: Path, kind: str, size_bytes: int) -> Iterator[tuple[Volume, Volume]]:
    """Yield (lower, upper): upper's image lies on lower, so freezing lower stalls the device below upper."""
    with disk(directory, EXT4, size_bytes + 2 * SMALLEST_MIB[XFS] * MIB, "lower") as lower:
        image = lower.path / "upper.img"
        make_image(image, kind, size_bytes)
        with mounted(image, directory / "upper") as upper:
            yield lower, upper


@contextmanager
def frozen(volume: Volume) -> Iterator[None]:
    """Let every write to a file system wait until the block ends."""
    call("fsfreeze", "--freeze", str(volume.path))
    try:
        yield
    finally:
        call("fsfreeze", "--unfreeze", str(volume.path))


def snapshot(lower: Volume, image: Path, copy: Path) -> None:
    """Copy an image as its disk is at one instant: nothing that only the page cache above has is in it."""
    with frozen(lower):
        call("cp", "--sparse=always", str(image), str(copy))


class Ballast:
    """A file that leaves a file system no room, until it is dropped."""

    def __init__(self, volume: Volume, leave_bytes: int = 0) -> None:
        """Take all room but some bytes."""
        self._path = volume.path / "ballast"
        free = os.statvfs(volume.path)
        left = free.f_bavail * free.f_frsize - leave_bytes
        with open(self._path, "wb", buffering=0) as file:
            while left > 0 or not leave_bytes:
                try:
                    left -= file.write(bytes(BLOCK_BYTES))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    break

    def drop(self) -> None:
        """Give the room back."""
        self._path.unlink()


@contextmanager
def failing_disk(directory: Path, size_bytes: int) -> Iterator[tuple[Volume, Volume]]:
    """Yield (memory, disk): a disk that refuses data as soon as the tmpfs below its image is full.

    Only the places of data are missing in the image. Those of metadata are there, or ext4 would give up as a whole.
    Call `forget_free_blocks` before the tmpfs is filled: the loop driver says that all is well after a write of which
    only the first part found room (seen with Linux 6.18, without any program of ours), so no write may begin in a page
    that is there and end in one that is not.
    """
    with tmpfs(directory / "memory", 2 * size_bytes) as memory:
        image = memory.path / "disk.img"
        make_image(image, EXT4, size_bytes, "-b", str(PAGE_BYTES))
        with open(image, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size_bytes)  # everything is there, and then free blocks are not:
        with mounted(image, directory / "disk") as volume:
            forget_free_blocks(volume)
            yield memory, volume


def forget_free_blocks(volume: Volume) -> None:
    """Take the places of all free blocks out of the image."""
    os.sync()
    call("fstrim", str(volume.path))


def in_other_boot(directory: Path, boot_id: str) -> list[str]:
    """Return the words before a command that let it, and nobody else, see another boot id of the kernel."""
    path = directory / "boot_id"
    path.write_text(boot_id + "\n", encoding="ascii")
    script = f'mount --bind {path} /proc/sys/kernel/random/boot_id && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"]


def copy_tree(source: Path, target: Path) -> None:
    """Copy a journal that nobody writes to, FIFO and modes included."""
    call("cp", "-a", str(source), str(target))


def remove_tree(path: Path) -> None:
    """Remove a directory with all that is in it."""
    shutil.rmtree(path)
