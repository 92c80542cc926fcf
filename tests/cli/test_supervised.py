from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from standpipe.cli.sidecar import capture_deadline_seconds
from standpipe.cli.supervised import capture_arguments, child_commands, pipes, source_path
from standpipe.config import GIB, KIB, MIB, apply_flags, parse_config, resolve
from standpipe.errors import UsageError

if TYPE_CHECKING:
    from standpipe.config import Config

COMMON = ["--on-full", "drop-oldest", "--segment-size", str(MIB), "--max-size", str(GIB)]
COMMON += ["--fsync", "250ms", "--seal-every", "300000ms", "--deadline", "1500ms"]
JOURNAL = {"path": "/j", "segment_size": "1MiB", "max_size": "1GiB", "on_full": "drop-oldest"}
JOURNAL |= {"fsync": "250ms", "seal_every": "5m"}
RECLAIM = {"way": "punch", "at": "64KiB", "max_apparent_size": "1GiB", "pid_file": "/p"}


def config_of(**source: object) -> Config:
    """Return complete settings with this source."""
    return resolve(parse_config({"source": source, "journal": JOURNAL}), 0, 0)


def test_what_capture_is_told_of_a_fifo() -> None:
    """With a FIFO capture gets its path and the journal's limits, and no word of reclaiming or signals."""
    assert ["--fifo", "/f", *COMMON] == capture_arguments(config_of(fifo="/f"), 1.5, 17)


def test_what_capture_is_told_of_a_file() -> None:
    """With a file capture gets the defaults of reclaiming as well, and nobody to signal where nobody is named."""
    expected = ["--file", "/f", "--reclaim", "auto", "--reclaim-at", str(8 * MIB), "--max-apparent-size", str(1 << 40)]
    assert [*expected, *COMMON] == capture_arguments(config_of(file="/f"), 1.5, None)


@pytest.mark.parametrize(("signal_pid", "whom"), [(None, ["--pid-file", "/p"]), (17, ["--signal-pid", "17"])])
def test_a_process_id_beats_a_pid_file(signal_pid: int | None, whom: list[str]) -> None:
    """Capture is told one way to reach Vault: the process id where there is one, else the pid file of the config."""
    expected = ["--file", "/f", "--reclaim", "punch", "--reclaim-at", str(64 * KIB), "--max-apparent-size", str(GIB)]
    config = config_of(file="/f", reclaim=RECLAIM)
    assert [*expected, *whom, *COMMON] == capture_arguments(config, 1.5, signal_pid)


def test_the_pid_file_of_the_command_line_beats_the_configs() -> None:
    """--pid-file replaces source.reclaim.pid_file."""
    config = apply_flags(config_of(file="/f", reclaim=RECLAIM), pid_file="/q")
    assert "/q" == config.source.reclaim.pid_file
    assert ["--pid-file", "/q"] == [*capture_arguments(config, 1.5, None)][8:10]


def test_every_child_knows_its_journal_and_its_parent() -> None:
    """Capture reads no config; keep and ship get the same one; all of them get the journal and our process id."""
    children = child_commands(config_of(file="/f"), "/c", ["--told"])
    assert ["capture", "keep", "ship"] == [child.role for child in children]
    assert [0, 1, 1] == [child.command.count("--config") for child in children]
    assert [1, 0, 0] == [child.command.count("--told") for child in children]
    for child in children:
        words = " ".join(child.command)
        assert (True, True) == ("--journal /j" in words, f"--parent-pid {os.getpid()}" in words)


def test_the_pipes_that_are_held() -> None:
    """The FIFO and the journal's reserve; with a file none, for there is nothing to hold."""
    assert ("/f", "/j/reserve") == pipes(config_of(fifo="/f"))
    assert () == pipes(config_of(file="/f"))


def test_the_source_must_be_named() -> None:
    """Where neither flag nor file names a source, nothing is started."""
    assert ("/f", "/g") == (source_path(config_of(fifo="/f")), source_path(config_of(file="/g")))
    with pytest.raises(UsageError, match="neither a FIFO nor a file was named"):
        source_path(config_of())


@pytest.mark.parametrize(("deadline", "expected"), [(20.0, 18.0), (8.0, 6.0), (4.0, 3.0), (0.0, 0.0)])
def test_ship_has_time_left_for_the_tail(deadline: float, expected: float) -> None:
    """Capture waits for Vault until 2 s before the deadline, and for three quarters of a short one."""
    assert expected == capture_deadline_seconds(deadline)
