"""Scenarios of group E: restarts, kills, state that is damaged, full disks, lost power."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.injection import wait_until
from tests.faults.rig import is_full, read_segments
from tests.faults.volumes import Ballast, tmpfs
from tests.scenarios.delivery_rig import Outlets
from tests.scenarios.rig import LINE_BYTES, Scene, Traced, check_equal, line, lines
from tests.scenarios.vault import Vault
from tests.tier import scale

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
OLD = lines(0, 500)
LAST_ROUND = 17_000  # of 20,000 records: what is left is less than a round
JSON_SINK = "{type: stdout, format: json}"


def identities(delivered: bytes) -> list[str]:
    """Return the ids of what was delivered as JSON."""
    return [json.loads(text)["standpipe"]["id"] for text in delivered.splitlines()]


def test_s49_restart_continue(tmp_path: Path) -> None:
    """Stopped in order and started again, many times under load: nothing missing, nothing twice."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        data = b""
        for _ in range(scale(6, 60)):
            vault.begin(1500)
            capture = scene.capture(deadline="50ms")
            assert 0 == scene.stop(capture, signal.SIGTERM)
            data += vault.end()
        scene.finish(scene.capture(), data)
        check_equal(data, scene.ship())
        assert [] == scene.incidents()


@pytest.mark.parametrize("way", ["none", "punch", "reopen"])
def test_s50_kill_9_anywhere(tmp_path: Path, way: str) -> None:
    """SIGKILL at any moment, with rotations by others: the journal has every record once."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        data = b""
        for number in range(scale(12, 350)):
            vault.begin(1000)
            capture = scene.start(
                reclaim=way, reclaim_at="64KiB", segment_size="16KiB", fsync="1ms", signal_pid=vault.pid
            )
            before = scene.end() if (scene.journal / "segments").exists() else 0
            wanted = before + number * 7919 % 200_000

            def enough(wanted: int = wanted) -> bool:
                there = (scene.journal / "segments").exists()
                return there and scene.end() >= min(wanted, vault.written())

            wait_until(enough, "so much is captured")
            capture.kill()
            data += vault.end()
            if number % 4 == 1 and way != "reopen":
                scene.path.rename(scene.older(f"{number:05d}"))
                vault.hangup()
                wait_until(scene.path.exists, "the file is there anew")
        scene.finish(scene.capture(reclaim="none"), data)
        assert [] == scene.incidents()
        check_equal(data, scene.ship())


def test_s50_kill_9_of_ship(tmp_path: Path) -> None:
    """SIGKILL of ship: what is sent again has the same ids, and lies in the window that was not acknowledged."""
    with Scene(tmp_path) as scene:
        scene.append(lines(0, 20_000))
        scene.finish(scene.capture(), lines(0, 20_000))
        config = scene.config("", JSON_SINK)
        output = scene.directory / "delivered"
        seen: list[str] = []
        while len(set(seen)) < 20_000:
            acknowledged = scene.cursor("console") if (scene.journal / "cursors" / "console").exists() else 0
            size = output.stat().st_size if output.exists() else 0
            with open(output, "ab") as file:
                ship = scene.spawn("ship", "--config", config, stdout=file.fileno())
            wanted = size + 500_000
            if len(set(seen)) > LAST_ROUND:
                wait_until(lambda: scene.cursor("console") == scene.end(), "all is delivered")
            else:
                wait_until(lambda wanted=wanted: output.stat().st_size > wanted, "it ships")  # type: ignore[misc]
            ship.signal(signal.SIGKILL)
            ship.status()
            with open(output, "rb") as file:
                file.seek(size)
                new = file.read()
            whole = [json.loads(text) for text in new.split(b"\n")[:-1] if text.endswith(b"}")]
            offsets = [entry["standpipe"]["offset"] for entry in whole if "standpipe" in entry]
            assert offsets == sorted(offsets)
            assert offsets[0] >= acknowledged
            seen += [entry["standpipe"]["id"] for entry in whole]
        assert [int(name[-20:]) for name in sorted(set(seen))] == list(range(0, 20_000 * LINE_BYTES, LINE_BYTES))


DAMAGES = {
    "missing": None,
    "empty": b"",
    "garbage": b"\x00\xff garbage",
    "cut": b'{"format": 1, "path": "',
    "older": b'{"format": 0}',
    "newer": b'{"format": 99, "files": []}',
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("rotated", [False, True], ids=["same-file", "rotated"])
def test_s51_corrupt_or_empty_state_file(tmp_path: Path, damage: str, *, rotated: bool) -> None:
    """Without a usable source.json the position is found by the journal's last bytes, loudly; nothing is sent again."""
    with Scene(tmp_path) as scene:
        data = scene.append(OLD)
        capture = scene.capture()
        scene.expect(data)
        capture.kill()
        data += scene.append(lines(1000, 20))
        if rotated:
            scene.path.rename(scene.older())
            data += scene.append(lines(2000, 20))
        content = DAMAGES[damage]
        path = scene.journal / "source.json"
        path.unlink() if content is None else path.write_bytes(content)
        capture = scene.capture()
        scene.expect(data)
        assert "source.json was lost" in capture.messages()
        scene.finish(capture, data)
        scene.settles(data)


