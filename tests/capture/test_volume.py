from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from standpipe.capture import volume
from standpipe.capture.volume import (
    PROBE_NAME,
    birth_time_ns,
    first_data,
    link_and_unlink,
    open_named_scratch,
    punch,
    real_size,
    rename_no_replace,
    why_not_punch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = 65534
CONTENT = b"x" * (64 << 10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Make an audit file."""
    path = tmp_path / "audit.log"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def public_file() -> Iterator[Path]:
    """Make an audit file to which an unprivileged user has a way: pytest's own directories are closed to others."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "audit.log"
        path.parent.chmod(0o755)
        path.write_bytes(CONTENT)
        yield path


def why_not_for_nobody(path: Path) -> str:
    """Return `why_not_punch(path)` as an unprivileged user says it."""
    script = (
        "import os, sys\nfrom standpipe.capture.volume import why_not_punch\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\nprint(why_not_punch(sys.argv[1]))"
    )
    command = (sys.executable, "-c", script, str(path))
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout.strip()


# ---- One system call each


def test_an_empty_range_is_left_alone(file: Path) -> None:
    """A punch of nothing does nothing, where the kernel would refuse it."""
    with open(file, "r+b") as descriptor:
        punch(descriptor.fileno(), 4096, 4096)
    assert CONTENT == file.read_bytes()


@pytest.mark.parametrize(("start", "end"), [(8192, 4096), (-4096, 0)])
def test_a_range_that_is_none_is_refused(file: Path, start: int, end: int) -> None:
    """A range whose end is before its start, or that begins before the file, raises and changes nothing."""
    with open(file, "r+b") as descriptor, pytest.raises(OSError, match="Invalid argument"):
        punch(descriptor.fileno(), start, end)
    assert CONTENT == file.read_bytes()


def test_a_descriptor_that_only_reads_cannot_punch(file: Path) -> None:
    """A punch is a write, and errno says what is wrong."""
    with open(file, "rb") as descriptor, pytest.raises(OSError, match="Bad file descriptor") as refused:
        punch(descriptor.fileno(), 0, 4096)
    assert errno.EBADF == refused.value.errno


def by_the_second_way(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return the rename as a C library without renameat2 does it."""
    monkeypatch.setattr(volume, "_RENAMEAT2", None)
    return rename_no_replace


@pytest.mark.parametrize("way", ["renameat2", "link"])
def test_nothing_is_replaced(file: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """A rename to a name that is taken, be it by the file itself, raises FileExistsError and changes nothing."""
    rename = rename_no_replace if way == "renameat2" else by_the_second_way(monkeypatch)
    taken = file.with_suffix(".1")
    taken.write_bytes(b"other")
    link = file.with_suffix(".2")
    link.hardlink_to(file)
    for new in (taken, link, file):
        with pytest.raises(FileExistsError):
            rename(str(file), str(new))
    assert (CONTENT, b"other") == (file.read_bytes(), taken.read_bytes())


@pytest.mark.parametrize("way", ["renameat2", "link"])
def test_a_rename_keeps_the_inode(file: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """The file moves as it is, has one name then, and a symbolic link moves itself and not what it points to."""
    rename = rename_no_replace if way == "renameat2" else by_the_second_way(monkeypatch)
    inode = file.stat().st_ino
    moved = file.with_suffix(".1")
    rename(str(file), str(moved))
    assert (inode, 1, False) == (moved.stat().st_ino, moved.stat().st_nlink, file.exists())
    file.symlink_to(moved)
    rename(str(file), str(file.with_suffix(".link")))
    assert str(moved) == os.readlink(file.with_suffix(".link"))


def test_a_missing_file_cannot_be_renamed(tmp_path: Path) -> None:
    """The error of a rename names both paths."""
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    with pytest.raises(FileNotFoundError) as refused:
        rename_no_replace(old, new)
    assert (old, new) == (refused.value.filename, refused.value.filename2)
    with pytest.raises(FileNotFoundError):
        link_and_unlink(old, new)


def test_the_birth_time_of_nothing_raises() -> None:
    """A descriptor that is not open has no birth time to be unknown."""
    with pytest.raises(OSError, match="Bad file descriptor"):
        birth_time_ns(-1)


def test_first_data_raises_where_nothing_can_be_sought() -> None:
    """A pipe has no offsets, and that is an error; a file that cannot tell holes, as those of /proc, is all data."""
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="Illegal seek"):
        first_data(reading, 0)
    os.close(reading)
    os.close(writing)
    with open("/proc/self/status", "rb", buffering=0) as status:
        assert 5 == first_data(status.fileno(), 5)


def test_a_hole_takes_no_room(tmp_path: Path) -> None:
    """A sparse file has no real size, whatever its size."""
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 1 << 40)
    assert 0 == real_size((tmp_path / "sparse").stat())


# ---- The probe


def test_the_probe_leaves_nothing_behind(file: Path) -> None:
    """Where holes can be punched the answer is empty, and neither the directory nor the file shows the probe."""
    before = (file.stat().st_size, file.stat().st_blocks)
    assert "" == why_not_punch(str(file))
    assert [file.name] == os.listdir(file.parent)
    assert (CONTENT, before) == (file.read_bytes(), (file.stat().st_size, file.stat().st_blocks))


def test_a_file_that_is_not_there_yet_can_be_asked_about(tmp_path: Path) -> None:
    """For a file that Vault has not made yet the scratch file decides."""
    assert "" == why_not_punch(str(tmp_path / "audit.log"))
    assert [] == os.listdir(tmp_path)


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    """Without a directory there is neither a file nor a scratch file."""
    said = why_not_punch(str(tmp_path / "missing" / "audit.log"))
    assert f"{tmp_path}/missing/audit.log does not exist" in said
    assert "no scratch file could be made beside it: No such file or directory" in said


def test_a_link_is_followed(file: Path) -> None:
    """A symbolic link stands for the file that it leads to."""
    link = file.parent / "link"
    link.symlink_to(file)
    assert "" == why_not_punch(str(link))


@pytest.mark.parametrize("kind", ["FIFO", "directory"])
def test_other_kinds_of_files_are_refused(tmp_path: Path, kind: str) -> None:
    """A FIFO or a directory in the file's place is told, and nobody waits for its other end."""
    path = tmp_path / "audit.log"
    os.mkfifo(path) if kind == "FIFO" else path.mkdir()
    assert f"{path} is not a regular file" == why_not_punch(str(path))


def test_a_file_that_is_closed_to_us_is_told(public_file: Path) -> None:
    """The scratch file does not answer for a file of another user that we may not write to."""
    public_file.parent.chmod(0o777)
    assert f"no permission to write to {public_file}" == why_not_for_nobody(public_file)
    assert "" == why_not_for_nobody(public_file.with_suffix(".missing"))


def test_where_the_directory_is_closed_the_file_itself_is_asked(public_file: Path) -> None:
    """A punch beyond its end decides where no scratch file can be made, and changes neither bytes nor size."""
    public_file.chmod(0o666)
    before = (public_file.stat().st_size, public_file.stat().st_blocks)
    assert "" == why_not_for_nobody(public_file)
    assert (CONTENT, before) == (public_file.read_bytes(), (public_file.stat().st_size, public_file.stat().st_blocks))


def test_where_all_is_closed_the_reason_is_told(public_file: Path) -> None:
    """Neither a scratch file nor the file: the message says which permission is missing."""
    assert f"no permission to write to {public_file}" == why_not_for_nobody(public_file)
    said = why_not_for_nobody(public_file.with_suffix(".missing"))
    assert said.endswith("no scratch file could be made beside it: Permission denied")


def test_a_named_scratch_file_loses_its_name(tmp_path: Path) -> None:
    """Where files without a name are not to be had, the scratch file's name is gone before it is written to."""
    descriptor = open_named_scratch(str(tmp_path))
    os.write(descriptor, b"x")
    status = os.fstat(descriptor)
    os.close(descriptor)
    assert (0, 0o600, []) == (status.st_nlink, status.st_mode & 0o777, os.listdir(tmp_path))


def test_a_scratch_file_that_a_kill_left_does_no_harm(tmp_path: Path, file: Path) -> None:
    """A leftover with our process id is replaced; a link in its place is taken away and not followed."""
    leftover = tmp_path / f"{PROBE_NAME}{os.getpid()}"
    leftover.symlink_to(file)
    descriptor = open_named_scratch(str(tmp_path))
    os.close(descriptor)
    assert [file.name] == os.listdir(tmp_path)
    assert CONTENT == file.read_bytes()
