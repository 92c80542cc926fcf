"""Scenarios of delivery to several sinks: what a cursor may pass, what may be deleted, who waits for whom."""

from __future__ import annotations

import signal
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from backports import zstd

from tests.faults.injection import Injection, wait_until
from tests.scenarios.delivery_rig import (
    OK,
    JudgingHttp,
    Outlets,
    PacedHttp,
    Sinks,
    http_sink,
    in_first_order,
    peak_memory,
)
from tests.scenarios.rig import LINE_BYTES, check_equal, line, lines
from tests.sinks.http_destination import HttpDestination
from tests.sinks.otlp_destination import OtlpDestination
from tests.sinks.syslog_destination import SyslogDestination
from tests.tier import scale

if TYPE_CHECKING:
    from pathlib import Path


UNAVAILABLE, BAD_REQUEST = 503, 400
BATCH = 10
KEEP_LITTLE = {"retain": {"age": "1s", "size": "16KiB"}}
MIB = 1 << 20


def test_s55_ack_out_of_order_and_hole(tmp_path: Path) -> None:
    """The second batch is acknowledged and the first is not: the cursor stays before both, also over a kill -9."""
    with Outlets(tmp_path) as scene, JudgingHttp() as web:
        data = scene.fill(lines(0, 100))
        ids = scene.ids(data)
        web.judge = lambda records: UNAVAILABLE if records[0].id == ids[0] else OK
        config = scene.configure({"web": http_sink(web, batch={"records": BATCH, "in_flight": 3})})
        for _ in range(3):
            arrived, refused = len(web.records), web.refused
            ship = scene.run_ship(config)
            web.wait_for(lambda web, arrived=arrived: ids[BATCH] in web.ids[arrived:])  # type: ignore[misc]
            web.wait_for(lambda web, refused=refused: web.refused >= refused + 2)  # type: ignore[misc]
            assert 0 == scene.cursor("web")
            ship.signal(signal.SIGKILL)
            ship.status()
            assert 0 == scene.cursor("web")
        assert set(web.ids) <= set(ids[BATCH : 4 * BATCH])  # no more is under way than the window has room for
        web.judge = lambda _: OK
        ship = scene.run_ship(config)
        scene.wait_cursor("web", len(data))
        scene.stop_ship(ship)
        assert set(ids) == set(web.ids)
        assert len(ids) == len({(record.id, record.raw) for record in web.records})


def left(scene: Outlets) -> int:
    """Return the offset where the journal begins now."""
    names = [path.name for path in (scene.journal / "segments").glob("*.log*")]
    return min(int(name[:20]) for name in names)


@pytest.mark.parametrize("late", ["http", "syslog", "objects"])
def test_s58_three_sinks_one_of_them_down(tmp_path: Path, late: str) -> None:
    """Two of three sinks have everything: not a segment goes. The third has it too: they go."""
    archive = tmp_path / "archive"
    with Outlets(tmp_path) as scene, HttpDestination() as web, HttpDestination() as third, SyslogDestination() as log:
        data = scene.fill(lines(0, 2000))
        lates: Sinks = {
            "http": http_sink(third),
            "syslog": {"type": "syslog", "transport": "tcp", "address": log.address},
            "objects": {"type": "objects", "url": f"file://{archive}", "cluster": "blue"},
        }
        sinks: Sinks = {"web": http_sink(web), "disk": {"type": "file", "path": str(tmp_path / "delivered")}}
        config = scene.configure({**sinks, "late": lates[late]}, **KEEP_LITTLE)
        third.down()
        log.down()
        ship = scene.run_ship(config)
        assert 0 == scene.keep("--config", config)
        for sink in ("web", "disk"):
            scene.wait_cursor(sink, len(data))
        wait_until(lambda: scene.sink_status("late").get("state") in ("retrying", "config-fault"), "it is told")
        assert 0 == scene.keep("--config", config)
        check_equal(data, scene.content())
        scene.stop_ship(ship)
        third.up()
        log.up()
        archive.mkdir()
        scene.ship("--config", config)
        assert 0 == scene.keep("--config", config)
        assert left(scene) > len(data) * 3 // 4
        if late == "objects":
            stored = b"".join(zstd.decompress(path.read_bytes()) for path in sorted(archive.rglob("*.log.zst")))
            assert data.startswith(stored)
            assert left(scene) <= len(stored)
            assert scene.cursor("late") == len(stored)


