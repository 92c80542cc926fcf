from __future__ import annotations

import os
import resource
import stat
from typing import TYPE_CHECKING

import pytest

from standpipe.sinks.objects_contract import StoreError
from standpipe.sinks.objects_directory import DirectoryStore

if TYPE_CHECKING:
    from pathlib import Path

KEY = "blue/node-1/2026-01-01/x.log.zst"


def files(root: Path) -> dict[str, bytes]:
    """Return all files below a directory."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_file_appears_whole_with_private_modes(tmp_path: Path) -> None:
    """0600 and 0700, and nothing else is left beside it."""
    assert DirectoryStore(str(tmp_path), "j").create(KEY, [b"ab", b"c"])
    assert {KEY: b"abc"} == files(tmp_path)
    assert 0o600 == stat.S_IMODE((tmp_path / KEY).stat().st_mode)
    for level in ("blue", "blue/node-1", "blue/node-1/2026-01-01"):
        assert 0o700 == stat.S_IMODE((tmp_path / level).stat().st_mode)


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    """The second one is refused and leaves nothing behind."""
    store = DirectoryStore(str(tmp_path), "j")
    store.create(KEY, [b"first"])
    assert not store.create(KEY, [b"second"])
    assert {KEY: b"first"} == files(tmp_path)
    assert [b"first"] == list(store.blocks(KEY))


def test_a_kill_before_the_link_leaves_a_file_that_the_next_try_removes(tmp_path: Path) -> None:
    """What was half written never shows under the name."""
    store = DirectoryStore(str(tmp_path), "j")
    (tmp_path / KEY).parent.mkdir(parents=True)
    (tmp_path / f"{KEY}.j.tmp").write_bytes(b"ha")
    assert store.create(KEY, [b"whole"])
    assert {KEY: b"whole"} == files(tmp_path)


def test_a_kill_after_the_link_does_not_endanger_the_file(tmp_path: Path) -> None:
    """The unfinished name is then a second name of the finished file; it is unlinked, not written to."""
    store = DirectoryStore(str(tmp_path), "j")
    store.create(KEY, [b"whole"])
    os.link(tmp_path / KEY, tmp_path / f"{KEY}.j.tmp")
    assert not store.create(KEY, [b"other"])
    assert {KEY: b"whole"} == files(tmp_path)


def test_a_root_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """It may be a volume that is not mounted."""
    store = DirectoryStore(str(tmp_path / "absent"), "j")
    for attempt in (lambda: store.create(KEY, [b""]), store.look, lambda: list(store.blocks(KEY))):
        with pytest.raises(StoreError, match="create it, or mount it") as caught:
            attempt()
        assert caught.value.retry.config_fault
    assert [] == list(tmp_path.iterdir())


def test_a_way_that_is_no_directory_is_a_lasting_failure(tmp_path: Path) -> None:
    """Time alone does not mend it."""
    (tmp_path / "blue").write_text("a file")
    with pytest.raises(StoreError) as caught:
        DirectoryStore(str(tmp_path), "j").create(KEY, [b""])
    assert caught.value.retry.config_fault


def test_a_write_that_fails_leaves_nothing_behind_and_may_pass(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk; once there is room, the same object is created."""
    store = DirectoryStore(str(tmp_path), "j")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(StoreError, match="cannot be written") as caught:
            store.create(KEY, [b"x" * 8, b"y" * 8])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not caught.value.retry.config_fault
    assert {} == files(tmp_path)
    assert store.create(KEY, [b"x" * 8, b"y" * 8])