def test_s51_no_state_and_no_proof(tmp_path: Path) -> None:
    """Where nothing proves the position either, capture ends with 2 and an incident: it never guesses."""
    with Scene(tmp_path) as scene:
        scene.append(OLD)
        capture = scene.capture()
        scene.expect(OLD)
        capture.kill()
        (scene.journal / "source.json").write_bytes(b"")
        scene.path.write_bytes(lines(5000, 1000))
        for _ in range(2):
            capture = scene.start()
            assert 2 == capture.status()
            assert "is not known, and is not guessed" in capture.messages()
        assert "source-lost" in {incident["kind"] for incident in scene.incidents()}
        check_equal(OLD, scene.content())


@pytest.mark.parametrize("damage", ["empty", "garbage", "missing"])
def test_s51_corrupt_cursor(tmp_path: Path, damage: str) -> None:
    """The cursor of a sink that was delivered to cannot be read: told as an incident; nothing is passed over."""
    with Outlets(tmp_path) as scene:
        scene.fill(OLD)
        config = scene.configure({"console": {"type": "stdout", "format": "raw"}})
        with open(tmp_path / "delivered", "wb") as file:
            ship = scene.run_ship(config, stdout=file.fileno())
        scene.wait_cursor("console", len(OLD))
        scene.stop_ship(ship)
        path = scene.journal / "cursors" / "console"
        path.unlink() if damage == "missing" else path.write_bytes(b"" if damage == "empty" else b"\xff" * 8192)
        check_equal(OLD, scene.ship("--config", config))
        assert ["cursor-lost"] == [incident["kind"] for incident in scene.incidents()]


def test_s52_state_dir_full(tmp_path: Path) -> None:
    """The journal's disk is full: nothing is reclaimed beyond the journal, the incident is written, then it goes on."""
    with tmpfs(tmp_path / "disk", 24 * MIB) as volume, Scene(tmp_path) as scene:
        scene.journal = volume.path / "journal"
        data = scene.append(OLD)
        capture = scene.capture(reclaim="punch", reclaim_at="256KiB", segment_size="256KiB")
        scene.expect(data)
        ballast = Ballast(volume, MIB)
        data += scene.append(lines(1000, 30_000))
        capture.says("takes no more")
        there = scene.end()
        kept = scene.path.read_bytes()[there:]
        check_equal(data[there:], kept)
        check_equal(data[:there], scene.content())
        ballast.drop()
        scene.finish(capture, data)
        assert scene.incidents("disk-full")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_s52_state_dir_full_at_a_rotation(tmp_path: Path, number: int) -> None:
    """A state file cannot be replaced when a rotation is found: capture may end, and the next one loses nothing."""
    with Scene(tmp_path) as scene:
        data = scene.append(OLD)
        capture = scene.capture()
        scene.expect(data)
        wait_until(lambda: scene.source()["files"][0]["marks"], "its segment is finished")  # or the next start does it
        capture.kill()
        data += scene.append(lines(1000, 20))
        scene.path.rename(scene.older())
        data += scene.append(lines(2000, 20))
        capture = scene.start(Traced("?rename,?renameat,?renameat2", f"error=ENOSPC:when={number}"))
        wait_until(lambda: bool(capture.injected()) or not capture.alive(), "the disk has refused")
        assert capture.injected()
        capture.kill()
        scene.finish(scene.capture(), data)
        scene.settles(data)