def test_s58_objects_hold_what_they_have_not_stored(tmp_path: Path) -> None:
    """An archive takes whole segments: each that it has may go, also while the next one cannot be stored."""
    archive = tmp_path / "archive"
    archive.mkdir()
    with Outlets(tmp_path) as scene, HttpDestination() as web:
        first = scene.fill(lines(0, 1000))
        objects: dict[str, object] = {"type": "objects", "url": f"file://{archive}", "cluster": "blue"}
        config = scene.configure({"web": http_sink(web), "archive": objects}, **KEEP_LITTLE)
        scene.ship("--config", config)  # nothing is sealed yet, so the archive has nothing
        assert 0 == scene.keep("--config", config)
        check_equal(first, scene.content())
        scene.ship("--config", config)
        stored = scene.cursor("archive")
        assert 0 < stored < len(first)
        archive.rename(tmp_path / "away")
        data = first + scene.append(lines(1000, 1000))
        capture = scene.capture(segment_size="16KiB")
        scene.wait_end(len(data))
        assert 0 == scene.stop(capture)
        assert 0 == scene.keep("--config", config)
        ship = scene.run_ship(config)
        scene.wait_cursor("web", len(data))
        scene.wait_state("archive", "config-fault")
        assert 0 == scene.keep("--config", config)
        assert stored - 16 * 1024 <= left(scene) <= stored  # keep leaves one that is delivered: retain.size
        scene.stop_ship(ship)
        (tmp_path / "away").rename(archive)
        scene.ship("--config", config)
        assert 0 == scene.keep("--config", config)
        assert stored < left(scene) <= scene.cursor("archive")
        data_files = sorted(archive.rglob("*.log.zst"))
        bounds = [path.name.partition(".")[0].split("-") for path in data_files]
        assert all(int(one[1]) == int(other[0]) for one, other in pairwise(bounds))


def test_s60_dropped_is_not_acked(tmp_path: Path) -> None:
    """While its dead letter cannot be written, a refused record's segment stays, also over a kill -9; then it goes."""
    with Outlets(tmp_path) as scene, JudgingHttp() as web:
        good = lines(0, 1000)
        poison, huge = line(5000), line(5001, 9000)
        data = scene.fill(good[: 400 * LINE_BYTES] + poison + huge + good[400 * LINE_BYTES :])
        ids = scene.ids(data)
        web.judge = lambda records: BAD_REQUEST if any(b'"serial":5000,' in record.raw for record in records) else OK
        sink = http_sink(web, max_record_size="4KiB", oversize="dead-letter", batch={"records": BATCH})
        config = scene.configure({"web": sink}, **KEEP_LITTLE)
        scene.dead_letter_file("web").mkdir(parents=True)
        assert 0 == scene.keep("--config", config)
        ship = scene.run_ship(config)
        assert "web.jsonl" in str(scene.wait_state("web", "dead-letters-full")["why"])
        assert 0 == scene.keep("--config", config)
        assert scene.cursor("web") <= 400 * LINE_BYTES
        assert left(scene) <= 400 * LINE_BYTES
        ship.signal(signal.SIGKILL)
        ship.status()
        scene.dead_letter_file("web").rmdir()
        ship = scene.run_ship(config)
        scene.wait_cursor("web", len(data))
        scene.stop_ship(ship)
        letters = {str(letter["id"]): str(letter["record"]).encode() + b"\n" for letter in scene.dead_letters("web")}
        assert {ids[400]: poison, ids[401]: huge} == letters
        assert [*ids[:400], *ids[402:]] == in_first_order(web.ids)
        assert 0 == scene.keep("--config", config)
        assert left(scene) > len(data) * 3 // 4
        assert {400 * LINE_BYTES, 401 * LINE_BYTES} == {entry["offset"] for entry in scene.incidents("dead-letter")}
        status = scene.sink_status("web")
        assert ("current", 1000, 2) == (status["state"], status["delivered"], status["dead_letters"])


class Watched(Injection):
    """strace that changes nothing: the calls named by `syscall`, with enough of what they write."""

    def words(self, trace: Path) -> list[str]:
        """Return strace and its options."""
        return ["strace", "-f", "-y", "-s", "200", "-o", str(trace), "-e", f"trace={self.syscall}"]


