from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from standpipe.config import resolve
from standpipe.config_file import MAX_CONFIG_BYTES, load_config, load_settings, volume_bytes
from standpipe.config_problem import ConfigError
from standpipe.errors import JournalError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_read_and_checked(tmp_path: Path) -> None:
    """A good file gives its settings."""
    file = tmp_path / "c.yaml"
    file.write_text("source: {fifo: /vault/audit/pipe}\njournal: {fsync: 2s}\n")
    config = load_config(str(file))
    assert ("/vault/audit/pipe", 2.0) == (config.source.fifo, config.journal.fsync_seconds)


def test_each_problem_names_the_file(tmp_path: Path) -> None:
    """Every line of a wrong file's error begins with its name, with control characters made visible."""
    file = tmp_path / "c\x1b.yaml"
    file.write_text("x: 1\ny: 2\n")
    with pytest.raises(ConfigError) as caught:
        load_config(str(file))
    start = f"{tmp_path}/c\\x1b.yaml: "
    assert [True, True] == [line.startswith(start) for line in str(caught.value).split("\n")]
    assert ["x", "y"] == [problem.path for problem in caught.value.problems]


def test_yaml_faults_name_file_line_and_column(tmp_path: Path) -> None:
    """A key that is given twice is refused with file, line and column."""
    file = tmp_path / "c.yaml"
    file.write_text("journal: {}\njournal: {}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(str(file))
    expected = f"{file}: line 2, column 1: journal is given twice, first in line 1. Keep one of them."
    assert expected == str(caught.value)


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    """A missing file and a directory are refused in words."""
    for path, reason in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError) as caught:
            load_config(str(path))
        assert f"{path}: (whole file): cannot be read: {reason}. Check --config." == str(caught.value)


def test_an_endless_file_is_refused(tmp_path: Path) -> None:
    """A file beyond 1 MiB is not a config; reading stops there."""
    file = tmp_path / "c.yaml"
    file.write_bytes(b"#" * MAX_CONFIG_BYTES)
    load_config(str(file))
    file.write_bytes(b"#" * (MAX_CONFIG_BYTES + 1))
    for path in (str(file), "/dev/zero"):
        with pytest.raises(ConfigError, match="is larger than 1 MiB"):
            load_config(path)


def test_settings_are_file_then_flags_then_disk(tmp_path: Path) -> None:
    """The flags beat the file, and both sizes are known at the end."""
    file = tmp_path / "c.yaml"
    file.write_text("source: {fifo: /a}\njournal: {path: /b, max_size: 1MiB}\n")
    config = load_settings(str(file), fifo="/c", journal=str(tmp_path / "j"))
    expected = ("/c", str(tmp_path / "j"), 1 << 20, 1 << 17)
    journal = config.journal
    assert expected == (config.source.fifo, journal.path, journal.max_size_bytes, journal.segment_size_bytes)


def test_a_file_that_a_link_puts_into_the_journal_is_refused(tmp_path: Path) -> None:
    """Where only a symbolic link or the working directory shows that the file lies in the journal, it is told too."""
    (tmp_path / "journal").mkdir()
    (tmp_path / "link").symlink_to("journal")
    for file in (tmp_path / "link" / "audit.log", os.path.relpath(tmp_path / "journal" / "audit.log")):
        with pytest.raises(ConfigError, match=r"source\.file: .* lies inside the journal's directory"):
            load_settings(None, file=str(file), journal=str(tmp_path / "journal"))


def test_settings_without_a_file_are_the_defaults(tmp_path: Path) -> None:
    """Without a file everything is the default, and the cap follows the volume of the journal."""
    config = load_settings(None, journal=str(tmp_path))
    assert ["stdout"] == [sink.name for sink in config.sinks]
    assert config.journal.max_size_bytes is not None


def test_without_a_file_no_yaml_parser_is_imported(tmp_path: Path) -> None:
    """A process that needs no file does not pay for PyYAML."""
    code = (
        f"import sys; from standpipe.config_file import load_settings; load_settings(None, journal={str(tmp_path)!r}); "
    )
    result = subprocess.run(
        [sys.executable, "-c", code + "print('yaml' in sys.modules)"], capture_output=True, check=True
    )
    assert b"False\n" == result.stdout


def test_the_journals_own_bytes_are_blocks_not_lengths(tmp_path: Path) -> None:
    """Files of all directories count with the room that they take; a hole takes none."""
    journal = tmp_path / "j"
    (journal / "segments").mkdir(parents=True)
    (journal / "segments" / "0.log").write_bytes(b"x" * 65536)
    (journal / "journal.json").write_bytes(b"x" * 4096)
    with open(journal / "hole", "wb") as hole:
        hole.truncate(1 << 30)
    os.mkfifo(journal / "reserve")
    os.symlink(tmp_path, journal / "link")
    free_bytes, own_bytes = volume_bytes(str(journal))
    assert free_bytes > 0
    assert 69632 <= own_bytes < 1 << 20


def test_a_journal_that_is_not_there_yet_takes_its_parents_volume(tmp_path: Path) -> None:
    """Before the first start the nearest existing directory tells what is free, and the journal has no bytes."""
    free_bytes, own_bytes = volume_bytes(str(tmp_path / "not" / "there"))
    figures = os.statvfs(tmp_path)
    assert 0 == own_bytes
    assert 0 < free_bytes <= figures.f_blocks * figures.f_frsize


def test_a_journal_below_a_file_is_refused(tmp_path: Path) -> None:
    """A path that can never be a directory is an error of the journal, with a remedy."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JournalError, match=r"cannot be looked at: Not a directory\. Check journal\.path"):
        load_settings(None, journal=str(tmp_path / "file"))


def test_the_default_cap_does_not_shrink_as_the_journal_grows(tmp_path: Path) -> None:
    """Bytes that move from free to the journal leave the default cap as it was."""
    config = load_config(os.devnull)
    before = resolve(config, 8 << 30, 0)
    after = resolve(config, 6 << 30, 2 << 30)
    assert before == after
