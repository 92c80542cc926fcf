"""What a volume can do for reclaim, asked for with one thin system call each, and the probe that tells if it punches.

The standard library has no binding for fallocate(2) with a mode, renameat2(2) or statx(2), so ctypes calls the C
library. All functions raise OSError with the errno of the system call, and never wait for a FIFO.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct

FALLOC_FL_KEEP_SIZE = 0x01  # linux/falloc.h
FALLOC_FL_PUNCH_HOLE = 0x02
RENAME_NOREPLACE = 1  # linux/fs.h
SYNC_FILE_RANGE_ALL = 1 | 2 | 4  # linux/fs.h: WAIT_BEFORE, WRITE, WAIT_AFTER
AT_FDCWD = -100  # linux/fcntl.h
AT_EMPTY_PATH = 0x1000
STATX_BTIME = 0x800  # linux/stat.h
STATX_BYTES = 256  # sizeof(struct statx), the same on all machines
STATX_BTIME_OFFSET = 80  # stx_btime: int64 seconds, uint32 nanoseconds, in the machine's byte order
NANOSECONDS = 1_000_000_000
ST_BLOCKS_UNIT_BYTES = 512  # of st_blocks, whatever the file system's block size is: inode(7)

PROBE_NAME = ".standpipe-probe-"  # + our process id, beside the file
PROBE_MODE = 0o600
# The probe writes twice this much and punches the first half: a whole record of a ZFS (128 KiB) and whole clusters of
# nearly all others, and yet so little that a volume that is almost full can lend it for some milliseconds.
PROBE_HOLE_BYTES = 256 << 10
# How far beyond the end of the live file the other probe punches. Its writer may append between our look at the size
# and the punch, and must not get there, not even while we are stopped for an hour.
BEYOND_END_BYTES = 1 << 40
PAGE_BYTES = 4096
UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS)

_LIBC = ctypes.CDLL(None, use_errno=True)
# off_t of `fallocate` has 32 bits on 32-bit glibc; musl has one function, with 64 bits
_FALLOCATE = getattr(_LIBC, "fallocate64", None) or _LIBC.fallocate
_FALLOCATE.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_SYNC_FILE_RANGE = getattr(_LIBC, "sync_file_range", None)
if _SYNC_FILE_RANGE is not None:
    _SYNC_FILE_RANGE.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_RENAMEAT2 = getattr(_LIBC, "renameat2", None)  # glibc 2.28, musl 1.2.6
_STATX = getattr(_LIBC, "statx", None)  # glibc 2.28, musl 1.1.24


def _failure(*paths: str) -> OSError:
    """Return the exception for the errno that the C library left; the paths are what it was about."""
    number = ctypes.get_errno()
    if not paths:
        return OSError(number, os.strerror(number))
    return OSError(number, os.strerror(number), paths[0], None, *paths[1:])


def write_out(descriptor: int, start: int, end: int) -> None:
    """Have the dirty pages of [start, end) written, and wait for that; nothing is made durable by it.

    No lock of the file is held meanwhile, so its writer does not wait. Raises OSError. See sync_file_range(2).
    """
    if _SYNC_FILE_RANGE is not None and _SYNC_FILE_RANGE(descriptor, start, end - start, SYNC_FILE_RANGE_ALL) != 0:
        raise _failure()


def punch(descriptor: int, start: int, end: int) -> None:
    """Give the blocks of [start, end) back to the volume; they read as zeros then, and the size stays.

    Bytes of blocks that lie only partly in the range are zeroed, and an empty range is left alone. The descriptor must
    be open for writing. Raises OSError: EOPNOTSUPP where the file system cannot, EPERM for an append-only file, EBADF
    where the descriptor is read-only. See fallocate(2).
    """
    if start == end:
        return
    while _FALLOCATE(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, end - start) != 0:
        error = _failure()
        if error.errno != errno.EINTR:
            raise error


def rename_no_replace(old: str, new: str) -> None:
    """Rename within a file system, and raise FileExistsError rather than replace anything.

    Where the file system or the C library lacks renameat2(2) with RENAME_NOREPLACE, `new` is made as a hard link,
    which does not replace either, and `old` is unlinked: who dies in between leaves one file with both names.
    """
    if _RENAMEAT2 is not None:
        if _RENAMEAT2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), RENAME_NOREPLACE) == 0:
            return
        error = _failure(old, new)
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise error
    link_and_unlink(old, new)


def link_and_unlink(old: str, new: str) -> None:
    """Rename in two steps that do not replace anything. Raises OSError; see `rename_no_replace`."""
    os.link(old, new, follow_symlinks=False)
    os.unlink(old)


def birth_time_ns(descriptor: int) -> int | None:
    """Return when the file was made, in nanoseconds since 1970; None where file system or kernel do not tell.

    1970 itself, which programs that build images leave behind, tells nothing either. Raises OSError. See statx(2).
    """
    if _STATX is None:
        return None
    buffer = ctypes.create_string_buffer(STATX_BYTES)
    if _STATX(descriptor, b"", AT_EMPTY_PATH, STATX_BTIME, buffer) != 0:
        error = _failure()
        # EPERM can only be a seccomp filter that is older than the system call: nothing is asked of the permissions
        if error.errno in (errno.ENOSYS, errno.EPERM):
            return None
        raise error
    (mask,) = struct.unpack_from("=I", buffer)
    if not mask & STATX_BTIME:
        return None
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, STATX_BTIME_OFFSET)
    return int(seconds * NANOSECONDS + nanoseconds) if seconds else None


def first_data(descriptor: int, offset: int) -> int | None:
    """Return the first offset, from this one on, that is not in a hole; None where only a hole or the end follows.

    A file system that keeps no account of holes calls everything data. The position of the descriptor moves.
    """
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        if error.errno in (errno.EINVAL, *UNSUPPORTED):
            return offset
        raise


def real_size(status: os.stat_result) -> int:
    """Return how many bytes of the volume a file takes, holes not counted."""
    return status.st_blocks * ST_BLOCKS_UNIT_BYTES


def free_bytes(path: str) -> int:
    """Return how many bytes an unprivileged process can still write on the volume that holds a path."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def why_not_punch(path: str) -> str:
    """Return "" where holes can be punched into the file at path, which need not exist yet; else one sentence why not.

    A scratch file beside it is punched and looked at. Then the file itself is asked, if it exists, because it may be
    closed to us, append-only or a mount of its own: a punch far beyond its end changes neither its bytes nor its size.
    That alone decides where no scratch file is to be had, in a directory that is closed to us or on a full volume.
    """
    real_path = os.path.realpath(path)  # a link may lead to another volume
    try:
        why_not, device = _probe_scratch(os.path.dirname(real_path))
    except OSError as error:
        return _probe_file(real_path, error)
    if why_not and _device_of(real_path) in (None, device):
        return why_not
    return _probe_file(real_path, None)


