from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from standpipe.config_accepted import ConfigSource, usable_config
from standpipe.config_problem import ConfigError
from standpipe.journal.layout import Layout
from standpipe.observe.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD = "sinks: {one: {type: stdout}}\n"
OTHER = "sinks: {two: {type: stdout}}\n"
BAD = "sinks: {\n"


class Machine:
    """A config file and a journal."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "standpipe.yaml"
        self.layout = Layout(str(directory / "journal"))
        (directory / "journal").mkdir()
        self.messages = directory / "messages"
        self._descriptor = os.open(self.messages, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.log = Log("ship", self._descriptor)

    def close(self) -> None:
        """Close what is open."""
        os.close(self._descriptor)

    def source(self, *, supervised: bool = True) -> ConfigSource:
        """Return what a ship reads by."""
        return ConfigSource(str(self.file), self.layout.root, self.log, supervised=supervised)

    def accept(self, text: str) -> None:
        """Have a ship accept a config."""
        self.file.write_text(text)
        source = self.source()
        source.load()
        source.accepted(self.layout)

    def kept(self) -> str:
        """Return the copy."""
        with open(self.layout.config, encoding="utf-8") as file:
            return file.read()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Return a machine."""
    made = Machine(tmp_path)
    yield made
    made.close()


def names(source: ConfigSource) -> list[str]:
    """Return the sinks of a start."""
    return [sink.name for sink in source.load().sinks]


def test_what_is_accepted_is_kept(machine: Machine) -> None:
    """To the byte, for us alone to read, and not written anew where it is the same."""
    machine.accept(GOOD)
    assert GOOD == machine.kept()
    assert 0o600 == os.stat(machine.layout.config).st_mode & 0o777
    before = os.stat(machine.layout.config).st_ino
    machine.accept(GOOD)
    assert before == os.stat(machine.layout.config).st_ino
    machine.accept(OTHER)
    assert OTHER == machine.kept()


def test_a_broken_file_does_not_stop_a_child(machine: Machine) -> None:
    """It goes by the copy, says so, and does not take the broken one for accepted."""
    machine.accept(GOOD)
    for damage in (BAD, None):
        machine.file.unlink()
        if damage is not None:
            machine.file.write_text(damage)
        source = machine.source()
        assert ["one"] == names(source)
        source.accepted(machine.layout)
        assert GOOD == machine.kept()
        machine.file.write_text(BAD)
    assert "the one that was accepted last goes on" in machine.messages.read_text()


def test_a_broken_file_stops_whoever_has_no_supervisor(machine: Machine) -> None:
    """A person is there, who sees it."""
    machine.accept(GOOD)
    machine.file.write_text(BAD)
    with pytest.raises(ConfigError):
        machine.source(supervised=False).load()


@pytest.mark.parametrize("copy", [None, BAD])
def test_where_neither_can_be_used(machine: Machine, copy: str | None) -> None:
    """What is wrong with the file itself is told."""
    if copy is not None:
        machine.accept(GOOD)
        with open(machine.layout.config, "w", encoding="utf-8") as file:
            file.write(copy)
    machine.file.write_text(BAD)
    with pytest.raises(ConfigError, match=r"standpipe\.yaml"):
        machine.source().load()


def test_without_a_file(machine: Machine) -> None:
    """The defaults hold, and nothing is kept."""
    source = ConfigSource(None, machine.layout.root, machine.log, supervised=True)
    assert not source.has_file
    assert ["stdout"] == names(source)
    source.accepted(machine.layout)
    assert not os.path.exists(machine.layout.config)
    assert usable_config(None, machine.layout.root, machine.log) is None


def test_sighup_reads_the_file_itself(machine: Machine) -> None:
    """A broken one is refused; the copy is for starts."""
    machine.accept(GOOD)
    source = machine.source()
    source.load()
    machine.file.write_text(BAD)
    with pytest.raises(ConfigError):
        source.load_again()
    machine.file.write_text(OTHER)
    assert ["two"] == [sink.name for sink in source.load_again().sinks]
    source.accepted(machine.layout)
    assert OTHER == machine.kept()


def test_what_a_restart_finds_changed(machine: Machine) -> None:
    """The config accepted last is at hand for comparison; one that is not taken after all is not kept."""
    machine.accept(GOOD)
    source = machine.source()
    source.load()
    assert source.last_accepted() is None  # nothing has changed
    machine.file.write_text(OTHER)
    source = machine.source()
    source.load()
    old = source.last_accepted()
    assert old is not None
    assert ["one"] == [sink.name for sink in old.sinks]
    source.forget()
    source.accepted(machine.layout)
    assert GOOD == machine.kept()
