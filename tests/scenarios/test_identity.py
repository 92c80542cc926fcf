"""Scenarios of group D: which file is it? The content says so, never a number or a name."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.faults.volumes import tmpfs
from tests.scenarios.rig import Scene, line, lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIB = 1 << 10
OLD = lines(0, 500)
BOTH = pytest.mark.parametrize("live", [True, False], ids=["live", "down"])


@pytest.fixture
def other_device(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on another device than the usual one."""
    directory = tmp_path / "other"
    directory.mkdir()
    with tmpfs(directory / "volume", 16 << 20) as volume:
        assert volume.path.stat().st_dev != tmp_path.stat().st_dev
        yield volume.path


@pytest.mark.parametrize("count", [10, 500, 3000], ids=["smaller", "same", "larger"])
def test_s42_inode_reuse(tmp_path: Path, count: int) -> None:
    """A new file that got the old one's inode number, and by force its birth time, is told to be new by its content."""
    with Scene(tmp_path) as scene:
        scene.append(OLD)
        capture = scene.capture()
        scene.expect(OLD)
        capture.kill()
        scene.path.unlink()
        new = scene.append(lines(5000, count))
        entry = scene.source()
        (known,) = entry["files"]
        known["inode"], known["birth_time"] = scene.path.stat().st_ino, None
        scene.write_source(entry)
        scene.finish(scene.capture(), OLD + new)
        assert scene.incidents("truncated", "source-lost")
        scene.settles(OLD + new)


@BOTH
def test_s43_delete_and_recreate_same_path(tmp_path: Path, *, live: bool) -> None:
    """Deleted and made anew, beginning with the same line: read from 0, once."""
    with Scene(tmp_path) as scene:
        head = line(77)
        old = scene.append(head + OLD)
        capture = scene.capture()
        scene.expect(old)
        if not live:
            capture.kill()
        scene.path.unlink()
        if live:
            scene.incident("source-deleted")
        new = scene.append(head)
        new += scene.append(lines(5000, 20))
        scene.finish(capture if live else scene.capture(), old + new)
        scene.settles(old + new)


@BOTH
def test_s43_recreated_again_and_again(tmp_path: Path, *, live: bool) -> None:
    """The same, several times, also while nobody looks: each new file once, from its first byte."""
    with Scene(tmp_path) as scene:
        data = scene.append(OLD)
        capture = scene.capture()
        scene.expect(data)
        for number in range(3):
            if not live:
                capture.kill()
            scene.path.unlink()
            data += scene.append(lines(1000 * (number + 1), 30))
            if not live:
                capture = scene.capture()
            scene.expect(data)
        scene.finish(capture, data)


