"""Debian's logrotate as an adversary: it rotates in every usual way while a writer writes and we look, or do not."""

from __future__ import annotations

import itertools
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.injection import wait_until
from tests.faults.rig import DEADLINE_SECONDS
from tests.scenarios.rig import Scene, away, back, check_equal
from tests.scenarios.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


LOSSLESS = {
    "create": "create 0600\nrotate 20",
    "nocreate": "nocreate\nrotate 20",
    "renumbering": "create 0600\nrotate 3",
    "dateext": "create 0600\nrotate 20\ndateext\ndateformat -%Y%m%d-%s",
    "delaycompress": "create 0600\nrotate 20\ncompress\ndelaycompress",
    "extension": "create 0600\nrotate 20\nextension .log",
    "start": "nocreate\nrotate 5\nstart 0",
}
COMPRESSED = "create 0600\nrotate 20\ncompress\nnodelaycompress"
COPIED = "copytruncate\nrotate 20"
COPIED_COMPRESSED = COPIED + "\ncompress"
SLOW_TRUNCATE = (
    "strace",
    "-f",
    "-o",
    "/dev/null",
    "-e",
    "trace=ftruncate",
    "-e",
    "inject=ftruncate:delay_enter=200000",
)
BOTH = pytest.mark.parametrize("live", [True, False], ids=["live", "down"])


