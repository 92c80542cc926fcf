"""Scenario S84: the config is read again, a hundred times, while records come in."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.faults.injection import wait_until
from tests.scenarios.delivery_rig import Outlets, Sinks, count_of, http_sink, in_first_order
from tests.scenarios.vault import Vault
from tests.sinks.http_destination import HttpDestination
from tests.sinks.syslog_destination import SyslogDestination
from tests.tier import scale

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.injection import Process

ROUND = 5  # reloads after which the config is as it was at first
READ_AGAIN = "read again"
REFUSED = "is refused"


def read_again(scene: Outlets, ship: Process, sinks: Sinks) -> None:
    """Write a config that can be used, say SIGHUP, and wait until it is in use."""
    config = scene.configure(sinks)
    told = ship.messages().count(READ_AGAIN)
    ship.signal(signal.SIGHUP)
    wait_until(lambda: ship.messages().count(READ_AGAIN) > told or not ship.alive(), "the config is read again")
    assert ship.alive(), ship.messages()
    with open(config, "rb") as file:
        assert file.read() == (scene.journal / "config.yaml").read_bytes()


def is_refused(scene: Outlets, ship: Process, sinks: Sinks) -> None:
    """Write a config that cannot be used, say SIGHUP, and see that the old one goes on."""
    before = (scene.journal / "config.yaml").read_bytes()
    scene.configure(sinks)
    told = ship.messages().count(REFUSED)
    ship.signal(signal.SIGHUP)
    wait_until(lambda: ship.messages().count(REFUSED) > told or not ship.alive(), "the config is refused")
    assert ship.alive(), ship.messages()
    assert before == (scene.journal / "config.yaml").read_bytes()


def test_s84_hot_reload_under_load(tmp_path: Path) -> None:
    """Sinks are added, changed and removed in turn under load: no gap, no leak, and what stays gets all of it once."""
    with (
        Outlets(tmp_path) as scene,
        Vault(scene_log(tmp_path), tmp_path) as vault,
        HttpDestination() as stays,
        HttpDestination() as changes,
        SyslogDestination() as comes,
    ):
        capture = scene.capture(segment_size="64MiB")
        batch = {"records": 20}
        base: Sinks = {
            "stays": http_sink(stays, batch=batch),
            "disk": {"type": "file", "path": str(tmp_path / "delivered"), "format": "raw"},
            "changes": http_sink(changes, batch=batch),
        }
        comer = {"type": "syslog", "transport": "tcp", "address": comes.address, "start": "earliest"}
        more: Sinks = {**base, "comes": {**comer, "deliver_seals": False, "batch": batch}}
        other: Sinks = {**more, "changes": http_sink(changes, batch={"records": 7}, add={"cluster": "blue"})}
        last: Sinks = {**base, "changes": other["changes"]}
        bad: Sinks = {**base, "disk": {"type": "file", "path": "relative"}}
        ship = scene.run_ship(scene.configure(base))
        wait_until(lambda: (scene.journal / "config.yaml").exists() or not ship.alive(), "it has begun")
        data = b""
        resources: list[tuple[int, int]] = []
        for number in range(scale(100, 1000) // ROUND):
            for sinks in (more, other, last, bad, base):
                vault.begin(40)
                if sinks is bad:
                    is_refused(scene, ship, sinks)
                else:
                    read_again(scene, ship, sinks)
                data += vault.end()
            if number == 0:
                data += vault.write(10)  # so that every sink has a connection
                resources.append(at_rest(scene, ship, data))
        data += vault.write(10)
        resources.append(at_rest(scene, ship, data))
        assert resources[0] == resources[1]
        read_again(scene, ship, more)
        scene.wait_cursor("comes", len(data))
        at_rest(scene, ship, data)
        assert 0 == scene.stop(capture)
        scene.stop_ship(ship)
        ids = scene.ids(data)
        assert ids == stays.ids
        assert data == (tmp_path / "delivered").read_bytes()
        assert ids == in_first_order(changes.ids)
        assert ids == in_first_order(comes.ids)
        assert {"sink-added", "sink-removed"} == {str(entry["kind"]) for entry in scene.incidents()}


def scene_log(directory: Path) -> Path:
    """Return where the writer writes."""
    return directory / "vault" / "audit.log"


def at_rest(scene: Outlets, ship: Process, data: bytes) -> tuple[int, int]:
    """Wait until everything is delivered; return how many descriptors and threads ship has then."""
    for sink in ("stays", "disk", "changes"):
        scene.wait_cursor(sink, len(data))
    return count_of(ship.pid, "fd"), count_of(ship.pid, "task")
