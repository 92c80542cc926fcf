from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import peers
from bench.peers import PEERS, PROGRAMS, RSYSLOG, SYSLOG_NG, Peer, command, environment, find_peer, how_to_get

if TYPE_CHECKING:
    from pathlib import Path

MODULES = {RSYSLOG: "usr/lib/x86_64-linux-gnu/rsyslog", SYSLOG_NG: "usr/lib/syslog-ng/3.38"}


@pytest.fixture(autouse=True)
def no_installed_peer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no program of the machine be found."""
    monkeypatch.setattr(peers, "SYSTEM_PATH", str(tmp_path / "bin"))


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_that_is_missing(tmp_path: Path, name: str) -> None:
    """It is not found, and the command that unpacks it names its package."""
    assert find_peer(name, tmp_path / "none") is None
    assert f"apt-get download {name}" in how_to_get(name)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_that_was_unpacked(tmp_path: Path, name: str) -> None:
    """Its modules and libraries are found beside it."""
    (tmp_path / "usr/sbin").mkdir(parents=True)
    program = tmp_path / "usr/sbin" / PROGRAMS[name]
    program.touch()
    (tmp_path / MODULES[name]).mkdir(parents=True)
    (tmp_path / "lib/x86_64-linux-gnu").mkdir(parents=True)
    peer = find_peer(name, tmp_path)
    assert peer is not None
    assert (name, str(program), str(tmp_path / MODULES[name])) == (peer.name, peer.program, peer.module_path)
    assert str(tmp_path / "lib/x86_64-linux-gnu") in peer.library_path.split(":")
    assert str(tmp_path / MODULES[name]) in command(peer, "/state")


@pytest.mark.parametrize("name", PEERS)
def test_an_installed_peer_comes_first(tmp_path: Path, name: str) -> None:
    """It needs no path of modules or libraries."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / PROGRAMS[name]
    program.touch(mode=0o700)
    assert Peer(name, str(program)) == find_peer(name, tmp_path)


@pytest.mark.parametrize("name", PEERS)
def test_nothing_outside_the_directory_is_written(name: str) -> None:
    """Every path of state lies in the directory, as an absolute path: relative ones would lie in /var."""
    words = command(Peer(name, "/usr/sbin/x"), "/state")
    values = environment(Peer(name, "/usr/sbin/x"), "/state", "/source", "/target")
    state = {words[words.index(flag) + 1] for flag in ("-i", "-R", "-p", "-c") if flag in words}
    assert ("/state", "/source", "/target") == tuple(values[f"BENCH_{key}"] for key in ("WORK", "SOURCE", "TARGET"))
    assert "/state/pid" in state
    assert not [path for path in state if not path.startswith("/state/")]


@pytest.mark.parametrize(("name", "config"), [(RSYSLOG, "rsyslog.conf"), (SYSLOG_NG, "syslog-ng.conf")])
def test_the_configs_take_their_paths_from_the_environment(name: str, config: str) -> None:
    """Both are named in the config that the command line names."""
    assert str(peers.CONFIGS / config) in command(Peer(name, "/usr/sbin/x"), "/state")
    text = (peers.CONFIGS / config).read_text(encoding="utf-8")
    assert "BENCH_SOURCE" in text
    assert "BENCH_TARGET" in text
