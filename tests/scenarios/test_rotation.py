"""Scenarios of group B: others rotate the file, and we do."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.injection import wait_until
from tests.scenarios.rig import Scene, Traced, away, back, check_equal, lines
from tests.scenarios.vault import Vault
from tests.tier import scale

if TYPE_CHECKING:
    from pathlib import Path


KIB = 1 << 10
PIECE = 50  # records, 10 KB: a generation
REOPEN: dict[str, Any] = {"reclaim": "reopen", "reclaim_at": "32KiB"}
OURS = "audit.log.standpipe-"
BOTH = pytest.mark.parametrize("live", [True, False], ids=["live", "down"])


def rotated(scene: Scene) -> list[Path]:
    """Return the files that our own reclaim renamed."""
    return sorted(scene.vault.glob(f"{OURS}*"))


def piece(number: int) -> bytes:
    """Return a generation's records."""
    return lines(number * PIECE, PIECE)


def test_s18_rename_create(tmp_path: Path) -> None:
    """Rename, create, SIGHUP: what was written before, between and after is there, in order."""
    with Scene(tmp_path) as scene:
        writer = scene.writer()
        data = writer.write(piece(0))
        capture = scene.capture()
        scene.expect(data)
        for number in range(1, 4):
            scene.path.rename(scene.older(f"old-{number}"))
            data += writer.write(lines(10_000 * number, 7))
            writer.reopen()
            data += writer.write(piece(number))
            scene.expect(data)
        scene.finish(capture, data)
        assert [] == scene.incidents()


def test_s19_write_to_old_after_rename(tmp_path: Path) -> None:
    """What goes into the old inode after the rename is captured before the new file, also when it is deleted then."""
    with Scene(tmp_path) as scene:
        writer = scene.writer()
        data = writer.write(piece(0))
        capture = scene.capture()
        scene.expect(data)
        scene.path.rename(scene.older())
        for number in range(20):
            data += writer.write(lines(1000 + number, 1))
        scene.expect(data)
        capture.pause()
        data += writer.write(piece(1))
        writer.reopen()
        scene.older().unlink()
        data += writer.write(piece(2))
        capture.resume()
        scene.finish(capture, data)


def test_s19_write_to_old_after_the_new_one_has_bytes(tmp_path: Path) -> None:
    """A second device that goes on with the old inode is read as well: every line once, whole."""
    with Scene(tmp_path) as scene:
        first, second = scene.writer(), scene.writer()
        data = first.write(piece(0))
        capture = scene.capture()
        scene.expect(data)
        scene.path.rename(scene.older())
        first.reopen()
        data += first.write(piece(1))
        scene.expect(data)
        data += second.write(piece(2))
        scene.expect(data)
        data += first.write(piece(3))
        scene.finish(capture, data)
        assert "a second audit device" in capture.messages()