class Logrotate:
    """logrotate with a config of its own; nothing of it runs by itself."""

    def __init__(self, scene: Scene, vault: Vault, directives: str) -> None:
        """Write the config. With copytruncate the writer hears nothing of it."""
        self._vault = vault
        self._signals = "copytruncate" not in directives
        self._state = scene.directory / "logrotate.state"
        self._config = scene.directory / "logrotate.conf"
        hangup = f"postrotate\nkill -HUP {vault.pid}\nendscript\n" if self._signals else ""
        self._config.write_text(f"{scene.path} {{\nmissingok\n{directives}\n{hangup}}}\n")
        self._config.chmod(0o600)

    def rotate(self, before: Sequence[str] = ()) -> None:
        """Rotate now, and wait until the writer has the new file open."""
        hangups = self._vault.hangups()
        command = [*before, "logrotate", "--force", "--verbose", "--state", str(self._state), str(self._config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS)
        if "already exists, skipping rotation" in done.stderr:
            return  # dateext, and a second one within a second: nothing was touched
        assert done.returncode == 0, done.stderr
        if self._signals:
            wait_until(lambda: self._vault.hangups() > hangups, "the writer has opened the file anew")


def lost(scene: Scene, written: bytes) -> tuple[int, list[Any]]:
    """Compare the journal with what was written; return the bytes that are missing, and what the incidents state.

    Everything else must be there once and in order. A torn line, with its newline of ours, counts as missing.
    """
    expected = written.splitlines(keepends=True)
    index = {line: number for number, line in enumerate(expected)}
    assert len(index) == len(expected)
    there = scene.content().splitlines(keepends=True)
    whole = [index[line] for line in there if line in index]
    assert whole == sorted(set(whole)), "a record is there twice, or not in order"
    assert len(there) - len(whole) == len(scene.incidents("torn"))
    missing = len(written) - sum(len(expected[number]) for number in whole)
    stated = [incident["detail"]["lost_bytes"] for incident in scene.incidents("truncated")]  # type: ignore[index]
    holes = sum(after != before + 1 for before, after in itertools.pairwise([-1, *whole, len(expected)]))
    assert holes <= len(stated), "more places where records are missing than incidents"
    return missing, stated


def all_stated(missing: int, stated: list[Any]) -> bool:
    """Tell whether the incidents account for what is missing.

    A number is what was seen and not read; what was written after the last look at a file is lost besides.
    """
    return missing >= sum(number for number in stated if number != "unknown") and (bool(stated) or not missing)


@BOTH
@pytest.mark.parametrize("way", LOSSLESS)
def test_rotations_by_rename_lose_nothing(tmp_path: Path, way: str, *, live: bool) -> None:
    """Rotated under load several times, while we look on or with a rotation while we do not: all is there, once."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        logrotate = Logrotate(scene, vault, LOSSLESS[way])
        data = vault.write(500)
        capture = scene.capture()
        scene.expect(data)
        for _ in range(5):
            if not live:
                capture.kill()
            vault.begin(400)
            logrotate.rotate()
            data += vault.end()
            if not live:
                capture = scene.capture()
            scene.expect(data)
        scene.finish(capture, data)
        assert [] == scene.incidents()
        scene.settles(data)


@BOTH
@pytest.mark.parametrize("way", ["create", "nocreate", "renumbering", "delaycompress"])
def test_two_rotations_within_one_look(tmp_path: Path, way: str, *, live: bool) -> None:
    """The generation between two rotations was never at the path when we looked, and is read all the same."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        logrotate = Logrotate(scene, vault, LOSSLESS[way])
        data = vault.write(500)
        capture = scene.capture()
        scene.expect(data)
        away(capture, live=live)
        data += vault.write(50) if way != "delaycompress" or live else b""
        for _ in range(2):
            logrotate.rotate()
            data += vault.write(100)
            scene.tick()
        capture = back(scene, capture, live=live)
        scene.finish(capture, data)
        assert [] == [incident for incident in scene.incidents() if way != "delaycompress" or live]
        scene.settles(data)


def test_compress_while_it_is_followed(tmp_path: Path) -> None:
    """A generation that is compressed at once is finished through the descriptor that we have: nothing is lost."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        logrotate = Logrotate(scene, vault, COMPRESSED)
        data = vault.write(500)
        capture = scene.capture()
        scene.expect(data)
        for paused in (False, True, False):
            data += vault.write(10)
            scene.expect(data)
            if paused:
                capture.pause()
            vault.begin(400)
            logrotate.rotate()
            data += vault.end()
            if paused:
                capture.resume()
            scene.expect(data)
        scene.finish(capture, data)
        assert [] == scene.incidents()


def test_compressed_between_two_looks(tmp_path: Path) -> None:
    """A generation that came, was filled, rotated and compressed between two looks is unpacked and read, in order."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        logrotate = Logrotate(scene, vault, COMPRESSED)
        data = vault.write(500)
        capture = scene.capture()
        scene.expect(data)
        capture.pause()
        for _ in range(3):
            data += vault.write(100)
            scene.tick()
            logrotate.rotate()
        capture.resume()
        scene.expect(data)
        data += vault.write(10)
        scene.finish(capture, data)
        scene.settles(data)


@pytest.mark.parametrize("unread", [0, 100])
def test_compressed_before_it_was_read(tmp_path: Path, unread: int) -> None:
    """A generation that was compressed while nobody looked is unpacked and read: nothing is lost."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        logrotate = Logrotate(scene, vault, COMPRESSED)
        data = vault.write(500)
        capture = scene.capture()
        scene.expect(data)
        capture.kill()
        data += vault.write(unread)
        logrotate.rotate()
        assert not scene.older().exists()
        data += vault.write(100)
        scene.finish(scene.capture(), data)
        assert [] == scene.incidents()
        scene.settles(data)


@pytest.mark.parametrize("paused", [False, True], ids=["looks", "paused"])
@pytest.mark.parametrize("way", ["plain", "compress"])
def test_copytruncate_at_rest(tmp_path: Path, way: str, *, paused: bool) -> None:
    """Copytruncate while nobody writes: nothing is lost where all was read, or where the copy is the continuation."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        logrotate = Logrotate(scene, vault, COPIED if way == "plain" else COPIED_COMPRESSED)
        data = vault.write(500)
        capture = scene.capture()
        for number in range(3):
            scene.expect(data)
            if paused:
                capture.pause()
            if way == "plain":
                data += vault.write(50)
                if not paused:
                    scene.expect(data)
            logrotate.rotate()
            data += vault.write(50 + number)
            if paused:
                capture.resume()
        scene.finish(capture, data)
        if way == "plain":
            assert 0 == lost(scene, data)[0]
        scene.settles(data)


def test_copytruncate_while_down(tmp_path: Path) -> None:
    """Copytruncate while nobody looks: the copies prove to be the continuation and are read; nothing is lost."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        logrotate = Logrotate(scene, vault, COPIED)
        data = vault.write(500)
        capture = scene.capture()
        scene.expect(data)
        capture.kill()
        for _ in range(3):
            data += vault.write(100)
            scene.tick()
            logrotate.rotate()
        data += vault.write(20)
        scene.finish(scene.capture(), data)
        assert 0 == lost(scene, data)[0]
        scene.settles(data)


@pytest.mark.parametrize("looks", ["looks", "paused", "down"])
def test_copytruncate_under_load(tmp_path: Path, looks: str) -> None:
    """What is written between copy and truncation may be lost: the incidents say so, and all else is there once."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        logrotate = Logrotate(scene, vault, COPIED)
        data = vault.write(500)
        capture = scene.capture()
        scene.expect(data)
        for _ in range(2):
            if looks != "looks":
                away(capture, live=looks == "paused")
            vault.begin(60_000)
            start = vault.written()
            wait_until(lambda start=start: vault.written() > start + 100_000, "it writes")  # type: ignore[misc]
            logrotate.rotate(SLOW_TRUNCATE)
            data += vault.end()
            last = vault.write(1)
            data += last
            if looks != "looks":
                capture = back(scene, capture, live=looks == "paused")
            wait_until(lambda last=last: scene.content().endswith(last), "the last record is there")  # type: ignore[misc]
        assert 0 == scene.stop(capture)
        missing, stated = lost(scene, data)
        assert all_stated(missing, stated), (missing, stated)


def test_copytruncate_of_what_was_seen(tmp_path: Path) -> None:
    """Bytes that we saw and had no room for are cut without a copy that fits: the stated loss is the loss."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        logrotate = Logrotate(scene, vault, COPIED + "\nolddir " + str(tmp_path / "olddir") + "\ncreateolddir 0700")
        data = vault.write(1000)
        capture = scene.capture(segment_size="16KiB", max_size="64KiB")
        capture.says("takes no more")
        capture.looks_around(scene.vault)
        logrotate.rotate()
        wait_until(lambda: scene.incidents("truncated"), "it is told")
        capture.kill()
        data += vault.write(10)
        scene.wait_end(0)
        capture = scene.capture()
        wait_until(lambda: scene.content().endswith(data[-256:]), "the last record is there")
        assert 0 == scene.stop(capture)
        missing, stated = lost(scene, data)
        torn = sum(int(str(incident["length"])) for incident in scene.incidents("torn"))
        fragment = next((line for line in scene.content().splitlines() if len(line) != 255), b"")
        assert [missing - len(fragment)] == stated[:1]
        assert torn == bool(fragment)
        assert 0 < missing < len(data)


def test_nothing_of_logrotate_runs_by_itself() -> None:
    """The package is installed for these tests alone: no process of it runs."""
    names = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/comm", encoding="utf-8") as file:
                    names.append(file.read().strip())
            except OSError:
                continue
    assert "logrotate" not in names


def test_check_equal_tells_a_difference() -> None:
    """The comparison that all this rests on sees a byte more, a byte less, and a byte that differs."""
    for other in (b"abc", b"ab", b"abdd"):
        with pytest.raises(AssertionError):
            check_equal(b"abcd", other)
