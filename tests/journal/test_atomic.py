from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest

from standpipe.journal.atomic import atomic_write, unlink_if_there, write_all
from tests.model.capture_rig import Kill, killed_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEPS_MAX = 30


@pytest.mark.parametrize("before", [None, b"old content"])
def test_a_kill_at_every_step_leaves_old_or_new(tmp_path: Path, before: bytes | None) -> None:
    """Whatever system call SIGKILL comes before, the path holds the old content or the new one, and never a part."""
    path, new = tmp_path / "state.json", b"new content"
    seen = set()
    for step in range(STEPS_MAX):
        for name in os.listdir(tmp_path):
            os.unlink(tmp_path / name)
        if before is not None:
            path.write_bytes(before)
        descriptors = set(os.listdir("/proc/self/fd"))
        with killed_at(step):
            try:
                atomic_write(str(path), new)
                killed = False
            except Kill:
                killed = True
        assert descriptors == set(os.listdir("/proc/self/fd"))
        content = path.read_bytes() if path.exists() else None
        seen.add(content)
        assert content in (before, new)
        atomic_write(str(path), b"newer")  # what the kill left behind is in nobody's way
        assert (b"newer", ["state.json"]) == (path.read_bytes(), os.listdir(tmp_path))
        if not killed:
            assert new == content
            break
    assert (5 < step < STEPS_MAX - 1, {before, new}) == (True, seen)


def test_the_data_is_durable_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced before the rename, and the directory after it."""
    calls: list[str] = []

    def watched(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            on_directory = name == "fsync" and os.path.isdir(f"/proc/self/fd/{args[0]}")
            calls.append("fsync of the directory" if on_directory else name)
            return real(*args, **kwargs)

        return call

    for name in ("write", "fsync", "rename"):
        monkeypatch.setattr(os, name, watched(name, getattr(os, name)))
    atomic_write(str(tmp_path / "state.json"), b"x")
    assert ["write", "fsync", "rename", "fsync of the directory"] == calls


def test_a_refused_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """Where the disk has no room the error is raised, the old content stands, and no unfinished file stays."""
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            atomic_write(str(path), b"x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (b"old", ["state.json"]) == (path.read_bytes(), os.listdir(tmp_path))


def test_the_mode_is_exact(tmp_path: Path) -> None:
    """The file gets the mode asked for whatever the umask is, also over an old file of another one."""
    path = tmp_path / "state.json"
    umask = os.umask(0o077)
    try:
        for mode in (0o644, 0o600, 0o444):
            atomic_write(str(path), b"x", mode)
            assert mode == path.stat().st_mode & 0o777
    finally:
        os.umask(umask)


def test_a_link_in_the_temporary_place_is_not_followed(tmp_path: Path) -> None:
    """A symbolic link that waits under the temporary name is refused, and what it leads to stays as it is."""
    (tmp_path / "target").write_text("precious")
    os.symlink(tmp_path / "target", tmp_path / "state.json.tmp")
    with pytest.raises(OSError, match="symbolic"):
        atomic_write(str(tmp_path / "state.json"), b"x")
    assert "precious" == (tmp_path / "target").read_text()


def test_short_writes_are_continued() -> None:
    """A write that takes a part only is followed by another one with the rest."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        taken = 0
        with pytest.raises(BlockingIOError):
            write_all(write_end, bytes(1 << 20))
        while taken < 1 << 16:
            taken += len(os.read(read_end, 1 << 16))
        write_all(write_end, b"rest")
        assert b"rest" == os.read(read_end, 10)
    finally:
        os.close(read_end)
        os.close(write_end)


def test_unlinking_what_has_gone_is_no_error(tmp_path: Path) -> None:
    """Unlinking says whether there was something; other trouble is an error."""
    (tmp_path / "file").write_text("")
    assert [True, False] == [unlink_if_there(str(tmp_path / "file")) for _ in range(2)]
    with pytest.raises(OSError, match="directory"):
        unlink_if_there(str(tmp_path))