def test_s60_dead_letter_is_durable_before_the_cursor_moves(tmp_path: Path) -> None:
    """The dead-letter file is synced before any cursor is written that lies beyond the record."""
    with Outlets(tmp_path) as scene, JudgingHttp() as web:
        data = scene.fill(lines(0, 100))
        web.judge = lambda records: BAD_REQUEST if any(b'"serial":50,' in record.raw for record in records) else OK
        config = scene.configure({"web": http_sink(web, batch={"records": BATCH})})
        ship = scene.run_ship(config, injection=Watched("fsync,fdatasync,pwrite64"))
        scene.wait_cursor("web", len(data))
        ship.signal(signal.SIGTERM)
        assert 0 == ship.status()
        calls = ship.trace().splitlines()
        (synced,) = [i for i, call in enumerate(calls) if "sync(" in call and "deadletter/web.jsonl" in call]
        offsets = [
            (i, int(call.partition('\\"offset\\":')[2].split(",")[0]))
            for i, call in enumerate(calls)
            if "pwrite64(" in call and "/cursors/web" in call and "offset" in call
        ]
        beyond = [i for i, offset in offsets if offset > 50 * LINE_BYTES]
        assert synced < min(beyond)
        assert len(beyond) < len(offsets)


def test_s63_sink_slow(tmp_path: Path) -> None:
    """A sink that gets one record where the others get a hundred delays none of them, and costs no memory."""
    with Outlets(tmp_path) as scene, HttpDestination() as web:
        slow = PacedHttp(lambda: len(slow.records) < 50 or len(web.records) >= 100 * (len(slow.records) + 50))
        with slow:
            data = scene.append(lines(0, 50, 2000))
            capture = scene.capture(segment_size="4MiB")
            sinks: Sinks = {"web": http_sink(web), "disk": {"type": "file", "path": str(tmp_path / "delivered")}}
            sinks["slow"] = http_sink(slow, batch={"records": 50})
            ship = scene.run_ship(scene.configure(sinks, segment_size="4MiB"))
            for sink in sinks:
                scene.wait_cursor(sink, len(data))
            before = peak_memory(ship.pid)
            data += scene.append(lines(50, scale(32_000, 200_000), 2000))
            for sink in ("web", "disk"):
                scene.wait_cursor(sink, len(data))
            ids = scene.ids(data)
            assert ids == web.ids
            assert 50 <= len(slow.records) <= len(ids) // 100
            status = scene.sink_status("slow")
            assert "behind" == status["state"]
            assert int(str(status["lag_records"])) >= len(ids) * 98 // 100
            slow.released.set()
            scene.wait_cursor("slow", len(data))
            assert ids == slow.ids
            assert peak_memory(ship.pid) - before < len(data) // 2
            scene.stop_ship(ship)
            assert 0 == scene.stop(capture)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_s64_sink_down_then_up(tmp_path: Path, *, busy: bool) -> None:
    """Refused connections for a while: all arrives in order; once, but for what was under way when it broke."""
    with Outlets(tmp_path) as scene, HttpDestination() as web, SyslogDestination() as log, OtlpDestination() as otlp:
        batch = {"records": 100}
        sinks: Sinks = {
            "web": http_sink(web, batch=batch),
            "otlp": {"type": "otlp", "endpoint": otlp.endpoint, "batch": batch, "deliver_seals": False},
            "log": {"type": "syslog", "transport": "tcp", "address": log.address, "batch": batch},
        }
        sinks["log"]["deliver_seals"] = False
        destinations: dict[str, HttpDestination | SyslogDestination] = {"web": web, "otlp": otlp, "log": log}
        config = scene.configure(sinks)
        data = scene.append(lines(0, 2000))
        sidecar = scene.spawn("sidecar", "--file", str(scene.path), "--config", config)
        for sink, destination in destinations.items():
            if busy:
                wait_until(lambda d=destination: len(d.ids) >= 100, f"{sink} has a part")  # type: ignore[misc]
            else:
                scene.wait_cursor(sink, len(data))
            destination.down()
        data += scene.append(lines(2000, 1000))
        for sink in sinks:
            assert "refused" in str(scene.wait_state(sink, "retrying")["why"])
        data += scene.append(lines(3000, 1000))
        scene.wait_end(len(data))
        for destination in destinations.values():
            destination.up()
        for sink in sinks:
            scene.wait_cursor(sink, len(data))
            wait_until(lambda sink=sink: scene.sink_status(sink)["state"] == "current", "it is told")  # type: ignore[misc]
        sidecar.signal(signal.SIGTERM)
        assert 0 == sidecar.status(), sidecar.messages()
        ids = scene.ids(data)
        for destination in destinations.values():
            assert ids == in_first_order(destination.ids)
            assert len(destination.ids) - len(ids) <= (100 if busy else 0)