def test_s20_sighup_ignored_by_writer(tmp_path: Path) -> None:
    """A Vault that takes SIGHUP and opens nothing: the file gets its name back, nothing is deleted, and it is told."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path, on_hangup="ignore") as vault:
        data = vault.write(2000)
        capture = scene.capture(**REOPEN, signal_pid=vault.pid)
        scene.wait_end(len(data))
        wait_until(lambda: vault.hangups() == 1, "SIGHUP has come")
        _, _, detail = scene.incident("reclaim-stopped")  # after the 10 s in which Vault might have opened the path
        assert "opened no new file" in str(detail["reason"])
        assert ["audit.log"] == sorted(path.name for path in scene.vault.glob("audit*"))
        data += vault.write(10)
        scene.finish(capture, data)


def test_s20_sighup_ignored_when_others_rotate(tmp_path: Path) -> None:
    """When others renamed the file and Vault goes on with the old inode, we go on with it too, and delete nothing."""
    with Scene(tmp_path) as scene:
        writer = scene.writer()
        data = writer.write(piece(0))
        capture = scene.capture()
        scene.expect(data)
        scene.path.rename(scene.older())
        scene.append(b"")  # logrotate's create
        for number in range(1, 4):
            data += writer.write(piece(number))
            scene.expect(data)
        assert len(data) == scene.older().stat().st_size
        scene.finish(capture, data)


@BOTH
def test_s21_rename_no_new_file_yet(tmp_path: Path, *, live: bool) -> None:
    """Between the rename and the new file nothing is taken for a loss, and capture sleeps."""
    with Scene(tmp_path) as scene:
        data = scene.append(piece(0))
        capture = scene.capture()
        scene.expect(data)
        if not live:
            capture.kill()
        scene.path.rename(scene.older())
        if not live:
            capture = scene.capture()
        capture.looks_around(scene.vault)
        seen: list[str] = []

        def sleeps() -> bool:
            seen.append(capture.state())
            return seen[-20:] == ["S"] * 20

        wait_until(sleeps, "capture sleeps")
        assert 1 >= len(capture.messages().split("renamed")) - 1
        data += scene.append(piece(1))
        scene.finish(capture, data)
        assert [] == scene.incidents()


@BOTH
def test_s21_generation_unseen_while_path_missing(tmp_path: Path, *, live: bool) -> None:
    """A generation that was never seen at the path is captured also while the path leads to nothing."""
    with Scene(tmp_path) as scene:
        data = scene.append(piece(0))
        capture = scene.capture()
        scene.expect(data)
        away(capture, live=live)
        for number in (1, 2):
            scene.path.rename(scene.older(str(number)))
            data += scene.append(piece(number))
        scene.path.rename(scene.older("3"))
        capture = back(scene, capture, live=live)
        scene.finish(capture, data)


@BOTH
def test_s22_rotate_twice_within_one_poll(tmp_path: Path, *, live: bool) -> None:
    """Generations that came and went between two looks are found and read in order, the torn end of none is glued."""
    with Scene(tmp_path) as scene:
        data = scene.append(piece(0))
        capture = scene.capture()
        scene.expect(data)
        away(capture, live=live)
        data += scene.append(piece(1))
        for number in range(2, 6):
            scene.path.rename(scene.older(f"2026010{number}"))
            data += scene.append(piece(number))
        capture = back(scene, capture, live=live)
        scene.finish(capture, data)
        assert [] == scene.incidents()
        scene.settles(data)


def test_s23_rapid_rotation_many_files(tmp_path: Path) -> None:
    """A writer that rotates all the time, with far more generations than we remember: every line once, in order."""
    with Scene(tmp_path) as scene:
        capture = scene.capture(segment_size="1MiB")
        data = b""
        for number in range(scale(80, 400)):
            data += scene.append(lines(number * 100, 100))
            scene.path.rename(scene.older(f"{number:05d}"))
        data += scene.append(lines(9_000_000, 10))
        scene.finish(capture, data)
        assert [] == scene.incidents()


def test_s23_rapid_rotation_and_restart(tmp_path: Path) -> None:
    """A restart beside 80 generations that are all captured reads none of them again."""
    with Scene(tmp_path) as scene:
        data = b""
        for number in range(80):
            data += scene.append(lines(number * 100, 100))
            scene.path.rename(scene.older(f"{number:05d}"))
        data += scene.append(lines(9_000_000, 10))
        scene.finish(scene.capture(segment_size="1MiB"), data)
        capture = scene.capture(segment_size="1MiB")
        data += scene.append(lines(9_000_010, 10))
        scene.path.rename(scene.older("99999"))
        data += scene.append(lines(9_000_020, 10))
        scene.finish(capture, data)
        scene.settles(data)


@pytest.mark.parametrize("generations", [1, 3])
def test_s24_rotate_while_stopped(tmp_path: Path, generations: int) -> None:
    """Nobody looks while the file is rotated and written: the old one is finished first, then all that followed."""
    with Scene(tmp_path) as scene:
        writer = scene.writer()
        data = writer.write(piece(0))
        capture = scene.capture()
        scene.expect(data)
        capture.kill()
        for number in range(generations):
            data += writer.write(lines(10_000 + number * 100, 20))
            scene.path.rename(scene.older(f"gen{9 - number}"))  # names say nothing of the order
            data += writer.write(lines(20_000 + number * 100, 20))
            writer.reopen()
            data += writer.write(lines(30_000 + number * 100, 20))
            scene.tick()
        scene.finish(scene.capture(), data)
        scene.settles(data)
        assert [] == scene.incidents()


def test_s24_first_start_beside_older_generations(tmp_path: Path) -> None:
    """At the very first start older generations are read first, the oldest write before the newer ones."""
    with Scene(tmp_path) as scene:
        data = b""
        for number in range(4):
            data += scene.append(piece(number))
            scene.tick()
            if number < 3:
                scene.path.rename(scene.older(str(3 - number)))
        scene.finish(scene.capture(), data)
        scene.settles(data)


def test_s25_rotate_while_sink_down(tmp_path: Path) -> None:
    """The sink is down for many rotations, keep runs, the journal fills up: capture waits; then all is caught up."""
    with Scene(tmp_path) as scene:
        config = scene.config("segment_size: 16KiB, max_size: 128KiB, on_full: block, retain: {age: 1s, size: 16KiB}")
        capture = scene.capture(segment_size="16KiB", max_size="128KiB")
        data, number, full = b"", 0, False
        while not full:
            if number:
                scene.path.rename(scene.older(f"{number:03d}"))
            data += scene.append(piece(number))
            number += 1
            full = "takes no more" in capture.messages()
            end = len(data)
            if not full and scene.end() < end:
                wait_until(
                    lambda end=end: scene.end() >= end or "takes no more" in capture.messages(),  # type: ignore[misc]
                    "it is captured, or the journal is full",
                )
                full = "takes no more" in capture.messages()
        data += scene.append(piece(number))
        assert 0 == scene.keep("--config", config)
        assert 0 < scene.end() <= len(data)
        shipped = b""
        while len(shipped) < len(data):
            shipped += scene.ship("--config", config)
            assert 0 == scene.keep("--config", config)
            end = scene.end()
            wait_until(lambda end=end: scene.end() > end or scene.end() == len(data), "it goes on")  # type: ignore[misc]
        check_equal(data, shipped)
        assert 0 == scene.stop(capture)
        assert [] == scene.incidents("dropped", "truncated", "source-lost")


@BOTH
def test_s26_rotate_chain_renumbering(tmp_path: Path, *, live: bool) -> None:
    """Every rotation gives every generation another name: each is read once, whatever its name is then."""
    with Scene(tmp_path) as scene:
        data = scene.append(piece(0))
        capture = scene.capture()
        scene.expect(data)
        for number in range(1, 7):
            away(capture, live=live)
            for old in range(min(number, 6), 1, -1):
                if scene.older(str(old - 1)).exists():
                    scene.older(str(old - 1)).rename(scene.older(str(old)))
            scene.path.rename(scene.older("1"))
            data += scene.append(lines(50_000 + number * 10, 10), scene.older("1"))  # a write after the rename
            data += scene.append(piece(number))
            capture = back(scene, capture, live=live)
            if number % 3:
                scene.expect(data)
        scene.finish(capture, data)
        assert [] == scene.incidents()


def test_s27_rename_target_matches_glob(tmp_path: Path) -> None:
    """Names like audit.log.1 are candidates for what comes next; what was captured under another name is not again."""
    with Scene(tmp_path) as scene:
        data = scene.append(piece(0))
        capture = scene.capture()
        scene.expect(data)
        scene.path.rename(scene.older())
        data += scene.append(piece(1))
        scene.finish(capture, data)
        for suffix in ("2", "old", "20260102-030405"):
            scene.older().rename(scene.older(suffix))
            scene.settles(data)
            scene.older(suffix).rename(scene.older())
        shutil.copy2(scene.older(), scene.older("copy"))
        scene.settles(data)


@pytest.mark.parametrize("live", [True, False], ids=["live", "down-but-read"])
def test_s28_compress_after_rotate(tmp_path: Path, *, live: bool) -> None:
    """A generation that is compressed while it is read is finished from the open inode; the .gz is not read."""
    with Scene(tmp_path) as scene:
        data = scene.append(piece(0))
        capture = scene.capture()
        scene.expect(data)
        away(capture, live=live)
        if live:
            data += scene.append(piece(1))  # not read yet
        scene.path.rename(scene.older())
        scene.older("1.gz").write_bytes(gzip.compress(scene.older().read_bytes()))
        scene.older().unlink()
        data += scene.append(piece(2))
        capture = back(scene, capture, live=live)
        scene.finish(capture, data)
        scene.settles(data)


@BOTH
def test_s29_symlink_rotation(tmp_path: Path, *, live: bool) -> None:
    """The path is a symbolic link whose target is switched: the old target is drained, then the new one is read."""
    with Scene(tmp_path) as scene:
        targets = [scene.vault / f"audit.log-2026010{number}" for number in range(1, 4)]
        scene.path.symlink_to(targets[0].name)
        data = scene.append(piece(0), targets[0])
        capture = scene.capture()
        scene.expect(data)
        for number in (1, 2):
            away(capture, live=live)
            data += scene.append(lines(10_000 * number, 10), targets[number - 1])
            data += scene.append(piece(number), targets[number])
            link = scene.vault / "link.tmp"
            link.symlink_to(targets[number].name)
            link.rename(scene.path)
            capture = back(scene, capture, live=live)
            scene.expect(data)
        scene.finish(capture, data)
        scene.settles(data)


def test_s30_rotation_name_collision(tmp_path: Path) -> None:
    """What has the name of our next rename is never overwritten: there is no rename, and it is told."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        data = vault.write(1000)
        leftover = scene.vault / f"{OURS}{len(data):020d}"
        leftover.symlink_to("somewhere")  # no log: a file would be read and then be gone
        capture = scene.capture(**REOPEN, signal_pid=vault.pid, segment_size="4MiB")  # one copy, and then the rename
        scene.expect(data)
        _, _, detail = scene.incident("reclaim-stopped")
        assert "cannot be renamed" in str(detail["reason"])
        assert (0, "somewhere") == (vault.hangups(), str(leftover.readlink()))
        data += vault.write(10)
        scene.finish(capture, data)
        assert len(data) == scene.path.stat().st_size


