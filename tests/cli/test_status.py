from __future__ import annotations

import json
from typing import TYPE_CHECKING

from standpipe.cli.main import main
from tests.evidence.craft import JOURNAL_ID, healthy

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_status_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong first, then the facts; status 0 though nothing runs."""
    journal = healthy(tmp_path / "journal")
    assert main(["status", "--journal", str(journal.root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "capture: not running; Vault waits once its pipe is full"
    assert f"journal  {journal.root}  {JOURNAL_ID}" in lines
    assert "holds    offsets 0 to 2,646, 0.0 MiB of records" in lines


def test_status_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object with the members of the contract."""
    journal = healthy(tmp_path / "journal")
    assert main(["status", "--journal", str(journal.root), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["journal"]["id"] == JOURNAL_ID
    assert {key: set(answer[key]) for key in ("journal", "source", "processes")} == {
        "journal": {"id", "path", "base", "end", "bytes", "segments", "cap"},
        "source": {
            "kind",
            "path",
            "offset",
            "apparent_size",
            "real_size",
            "pipe_bytes",
            "reserve_bytes",
            "unread_bytes",
            "free_bytes",
            "reclaim",
        },
        "processes": {"capture", "keep", "ship"},
    }


def test_status_without_a_journal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Status 2, and a sentence with a remedy."""
    assert main(["status", "--journal", str(tmp_path)]) == 2
    assert "Name the journal's directory with --journal" in capfd.readouterr().err


def test_help_gives_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """The text names every option and the exit status."""
    assert main(["status", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("--journal DIR", "--json", "Examples:", "Exit status: 0"):
        assert word in text
