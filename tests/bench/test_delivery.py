from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bench import peers
from bench.delivery import OURS
from bench.delivery_contest import HTTP_CONFIG, Way, sender, sink_config
from bench.latency import late
from bench.peers import CONFIGS, RSYSLOG, SYSLOG_NG, Peer, can_send_http

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("way", OURS, ids=lambda way: way.name)
def test_our_sink_begins_at_the_first_record(tmp_path: Path, way: Way) -> None:
    """A sink of a fresh name, for whoever was there before has delivered everything; and no seals among the records."""
    names = set()
    for directory in (tmp_path / "standpipe-bench-One_2", tmp_path / "standpipe-bench-two"):
        directory.mkdir()
        line, _ = sender(way, "/journal", str(directory), "http://127.0.0.1:9")
        config = json.loads((directory / "ship.yaml").read_bytes())
        ((name, sink),) = config["sinks"].items()
        names.add(name)
        assert {"start": "earliest", "deliver_seals": False, way.address: "http://127.0.0.1:9"}.items() <= sink.items()
        assert ["ship", "--journal", "/journal", "--config", str(directory / "ship.yaml")] == line[-5:]
    assert {"sone-2", "stwo"} == names


def test_a_peer_reads_the_journals_segment(tmp_path: Path) -> None:
    """The very bytes that ours reads, with the config for HTTP and as many workers as asked."""
    (tmp_path / "segments").mkdir()
    segment = tmp_path / "segments" / "00000000000000000000.log"
    segment.touch()
    way = Way("peer", peer=Peer(SYSLOG_NG, "/usr/sbin/syslog-ng"), workers=2)
    line, values = sender(way, str(tmp_path), "/state", "http://127.0.0.1:9")
    assert str(CONFIGS / HTTP_CONFIG) in line
    expected = (str(segment), "http://127.0.0.1:9", "2")
    assert expected == tuple(values[f"BENCH_{key}"] for key in ("SOURCE", "TARGET", "WORKERS"))
    text = (CONFIGS / HTTP_CONFIG).read_text(encoding="utf-8")
    assert all(f"`BENCH_{key}`" in text for key in ("SOURCE", "TARGET", "WORKERS"))


def test_the_sink_of_a_way() -> None:
    """The address goes where the type wants it."""
    way = Way("x", {"type": "gcp"}, address="endpoint")
    assert {"type": "gcp", "endpoint": "http://h", "deliver_seals": False} == sink_config(way, "http://h")


def test_a_peer_needs_its_http_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unpacked or installed; without the module, or as rsyslog, it cannot take part."""
    monkeypatch.setattr(peers, "INSTALLED_MODULES", str(tmp_path / "installed" / "[0-9]*"))
    unpacked, installed = tmp_path / "unpacked", tmp_path / "installed" / "3.38"
    here, there = Peer(SYSLOG_NG, "/x", str(unpacked)), Peer(SYSLOG_NG, "/x")
    for peer, modules in ((here, unpacked), (there, installed)):
        assert not can_send_http(peer)
        modules.mkdir(parents=True)
        (modules / peers.HTTP_MODULE).touch()
        assert can_send_http(peer)
    assert not can_send_http(Peer(RSYSLOG, "/x", str(unpacked)))


def test_only_the_load_counts() -> None:
    """Records from before it do not."""
    assert [0.2, 0.1] == late([(1.0, 9.0), (5.0, 0.2), (6.0, 0.1)], 5.0, 2)


@pytest.mark.parametrize("due", [1, 3])
def test_a_record_that_is_missing_or_repeated(due: int) -> None:
    """A percentile of what happened to arrive would look better than it is."""
    with pytest.raises(RuntimeError, match="2 records were received"):
        late([(5.0, 0.2), (6.0, 0.1)], 5.0, due)