def test_s30_leftover_of_an_earlier_rotation(tmp_path: Path) -> None:
    """A file that has the name of our next rename already is captured before it goes, and overwritten by nothing."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        other = lines(90_000, 10)
        size = len(vault.record(0)) * 1000
        leftover = scene.vault / f"{OURS}{size + len(other):020d}"
        scene.append(other, leftover)
        os.utime(leftover, (1, 1))
        data = other + vault.write(1000)
        capture = scene.capture(**REOPEN, signal_pid=vault.pid, segment_size="4MiB")
        scene.expect(data)
        data += vault.write(10)
        scene.finish(capture, data)
        assert [] == scene.incidents()


# S31: strace kills capture before the n-th of these calls on the log's directory.
STEPS = ("renameat2", "kill", "unlink", "fdatasync", "openat", "rename")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_s31_rotator_crash_between_each_step(tmp_path: Path, step: str, number: int) -> None:
    """Kill -9 before each step of our own reopen (rename, SIGHUP, unlink, sync, state): the next start goes on."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        data = vault.write(300)
        names = {"unlink": "?unlink,?unlinkat", "rename": "?rename"}.get(step, step)
        injection = Traced(names, f"signal=SIGKILL:when={number if step != 'openat' else number * 40}")
        capture = scene.start(injection, **REOPEN, signal_pid=vault.pid)
        for _ in range(200):
            if not capture.alive():
                break
            hangups = vault.hangups()
            data += vault.write(200)
            wait_until(
                lambda hangups=hangups: vault.hangups() > hangups or not capture.alive(),  # type: ignore[misc]
                "it is rotated, or capture is dead",
            )
        assert "killed by SIGKILL" in capture.trace()
        data += vault.write(200)
        capture = scene.capture(**REOPEN, signal_pid=vault.pid)
        scene.expect(data)
        wait_until(lambda: not rotated(scene), "the old inodes are unlinked")
        assert 40 * KIB > scene.path.stat().st_size
        scene.finish(capture, data)
        assert [] == scene.incidents()