def test_s53_power_loss_checkpoint_older_than_the_journal(tmp_path: Path) -> None:
    """An older source.json comes back: the position is still the journal's end, nothing is there twice."""
    with Scene(tmp_path) as scene:
        data = scene.append(OLD)
        capture = scene.capture(segment_size="16KiB")
        scene.expect(data)
        old = (scene.journal / "source.json").read_bytes()
        data += scene.append(lines(1000, 400))
        scene.expect(data)
        capture.kill()
        assert old != (scene.journal / "source.json").read_bytes()
        (scene.journal / "source.json").write_bytes(old)
        scene.finish(scene.capture(segment_size="16KiB"), data)
        scene.settles(data)


def test_s53_power_loss_cursor_older_than_acks(tmp_path: Path) -> None:
    """An older cursor comes back: records are sent again under the ids that they had; no gap."""
    with Scene(tmp_path) as scene:
        scene.append(OLD)
        capture = scene.capture()
        scene.expect(OLD)
        config = scene.config("", JSON_SINK)
        first = scene.ship("--config", config)
        old = (scene.journal / "cursors" / "console").read_bytes()
        scene.append(lines(500, 100))
        scene.finish(capture, lines(0, 600))
        second = scene.ship("--config", config)
        (scene.journal / "cursors" / "console").write_bytes(old)
        again = scene.ship("--config", config)
        assert identities(second) == identities(again)
        assert 600 == len(set(identities(first + again)))


@pytest.mark.parametrize("lost", [10, LINE_BYTES, 30 * LINE_BYTES + 50, len(OLD)])
def test_s54_power_loss_file_shorter_than_checkpoint(tmp_path: Path, lost: int) -> None:
    """The file lost its tail with the machine: the journal's copy stands, an incident says so, new records follow."""
    with Scene(tmp_path) as scene:
        scene.append(OLD)
        capture = scene.capture()
        scene.expect(OLD)
        capture.kill()
        os.truncate(scene.path, len(OLD) - lost)
        scene.reboot()
        (
            scene.journal / "boot.json"
        ).unlink()  # or addresses would be skipped, as for a journal that may have lost some
        scene.append(b"")
        capture = scene.start()
        assert capture.wait_ready(), capture.messages()
        _, _, detail = scene.incident("source-rolled-back")
        assert (len(OLD) - lost, len(OLD)) == (detail["source_from"], detail["source_to"])
        new = scene.append(lines(1000, 20))
        wait_until(lambda: new in b"".join(piece for _, piece in segments(scene)), "new records are there")
        assert 0 == scene.stop(capture)
        assert OLD + new == b"".join(piece for _, piece in segments(scene))
        assert [] == scene.incidents("truncated")


def segments(scene: Scene) -> list[tuple[int, bytes]]:
    """Return (base, bytes) of the segments, which a power loss may have set apart."""
    return read_segments(scene.journal)


