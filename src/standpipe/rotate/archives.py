"""Finished archives: compressed, and deleted in time. Every function raises OSError."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from standpipe.capture import volume
from standpipe.errors import JournalError
from standpipe.journal.atomic import fsync_directory, unlink_if_there, write_all
from standpipe.journal.frames import write_frames
from standpipe.rotate import names
from standpipe.rotate.content import blocks, inode_of
from standpipe.rotate.plan import to_delete

if TYPE_CHECKING:
    from collections.abc import Collection

    from standpipe.rotate.names import Places
    from standpipe.rotate.surroundings import Surroundings

STRICTEST_MODE = 0o600  # of an archive: it is what the live file was, and perhaps less


def protect(descriptor: int, like: os.stat_result) -> None:
    """Give an archive the live file's mode without anybody else's bits and, where we may, its owner."""
    status = os.fstat(descriptor)
    if status.st_mode & 0o777 != like.st_mode & STRICTEST_MODE:
        with suppress(PermissionError):  # somebody else's file, which we may read: it stays as its owner made it
            os.fchmod(descriptor, like.st_mode & STRICTEST_MODE)
    if (status.st_uid, status.st_gid) != (like.st_uid, like.st_gid):
        with suppress(PermissionError):  # only root may give files away
            os.fchown(descriptor, like.st_uid, like.st_gid)


def on_disk(places: Places) -> list[names.Archive]:
    """Return the archives, the oldest first: regular files only, whatever else has such a name."""
    with os.scandir(places.directory) as entries:
        return names.archives(places.name, [e.name for e in entries if e.is_file(follow_symlinks=False)])


def has_writers(path: str, around: Surroundings) -> bool:
    """Say whether somebody is known to have a file open for writing."""
    status = os.lstat(path)
    return bool(around.holders(status.st_dev, status.st_ino).writers)


def compress_all(places: Places, around: Surroundings, unfinished: Collection[str]) -> set[str]:
    """Compress every archive that is not compressed yet, and return their names; unfinished ones are left alone."""
    unlink_if_there(places.compressing)
    done = set()
    for archive in on_disk(places):
        path = places.beside(archive.name)
        if archive.name in unfinished or inode_of(path) is None or has_writers(path, around):
            continue
        if _compress(places, path, around):
            done.add(archive.name)
    return done


def _compress(places: Places, path: str, around: Surroundings) -> bool:
    """Replace an archive by its compressed form; the raw bytes go last, when the others were read back."""
    target = path + names.COMPRESSED_SUFFIX
    if inode_of(target) is None:
        try:
            _write_compressed(places.compressing, path, around)
            if not _same_bytes(path, places.compressing):
                around.words.alarm(f"the compressed form of {path} does not read back as it was; it stays uncompressed")
                return False
            volume.rename_no_replace(places.compressing, target)
        finally:
            unlink_if_there(places.compressing)
        fsync_directory(places.directory)
    elif not _same_bytes(path, target):
        around.words.alarm(
            f"{target} does not hold what {path} holds, and is not ours: both stay. Move one of them away"
        )
        return False
    os.unlink(path)
    fsync_directory(places.directory)
    return True


def _write_compressed(temporary: str, path: str, around: Surroundings) -> None:
    status = os.stat(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, STRICTEST_MODE)
    try:
        for done in write_frames(blocks(path), lambda frame: write_all(descriptor, frame)):
            around.progress("compressing", done, status.st_size)
        protect(descriptor, status)
        os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _same_bytes(one: str, other: str) -> bool:
    digests = []
    try:
        for path in (one, other):
            digest = sha256()
            for block in blocks(path):
                digest.update(block)
            digests.append(digest.digest())
    except JournalError:
        return False  # no frames of ours in there
    return digests[0] == digests[1]


def retain(
    places: Places, around: Surroundings, keep: int, max_age_seconds: float | None, unfinished: Collection[str]
) -> list[str]:
    """Delete the archives beyond keep or older than max_age_seconds; return the names of the files that went."""
    deleted = []
    for archive in to_delete(on_disk(places), keep, max_age_seconds, around.clock.wall(), unfinished):
        for name in (archive.name, archive.name + names.COMPRESSED_SUFFIX):
            path = places.beside(name)
            if inode_of(path) is None:
                continue  # the other form
            if has_writers(path, around):
                around.words.warn(f"{path} is due to be deleted, but a process still writes to it: it stays")
            elif unlink_if_there(path):
                deleted.append(name)
    if deleted:
        fsync_directory(places.directory)
    return deleted
