from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from standpipe.cli import progress
from standpipe.cli.main import main
from standpipe.evidence.chain_check import SEALED_BEFORE_PREVIOUS, SEALED_BEFORE_RECORD
from standpipe.evidence.recorded_gaps import LOSS_BY_KIND
from standpipe.evidence.signatures import MISSING, UNKNOWN, WRONG
from standpipe.evidence.verdict_text import unknown_as_json
from tests.evidence.craft import Crafted, healthy

ROOT = Path(__file__).parents[2]
COMPLETE_TEXT = """\
complete: every byte from 0 to 2,646 is there
checked: 5 segments, 22 records, 2,400 bytes against 4 seals (0 signed)
pairs: 11 requests with a response
sealed records from 2024-05-06T07:00:00Z to 2024-05-06T07:00:19Z
unsealed tail: 246 bytes, present but not yet provable
"""


@pytest.fixture
def journal(tmp_path: Path) -> Crafted:
    """Return a healthy journal."""
    return healthy(tmp_path / "journal")


def verify(journal: Crafted, *options: str) -> int:
    """Run the command on a journal; return its exit status."""
    return main(["verify", "--journal", str(journal.root), *options])


def test_a_complete_journal(journal: Crafted, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict first, then what was checked; status 0."""
    assert verify(journal) == 0
    assert capsys.readouterr().out == COMPLETE_TEXT


def test_an_incomplete_journal(journal: Crafted, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong and where comes between the verdict and what was checked; status 1."""
    journal.flip(journal.file(0, ".log"), 3)
    journal.remove(600, ".log.zst")
    journal.incident("power-loss", 5000, 10)
    journal.incident("repeat", 0, 10)
    journal.incident("io-error", None, None)
    (journal.root / "deadletter" / "cloud.jsonl").write_bytes(b"{}\n{}\n")
    expected = """\
INCOMPLETE: 1 damaged place, 1 hole, 2 recorded gaps
damaged: altered 0 to 600 (600 bytes): the bytes do not have the digest that was sealed: 00000000000000000000.log
hole: 600 to 1,200 (600 bytes) in no file and in no record of gaps
recorded gap: io-error at no known address, bytes may have been lost: recorded at 2024-05-06T07:00:00.000Z
recorded gap: power-loss 5,000 to 5,010 (10 bytes), bytes may have been lost: recorded at 2024-05-06T07:00:00.000Z
explained: beside-a-gap: 1 record: the other half may be where addresses beside it are missing, left out or torn
repeated: 1 range may have been delivered twice, with the same ids
dead letters: 2 records that a sink did not take
"""
    assert verify(journal) == 1
    assert capsys.readouterr().out.startswith(expected)


def test_accepted_gaps(journal: Crafted, capsys: pytest.CaptureFixture[str]) -> None:
    """A recorded gap makes status 1; accepted it is told and makes status 0."""
    journal.remove(0, ".log", ".seal.json")
    journal.incident("dropped", 0, 600)
    assert verify(journal) == 1
    assert capsys.readouterr().out.startswith("INCOMPLETE: 1 recorded gap\n")
    assert verify(journal, "--accept-recorded") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "complete: every byte from 600 to 2,646 is there, but for 1 recorded gap (accepted)"
    assert lines[1].startswith("recorded gap: dropped 0 to 600 (600 bytes), bytes were lost: ")


def test_the_verdict_may_be_unknown(journal: Crafted, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be read: status 2."""
    path = journal.file(0, ".log")
    path.unlink()
    path.symlink_to("/dev/null")
    assert verify(journal) == 2
    assert capsys.readouterr().out.startswith("unknown: 1 unreadable file\nunreadable: 00000000000000000000.log: ")


def test_json_of_a_journal(journal: Crafted, capsys: pytest.CaptureFixture[str]) -> None:
    """One object with the members of the contract."""
    journal.flip(journal.file(0, ".log"), 3)
    journal.remove(600, ".log.zst")
    journal.incident("dropped", 0, 10)
    assert verify(journal, "--json") == 1
    expected = {
        "verdict": "incomplete",
        "ranges": {"base": 0, "end": 2646},
        "records": 17,
        "holes": [[600, 1200]],
        "damaged": [
            {
                "what": "altered",
                "file": "00000000000000000000.log",
                "from": 0,
                "to": 600,
                "detail": "the bytes do not have the digest that was sealed",
            }
        ],
        "notices": [],
        "recorded_gaps": [
            {"kind": "dropped", "from": 0, "to": 10, "lost": "yes", "detail": "recorded at 2024-05-06T07:00:00.000Z"}
        ],
        "repeated": 0,
        "dead_letters": 0,
        "unpaired": {
            "requests": 0,
            "responses": 0,
            "explained": {"beside-a-gap": 1},
            "paired": 8,
            "examples": [],
            "explained_examples": [
                {
                    "node": "n",
                    "kind": "request",
                    "offset": 480,
                    "length": 120,
                    "request_id": "2",
                    "operation": "",
                    "path": "",
                    "time": "2024-05-06T07:00:04Z",
                    "rule": "beside-a-gap",
                }
            ],
        },
        "chain": {"seals": 4, "signed": 0, "proven": None, "broken": 0},
        "unreadable": [],
        "checked_bytes": 1800,
        "unsealed_bytes": 246,
        "segments": 4,
        "times": {"first": "2024-05-06T07:00:00Z", "last": "2024-05-06T07:00:19Z"},
        "checks": ["tiling", "integrity", "pairing"],
        "torn": {"records": 0, "bytes": 0, "ranges": []},
        "raw_values": {"records": 0, "examples": []},
    }
    assert expected == json.loads(capsys.readouterr().out)


def test_json_without_a_journal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same members, the verdict unknown, the reason on stderr as well; status 2."""
    good = healthy(tmp_path / "journal")
    verify(good, "--json")
    members = json.loads(capfd.readouterr().out).keys()
    assert main(["verify", "--journal", str(tmp_path), "--json"]) == 2
    told = capfd.readouterr()
    answer = json.loads(told.out)
    assert members == answer.keys()
    assert answer["verdict"] == "unknown"
    assert "no journal at" in answer["unreadable"][0]
    assert "no journal at" in told.err


def test_a_later_format(journal: Crafted, capfd: pytest.CaptureFixture[str]) -> None:
    """Status 2, and a sentence that names both formats."""
    (journal.root / "journal.json").write_text('{"format": 2}')
    assert verify(journal) == 2
    assert re.search(r"format 2.*reads and writes format 1", capfd.readouterr().err)


def test_long_lists_are_cut_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty lines of a sort and how many more; --json has them all."""
    journal = Crafted(tmp_path / "journal")
    for _ in range(26):
        journal.add(journal.data(1))
        journal.end += 10
    verify(journal)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("hole: ")]) == 20
    assert "… and 5 more like this; --json lists them all" in lines
    verify(journal, "--json")
    assert len(json.loads(capsys.readouterr().out)["holes"]) == 25


def test_names_cannot_drive_a_terminal(journal: Crafted, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in what is told are made visible."""
    journal.incident("dropped", 0, 10)
    path = journal.root / "incidents.jsonl"
    path.write_text(path.read_text().replace("2024-05-06T07:00:00.000Z", "\\u001b[2J"))
    verify(journal)
    assert "\x1b" not in capsys.readouterr().out


def test_progress_is_told_on_a_terminal_only(journal: Crafted) -> None:
    """Long work says how far it is, and takes the line away at the end; a pipe gets nothing."""
    code = (
        "import sys\n"
        "from standpipe.cli import progress\n"
        "from standpipe.cli.main import main\n"
        "progress.PROGRESS_AFTER_SECONDS = progress.PROGRESS_EVERY_SECONDS = 0\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    assert progress.PROGRESS_AFTER_SECONDS == 2.0
    command = [sys.executable, "-c", code, "verify", "--journal", str(journal.root)]
    ours, theirs = pty.openpty()
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, check=True, timeout=60)
        told = os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    assert re.search(rb"verifying: [1-9]\d? %", told)
    assert told.endswith(b"\r\x1b[K")
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, timeout=60)
    assert done.stderr == b""


def test_help_gives_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """The text names every option and the exit status."""
    assert main(["verify", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("--journal DIR", "--json", "--accept-recorded", "Examples:", "Exit status: 0"):
        assert word in text


def test_the_page_tells_every_word() -> None:
    """docs/verify.md has each key, each word for damage, each kind of gap, and the output of the first test here."""
    page = (ROOT / "docs" / "verify.md").read_text()
    evidence = ROOT / "src" / "standpipe" / "evidence"
    source = "".join((evidence / name).read_text() for name in ("journal_check.py", "chain_check.py"))
    damage = set(re.findall(r'(?:Damage|damage)\(\s*"([a-z-]+)"', source))
    assert len(damage) == 12
    damage |= {WRONG, MISSING, UNKNOWN, SEALED_BEFORE_RECORD, SEALED_BEFORE_PREVIOUS}
    words = {*unknown_as_json(""), *damage, *LOSS_BY_KIND}
    assert [] == [word for word in sorted(words) if f"`{word}`" not in page]
    assert COMPLETE_TEXT in page
