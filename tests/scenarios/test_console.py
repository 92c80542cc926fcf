"""Scenarios of stdout as others leave it: blocked, without a reader, with O_NONBLOCK set, read in crumbs."""

from __future__ import annotations

import fcntl
import os
import select
import signal
from typing import TYPE_CHECKING

from tests.faults.injection import wait_until
from tests.faults.rig import DEADLINE_SECONDS, is_full
from tests.scenarios.delivery_rig import Outlets, Sinks, http_sink, peak_memory
from tests.scenarios.rig import check_equal, lines
from tests.sinks.http_destination import HttpDestination

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 4096
MIB = 1 << 20
CONSOLE: dict[str, object] = {"type": "stdout", "format": "raw"}


def read_some(descriptor: int, length: int, size: int = 1 << 16) -> bytes:
    """Read so many bytes, at most `size` at once."""
    data = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while len(data) < length:
        assert poll.poll(DEADLINE_SECONDS * 1000), f"only {len(data)} of {length} bytes came"
        piece = os.read(descriptor, min(size, length - len(data)))
        assert piece, "the other end has gone"
        data += piece
    return bytes(data)


def test_s68_stdout_blocked(tmp_path: Path) -> None:
    """Nobody reads stdout: the other sinks go on, status tells how far it is behind, and nothing is lost of it."""
    with Outlets(tmp_path) as scene, HttpDestination() as web:
        data = scene.append(lines(0, 1, 2000))
        capture = scene.capture(segment_size="1MiB")
        sinks: Sinks = {
            "console": CONSOLE,
            "web": http_sink(web),
            "disk": {"type": "file", "path": str(tmp_path / "delivered")},
        }
        config = scene.configure(sinks, segment_size="1MiB", retain={"age": "1s", "size": "16KiB"})
        read_end, write_end = os.pipe()
        try:
            ship = scene.run_ship(config, stdout=write_end)
            for sink in sinks:
                scene.wait_cursor(sink, len(data))
            before = peak_memory(ship.pid)
            data += scene.append(lines(1, 24_000, 2000))
            for sink in ("web", "disk"):
                scene.wait_cursor(sink, len(data))
            assert is_full(write_end)
            assert 0 == scene.keep("--config", config)
            check_equal(data, scene.content())
            status = scene.sink_status("console")
            assert status["state"] != "current"
            assert int(str(status["lag_bytes"])) > len(data) - MIB
            assert peak_memory(ship.pid) - before < len(data) // 2
            check_equal(data, read_some(read_end, len(data)))
            scene.wait_cursor("console", len(data))
            scene.stop_ship(ship)
            assert 0 == scene.stop(capture)
        finally:
            os.close(read_end)
            os.close(write_end)


def test_s69_nonblocking_short_writes_and_signals(tmp_path: Path) -> None:
    """A pipe of a page with O_NONBLOCK set, read in crumbs, while signals arrive: each byte once, in order."""
    with Outlets(tmp_path) as scene:
        data = scene.fill(lines(0, 3000))
        config = scene.configure({"console": CONSOLE})
        read_end, write_end = os.pipe()
        try:
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PAGE)
            os.set_blocking(write_end, False)
            ship = scene.run_ship(config, stdout=write_end)
            taken = b""
            while len(taken) < len(data):
                taken += read_some(read_end, min(1009, len(data) - len(taken)), 137)
                ship.signal(signal.SIGHUP)
            check_equal(data, taken)
            scene.wait_cursor("console", len(data))
            assert not os.get_blocking(write_end)
            scene.stop_ship(ship)
            os.set_blocking(read_end, False)
            os.close(write_end)
            assert b"" == os.read(read_end, 1)
        finally:
            os.close(read_end)


def test_s69_a_reader_that_goes_and_comes_back(tmp_path: Path) -> None:
    """A FIFO whose reader goes away (EPIPE), again and again: the next one goes on at the very next byte."""
    with Outlets(tmp_path) as scene:
        data = scene.fill(lines(0, 3000))
        config = scene.configure({"console": CONSOLE})
        fifo = tmp_path / "console"
        os.mkfifo(fifo)
        read_end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        write_end = os.open(fifo, os.O_WRONLY)
        try:
            ship = scene.run_ship(config, stdout=write_end)
            taken = b""
            for _ in range(2):
                os.set_blocking(read_end, True)
                taken += read_some(read_end, 100_000)
                os.close(read_end)
                wait_until(lambda: "cannot be written to" in str(scene.sink_status("console")["why"]), "status says so")
                read_end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            os.set_blocking(read_end, True)
            taken += read_some(read_end, len(data) - len(taken))
            check_equal(data, taken)
            scene.wait_cursor("console", len(data))
            scene.stop_ship(ship)
        finally:
            os.close(write_end)
            os.close(read_end)