def _device_of(path: str) -> int | None:
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def _open_scratch(directory: str) -> int:
    """Open a file without a name, or with one that is gone at once. Raises OSError."""
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(directory, flags | os.O_TMPFILE, PROBE_MODE)
    except OSError as error:
        # EISDIR: a kernel that does not know O_TMPFILE, says open(2); ENOENT: some FUSE file systems
        if error.errno not in (errno.EISDIR, errno.ENOENT, errno.EINVAL, *UNSUPPORTED):
            raise
    return open_named_scratch(directory)


def open_named_scratch(directory: str) -> int:
    """Open a new file and take its name away again, so that no kill can leave it behind but one in between.

    In a container process ids come back soon: a file that such a kill left would stand in the way for ever, so it is
    removed. Raises OSError.
    """
    name = os.path.join(directory, f"{PROBE_NAME}{os.getpid()}")
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        descriptor = os.open(name, flags, PROBE_MODE)
    except FileExistsError:
        os.unlink(name)
        descriptor = os.open(name, flags, PROBE_MODE)
    try:
        os.unlink(name)
    except FileNotFoundError:
        pass  # a process with our id in another container took it for a leftover
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _probe_scratch(directory: str) -> tuple[str, int]:
    """Return why a scratch file could not be punched ("" if it could), and its device. Raises OSError: no file."""
    descriptor = _open_scratch(directory)
    try:
        content = os.urandom(2 * PROBE_HOLE_BYTES)  # nothing that a compressing file system makes small
        written = 0
        while written < len(content):
            written += os.pwrite(descriptor, content[written:], written)
        os.fsync(descriptor)  # some count blocks only when they are written
        return _punched_scratch(descriptor, content, f"the file system of {directory}"), os.fstat(descriptor).st_dev
    finally:
        os.close(descriptor)


def _punched_scratch(descriptor: int, content: bytes, file_system: str) -> str:
    before = real_size(os.fstat(descriptor))
    why_not = _why_not_punched(descriptor, 0, PROBE_HOLE_BYTES, file_system)
    if why_not:
        return why_not
    os.fsync(descriptor)
    if os.pread(descriptor, len(content), 0) != bytes(PROBE_HOLE_BYTES) + content[PROBE_HOLE_BYTES:]:
        return f"{file_system} punches holes wrongly: a scratch file did not read back as it must"
    if real_size(os.fstat(descriptor)) >= before:
        return f"{file_system} takes a punch but gives no space back"
    return ""


def _why_not_punched(descriptor: int, start: int, end: int, file_system: str) -> str:
    try:
        punch(descriptor, start, end)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return f"{file_system} cannot punch holes"
        return f"{file_system} refused to punch a hole: {error.strerror}"
    return ""


def _probe_file(path: str, no_scratch: OSError | None) -> str:
    """Punch beyond the end of the file; no_scratch is why there was no scratch file, None where there was one."""
    try:
        descriptor = _open_regular(path)
    except FileNotFoundError:
        if no_scratch is None:
            return ""
        return f"{path} does not exist, and no scratch file could be made beside it: {no_scratch.strerror}"
    except PermissionError:
        return f"no permission to write to {path}"
    except OSError as error:
        return f"cannot open {path} for writing: {error.strerror}"
    if descriptor is None:
        return f"{path} is not a regular file"
    try:
        beyond = (os.fstat(descriptor).st_size + BEYOND_END_BYTES) // PAGE_BYTES * PAGE_BYTES
        return _why_not_punched(descriptor, beyond, beyond + PAGE_BYTES, f"the file system of {path}")
    finally:
        os.close(descriptor)


def _open_regular(path: str) -> int | None:
    """Open a regular file for reading and writing; None where it is something else. Raises OSError."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open another kind can do things
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)  # replaced in between
    return None
