"""What kind of file system a path is on, by statfs(2), which the standard library does not bind."""

from __future__ import annotations

import ctypes
import os
import struct

STATFS_BYTES = 256  # more than sizeof(struct statfs) anywhere; f_type is its first word, of the machine's size
NAMES = {  # statfs(2) and linux/magic.h
    0xEF53: "ext4",
    0x58465342: "XFS",
    0x9123683E: "btrfs",
    0x01021994: "tmpfs",
    0x794C7630: "overlay",
    0x2FC12FC1: "ZFS",
    0x6969: "NFS",
    0xFF534D42: "SMB",
    0xFE534D42: "SMB",
    0x65735546: "FUSE",
    0x01021997: "9p",
    0x00C36400: "Ceph",
}
BLOCK_SHARING = ("btrfs", "XFS")  # files may share blocks there: reflinks, ioctl_ficlone(2)

_STATFS = ctypes.CDLL(None, use_errno=True).statfs


def name_of(path: str) -> str:
    """Return a name that people know, or the magic number in hexadecimal. Raises OSError."""
    buffer = ctypes.create_string_buffer(STATFS_BYTES)
    if _STATFS(os.fsencode(path), buffer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    (magic,) = struct.unpack_from("@l", buffer)
    return NAMES.get(magic & 0xFFFFFFFF, f"type {magic & 0xFFFFFFFF:#x}")