def test_s55_the_cursor_does_not_pass_what_was_not_taken(tmp_path: Path) -> None:
    """A reader of stdout goes in the middle: the cursor is not beyond what it took; the next one misses nothing."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 3000))
        scene.finish(scene.capture(), data)
        read_end, write_end = os.pipe()
        ship = scene.spawn("ship", "--journal", str(scene.journal), stdout=write_end)
        os.close(write_end)
        taken = b""
        while len(taken) < 100_000:
            taken += os.read(read_end, 4096)
        os.close(read_end)
        wait_until(lambda: "console" in ship.messages() or "stdout" in ship.messages(), "it has noticed")
        ship.signal(signal.SIGTERM)
        ship.status()
        rest = scene.ship()
        start = len(data) - len(rest)
        assert data.startswith(taken)
        assert start <= len(taken)
        check_equal(data[start:], rest)


def test_s56_sigterm_drain(tmp_path: Path) -> None:
    """SIGTERM with unread and undelivered bytes: the sidecar waits for Vault's last ones, delivers all, exits 0."""
    with Scene(tmp_path) as scene, Vault(scene.path, tmp_path) as vault:
        data = vault.write(3000)
        config = scene.config("segment_size: 1MiB, max_size: 64MiB")
        output = scene.directory / "delivered"
        with open(output, "wb") as file:
            sidecar = scene.spawn("sidecar", "--file", str(scene.path), "--config", config, stdout=file.fileno())
        wait_until(lambda: '"started"' in sidecar.messages() or not sidecar.alive(), "it has started")
        vault.begin(3000)
        sidecar.signal(signal.SIGTERM)
        data += vault.end()
        data += vault.write(10)
        vault.process.kill()
        assert 0 == sidecar.status(), sidecar.messages()
        check_equal(data, output.read_bytes())


def test_s56_sigterm_drain_with_a_deadline(tmp_path: Path) -> None:
    """The sink is blocked at the stop: the sidecar ends at its deadline, says what is left; the rest comes later."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 2000))
        config = scene.config("segment_size: 1MiB, max_size: 64MiB")
        with open(config, "a", encoding="utf-8") as file:
            file.write("shutdown: {deadline: 1s}\n")
        read_end, write_end = os.pipe()
        sidecar = scene.spawn("sidecar", "--file", str(scene.path), "--config", config, stdout=write_end)
        wait_until(lambda: is_full(write_end), "stdout is blocked")
        scene.expect(data)
        sidecar.signal(signal.SIGTERM)
        assert 0 == sidecar.status(), sidecar.messages()
        os.close(write_end)
        taken = b""
        while piece := os.read(read_end, 1 << 16):
            taken += piece
        os.close(read_end)
        assert "not delivered" in sidecar.messages() or "undelivered" in sidecar.messages()
        rest = scene.ship("--config", config)
        assert data.startswith(taken[: taken.rfind(b"\n") + 1])
        check_equal(data[len(data) - len(rest) :], rest)
        assert len(data) - len(rest) <= len(taken)


@pytest.mark.parametrize("role", ["capture", "ship", "keep"])
def test_s57_double_instance(tmp_path: Path, role: str) -> None:
    """A second one of any role on the same journal is refused with a sentence; the first one goes on."""
    with Scene(tmp_path) as scene:
        data = scene.append(OLD)
        config = scene.config("segment_size: 1MiB, max_size: 64MiB")
        scene.finish(scene.capture(), data)
        lock = scene.journal / f"lock.{role}"
        lock.unlink(missing_ok=True)
        words = scene.words() if role == "capture" else [role, "--config", config]
        first = scene.spawn(*words)
        wait_until(lambda: (lock.exists() and lock.read_text().strip()) or not first.alive(), "it has its lock")
        second = scene.spawn(*words)
        assert 2 == second.status()
        assert lock.read_text().strip() in second.messages()
        assert first.alive()
        first.signal(signal.SIGTERM)
        assert 0 == first.status()


def test_s57_the_refused_one_touches_nothing(tmp_path: Path) -> None:
    """The second instance touched nothing: one record more is one record more."""
    with Scene(tmp_path) as scene:
        data = scene.append(OLD)
        capture = scene.capture()
        scene.expect(data)
        assert 2 == scene.start().status()
        data += scene.append(line(1000))
        scene.finish(capture, data)