def test_s31_rotator_killed_at_random_moments(tmp_path: Path) -> None:
    """Kill -9 at many moments while it reopens under load: every record once, in order."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        data = b""
        for number in range(scale(12, 300)):
            capture = scene.start(**REOPEN, signal_pid=vault.pid)
            vault.begin(400)
            target = vault.written() + (number * 37 % 400) * len(vault.record(0))
            wait_until(lambda target=target: vault.written() >= min(target, vault.promised()), "so much is written")  # type: ignore[misc]
            capture.kill()
            data += vault.end()
        capture = scene.capture(**REOPEN, signal_pid=vault.pid)
        scene.expect(data)
        wait_until(lambda: not rotated(scene), "the old inodes are unlinked")
        scene.finish(capture, data)
        assert [] == scene.incidents()
        assert vault.hangups() > 0


def test_s32_two_rotators(tmp_path: Path) -> None:
    """A second capture on the same journal is refused with a sentence, and touches nothing."""
    with Scene(tmp_path) as scene:
        data = scene.append(piece(0))
        capture = scene.capture()
        scene.expect(data)
        second = scene.start()
        assert 2 == second.status()
        assert str(capture.pid) in second.messages()
        data += scene.append(piece(1))
        scene.finish(capture, data)


def test_s32_logrotate_by_mistake(tmp_path: Path) -> None:
    """While we reopen, others rename too: every line is there once."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        data = b""
        capture = scene.capture(**REOPEN, signal_pid=vault.pid)
        for number in range(6):
            vault.begin(600)
            with suppress(FileNotFoundError):
                scene.path.rename(scene.older(str(number)))
                vault.hangup()
            data += vault.end()
        scene.finish(capture, data)
        scene.settles(data)


