"""Scenarios of group F: what may be deleted, and when."""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.injection import Attached, Injection, Process, wait_until
from tests.faults.rig import DEADLINE_SECONDS
from tests.scenarios.rig import Scene, Traced, check_equal, line, lines
from tests.scenarios.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
OURS = "audit.log.standpipe-*"
REOPEN: dict[str, Any] = {"reclaim": "reopen", "reclaim_at": "32KiB"}
KEEP_LITTLE = "segment_size: 16KiB, max_size: 16MiB, retain: {age: 1s, size: 16KiB}"


def test_s58_delete_only_after_the_sink_has_it(tmp_path: Path) -> None:
    """Old, large and sealed, and not delivered: every segment stays. Delivered: they go."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 2000))
        scene.finish(scene.capture(segment_size="16KiB"), data)
        config = scene.config(KEEP_LITTLE)
        assert 0 == scene.keep("--config", config)
        check_equal(data, scene.content())
        assert data == scene.ship("--config", config)
        assert 0 == scene.keep("--config", config)
        left = sum(path.stat().st_size for path in (scene.journal / "segments").glob("*.log*"))
        assert left < len(data) // 4
        assert [] == scene.incidents()


def test_s58_two_sinks_one_of_them_behind(tmp_path: Path) -> None:
    """A sink that never ran keeps every segment, whatever another one has."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 2000))
        scene.finish(scene.capture(segment_size="16KiB"), data)
        config = scene.config(KEEP_LITTLE)
        assert data == scene.ship("--journal", str(scene.journal))  # its sink is called stdout
        assert 0 == scene.keep("--config", config)  # and this one's console
        check_equal(data, scene.content())


def test_s59_delete_race_late_write(tmp_path: Path) -> None:
    """A late write into the file that we renamed: it stays until the writer lets it go, and the write is captured."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        late = scene.writer()
        data = vault.write(500)
        capture = scene.capture(**REOPEN, signal_pid=vault.pid)
        scene.wait_end(len(data))
        wait_until(lambda: vault.hangups() == 1 and list(scene.vault.glob(OURS)), "it is renamed")
        data += vault.write(10)
        scene.expect(data)
        for number in range(3):
            data += late.write(lines(90_000 + number, 1))
            scene.expect(data)
            data += vault.write(1)
            scene.expect(data)
            assert list(scene.vault.glob(OURS))
        late.close()
        wait_until(lambda: not list(scene.vault.glob(OURS)), "it is unlinked")
        scene.finish(capture, data)


def test_s60_nothing_is_dropped(tmp_path: Path) -> None:
    """The sink stdout takes everything: a huge record and lines that are none are delivered before they go."""
    with Scene(tmp_path) as scene:
        data = scene.append(line(0) + line(1, 4 * MIB) + b"no JSON\n" + b"\xff\xfe\n" + line(2))
        scene.finish(scene.capture(segment_size="64KiB"), data)
        assert data == scene.ship()
        assert [] == list((scene.journal / "deadletter").iterdir())


@pytest.mark.parametrize("error", ["EPERM", "EBUSY", "ENOENT"])
def test_s61_delete_of_the_old_log_fails(tmp_path: Path, error: str) -> None:
    """The renamed file cannot be unlinked: told once, no crash, capture goes on."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        user = scene.writer()  # as long as it has the file open, the file stays
        data = vault.write(500)
        capture = scene.capture(**REOPEN, signal_pid=vault.pid)
        wait_until(lambda: list(scene.vault.glob(OURS)), "it is renamed")
        data += vault.write(5)
        scene.expect(data)
        (old,) = scene.vault.glob(OURS)
        traced = Attached(scene.directory, capture, Traced("?unlink,?unlinkat", f"error={error}", 0, (str(old),)))
        user.close()
        wait_until(lambda: traced.injected() or not capture.alive(), "it tries to unlink")
        for number in range(3):
            data += vault.write(5)
            scene.expect(data)
            assert capture.alive(), f"{number}: {capture.messages()}"
        assert len(capture.complaints()) <= 2, capture.complaints()
        capture.kill()
        traced.process.wait(DEADLINE_SECONDS)
        capture = scene.capture(**REOPEN, signal_pid=vault.pid)
        if error != "ENOENT":
            wait_until(lambda: not list(scene.vault.glob(OURS)), "it is unlinked when it can be")
        scene.finish(capture, data)


def test_s61_delete_of_a_segment_fails(tmp_path: Path) -> None:
    """Keep cannot unlink: its status says so, an incident too, nothing is lost, and the next one does it."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 2000))
        scene.finish(scene.capture(segment_size="16KiB"), data)
        config = scene.config(KEEP_LITTLE)
        assert data == scene.ship("--config", config)
        injection: Injection = Traced("?unlink,?unlinkat", "error=EPERM")
        with Process(scene.directory, ["keep", "--once", "--config", config], injection) as keep:
            assert 2 == keep.status()
        assert keep.injected()
        assert scene.incidents("keep-error")
        check_equal(data, scene.content())
        assert 0 == scene.keep("--config", config)
        left = sum(path.stat().st_size for path in (scene.journal / "segments").glob("*.log*"))
        assert left < len(data) // 4


@pytest.mark.parametrize("way", ["punch", "none"])
def test_s62_cap_block(tmp_path: Path, way: str) -> None:
    """At the cap with on_full: block capture waits, Vault's file keeps the rest, an incident tells; then all comes."""
    with Scene(tmp_path) as scene:
        config = scene.config("segment_size: 32KiB, max_size: 256KiB, on_full: block, retain: {age: 1s, size: 32KiB}")
        data = scene.append(lines(0, 2500))
        options: dict[str, Any] = {"segment_size": "32KiB", "max_size": "256KiB", "reclaim": way, "reclaim_at": "64KiB"}
        capture = scene.capture(**options)
        capture.says("takes no more")
        assert 0 == scene.keep("--config", config)
        capture.looks_around(scene.vault)
        assert 0 < scene.end() < len(data)
        check_equal(data[scene.end() :], scene.path.read_bytes()[scene.end() :])
        wait_until(lambda: scene.incidents("disk-full"), "the incident is written")
        shipped = b""
        while len(shipped) < len(data):
            shipped += scene.ship("--config", config)
            assert 0 == scene.keep("--config", config)
        check_equal(data, shipped)
        assert 0 == scene.stop(capture)
        assert [] == scene.incidents("dropped")


def test_s62_cap_drop_oldest(tmp_path: Path) -> None:
    """With on_full: drop-oldest the oldest undelivered segments go, and every lost range is an incident."""
    with Scene(tmp_path) as scene:
        text = "segment_size: 32KiB, max_size: 256KiB, on_full: drop-oldest, retain: {age: 1h, size: 128KiB}"
        config = scene.config(text)
        keep = scene.spawn("keep", "--config", config)
        data = scene.append(lines(0, 2500))
        capture = scene.capture(segment_size="32KiB", max_size="256KiB", on_full="drop-oldest")
        wait_until(lambda: scene.end() == len(data), "all is captured")
        assert 0 == scene.stop(capture)
        keep.signal(signal.SIGTERM)
        keep.status()
        dropped = [(int(str(i["offset"])), int(str(i["length"]))) for i in scene.incidents("dropped")]
        assert dropped
        assert 0 == dropped[0][0]
        for (start, length), (following, _) in pairwise(dropped):
            assert start + length == following
        begin = sum(dropped[-1])
        check_equal(data[begin:], scene.ship("--config", config))
        assert os.stat(scene.path).st_size == len(data)