@pytest.mark.parametrize("same", [1 * KIB, 64 * KIB, 200 * KIB])
def test_s44_identical_first_kilobytes(tmp_path: Path, same: int) -> None:
    """Two files that begin alike, for more than any block that is compared, are both read whole."""
    with Scene(tmp_path) as scene:
        head = lines(0, same // 200 + 1)
        first = scene.append(head + lines(1000, 20), scene.older())
        scene.tick()
        second = scene.append(head + lines(2000, 20))
        scene.finish(scene.capture(), first + second)
        scene.settles(first + second)


def test_s44_identical_first_kilobytes_while_it_looks(tmp_path: Path) -> None:
    """A new file that is at first all like the old one's beginning is taken up when it proves to be another."""
    with Scene(tmp_path) as scene:
        head = lines(0, 400)
        first = scene.append(head + lines(1000, 20))
        capture = scene.capture()
        scene.expect(first)
        scene.path.rename(scene.older())
        second = scene.append(head)
        capture.looks_around(scene.vault)
        second += scene.append(lines(2000, 20))
        scene.finish(capture, first + second)
        scene.settles(first + second)


def test_s45_growing_fingerprint(tmp_path: Path) -> None:
    """A file of a few bytes, known across restarts, grows past every block that is compared: it is the same file."""
    with Scene(tmp_path) as scene:
        data = scene.append(b"{}\n")
        for size in (1, 20, 300, 4 * KIB, 60 * KIB, 70 * KIB, 200 * KIB):
            capture = scene.capture()
            scene.expect(data)
            data += scene.append(line(size, max(size, 100)))
            scene.expect(data)
            capture.kill()
            data += scene.append(line(size + 1, max(size, 100)))
        scene.finish(scene.capture(), data)
        (known,) = scene.source()["files"]
        assert [[0, 0]] == known["pairs"]
        assert [] == scene.incidents()


def test_s46_device_number_change(tmp_path: Path, other_device: Path) -> None:
    """The volume comes back under other device and inode numbers: the same file by its content, nothing again."""
    with Scene(tmp_path) as scene:
        data = scene.append(OLD)
        scene.path.rename(scene.older())
        data += scene.append(lines(1000, 400))
        capture = scene.capture()
        scene.expect(data)
        capture.kill()
        data += scene.append(lines(2000, 20))
        moved = other_device / "vault"
        shutil.copytree(scene.vault, moved)
        shutil.rmtree(scene.vault)
        scene.vault.symlink_to(moved)
        capture = scene.capture()
        data += scene.append(lines(3000, 20))
        scene.finish(capture, data)
        assert [] == scene.incidents()
        scene.settles(data)


@BOTH
def test_s47_atomic_replace(tmp_path: Path, *, live: bool) -> None:
    """Another file is renamed over the log: while we look, the old inode is drained first; then the new one is read."""
    with Scene(tmp_path) as scene:
        data = scene.append(OLD)
        capture = scene.capture()
        scene.expect(data)
        if live:
            capture.pause()
            data += scene.append(lines(1000, 20))
        else:
            capture.kill()
        new = scene.append(lines(2000, 20), scene.vault / "editor.tmp")
        (scene.vault / "editor.tmp").rename(scene.path)
        if live:
            capture.resume()
        else:
            capture = scene.capture()
        scene.finish(capture, data + new)
        if not live:
            assert len(OLD) == scene.incident("source-lost")[2]["source_from"]
        scene.settles(data + new)


@BOTH
def test_s47_atomic_replace_with_the_same_content(tmp_path: Path, *, live: bool) -> None:
    """An editor that writes the whole log anew, with a line more, adds that line and nothing else."""
    with Scene(tmp_path) as scene:
        scene.append(OLD)
        capture = scene.capture()
        scene.expect(OLD)
        if not live:
            capture.kill()
        scene.append(OLD + line(1000), scene.vault / "editor.tmp")
        (scene.vault / "editor.tmp").rename(scene.path)
        scene.finish(capture if live else scene.capture(), OLD + line(1000))


def test_s48_deleted_while_open(tmp_path: Path) -> None:
    """Deleted while Vault has it open: what Vault goes on writing is captured, and told; a new file is taken."""
    with Scene(tmp_path) as scene:
        writer = scene.writer()
        data = writer.write(OLD)
        capture = scene.capture()
        scene.expect(data)
        scene.path.unlink()
        offset, length, detail = scene.incident("source-deleted")
        assert (len(OLD), 0, str(scene.path)) == (offset, length, detail["path"])
        for number in range(3):
            data += writer.write(lines(1000 + 100 * number, 100))
            scene.expect(data)
        writer.reopen()
        data += writer.write(lines(5000, 20))
        scene.finish(capture, data)
        assert ["source-deleted"] == [incident["kind"] for incident in scene.incidents()]


def test_s48_deleted_while_open_and_restarted(tmp_path: Path) -> None:
    """A restart cannot open a file without a name: what it got since is recorded as lost, and the new file is read."""
    with Scene(tmp_path) as scene:
        writer = scene.writer()
        writer.write(OLD)
        capture = scene.capture()
        scene.expect(OLD)
        scene.path.unlink()
        scene.incident("source-deleted")
        capture.kill()
        writer.write(lines(1000, 10))  # nobody can ever read this
        writer.reopen()
        new = writer.write(lines(2000, 10))
        scene.finish(scene.capture(), OLD + new)
        offset, _, detail = scene.incident("source-lost")
        assert (len(OLD), len(OLD)) == (offset, detail["source_from"])