@pytest.mark.parametrize("way", ["punch", "reopen"])
def test_s33_hardlinked_log(tmp_path: Path, way: str) -> None:
    """A log with two names is captured and not reclaimed; that one name goes is no deletion."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        data = vault.write(2000)
        second = scene.vault / "evidence.log"
        second.hardlink_to(scene.path)
        before = scene.path.stat().st_blocks
        capture = scene.capture(reclaim=way, reclaim_at="32KiB", signal_pid=vault.pid)
        scene.expect(data)
        _, _, detail = scene.incident("reclaim-stopped")
        assert "hard link" in str(detail["reason"])
        assert (data, before) == (second.read_bytes(), second.stat().st_blocks)
        second.unlink()
        data += vault.write(100)
        scene.finish(capture, data)
        assert [] == scene.incidents("source-deleted", "source-lost", "truncated")


@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "a socket", "a character device"])
def test_s34_fifo_in_place_of_file(tmp_path: Path, kind: str) -> None:
    """Anything but a file in its place is told once and never opened in a way that waits; a file then is read."""
    with Scene(tmp_path) as scene, socket.socket(socket.AF_UNIX) as server:
        if kind == "a FIFO":
            os.mkfifo(scene.path)
        elif kind == "a directory":
            scene.path.mkdir()
        elif kind == "a socket":
            here = os.getcwd()
            os.chdir(scene.vault)  # the path may be too long for a socket's name
            server.bind(scene.path.name)
            os.chdir(here)
        else:
            scene.path.symlink_to("/dev/zero")
        capture = scene.capture()
        capture.says("the audit log is no regular file")
        capture.looks_around(scene.vault)
        assert 1 == capture.messages().count("the audit log is no regular file")
        assert f'"kind": "{kind}"' in capture.messages()
        if kind == "a directory":
            scene.path.rmdir()
        else:
            scene.path.unlink()
        data = scene.append(piece(0))
        scene.finish(capture, data)


@BOTH
def test_s34_fifo_replaces_the_file(tmp_path: Path, *, live: bool) -> None:
    """A FIFO that takes the file's place later does not hang capture, which keeps what it has."""
    with Scene(tmp_path) as scene:
        data = scene.append(piece(0))
        capture = scene.capture()
        scene.expect(data)
        away(capture, live=live)
        scene.path.rename(scene.older())
        os.mkfifo(scene.path)
        capture = back(scene, capture, live=live)
        capture.says("the audit log is no regular file")
        scene.path.unlink()
        data += scene.append(piece(1))
        scene.finish(capture, data)
