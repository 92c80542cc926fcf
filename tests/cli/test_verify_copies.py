from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import jsonschema
import pytest

from standpipe.cli.main import main
from tests.evidence.copied import JOURNAL, Delivered, delivered, vault_record

SCHEMA = Path(__file__).parents[2] / "docs" / "verify.schema.json"
PAGE = Path(__file__).parents[2] / "docs" / "verify-copies.md"


@pytest.fixture
def made() -> Delivered:
    """Return what a destination got."""
    return delivered()


@pytest.fixture
def copy(made: Delivered, tmp_path: Path) -> Path:
    """Return a clean copy."""
    path = tmp_path / "copy.jsonl"
    path.write_bytes(made.text())
    return path


def journal_of(made: Delivered, root: Path) -> Path:
    """Write the journal of which a destination got copies, as far as its seals and its identity go."""
    (root / "segments").mkdir(parents=True)
    identity = {"format": 1, "journal": made.journal, "node": "n", "created": "then", "predecessor": None}
    (root / "journal.json").write_text(json.dumps(identity) + "\n")
    for data in made.seal_files:
        (root / "segments" / f"{json.loads(data)['base']:020d}.seal.json").write_bytes(data)
    return root


def test_a_journal_beside_copies_is_refused(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It would not be read, and the verdict would pass for its own."""
    assert main(["verify", "--journal", "/srv/audit", str(copy)]) == 64
    assert "in one go" in capfd.readouterr().err


def test_a_clean_copy(copy: Path, made: Delivered, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict first, then what was checked; status 0."""
    assert main(["verify", str(copy)]) == 0
    sealed = made.ranges[7][1]
    assert capsys.readouterr().out == (
        f"complete: every record from 0 to {made.offset:,} is there\n"
        "checked: 12 records, 12 with all repeats and parts; 0 repeated, 0 torn\n"
        f"integrity: 2 segments, {sealed:,} bytes are what was sealed (2 seals, 0 signed)\n"
        f"unsealed: {made.offset - sealed:,} bytes after the newest seal\n"
        "pairs: 6 requests with a response\n"
    )


def test_a_hole(copy: Path, made: Delivered, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing and where stands behind the verdict; status 1."""
    del made.lines[2]
    copy.write_bytes(made.text())
    assert main(["verify", str(copy)]) == 1
    start, end = made.ranges[2]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "INCOMPLETE: 1 hole",
        f"hole: {start:,} to {end:,} ({end - start} bytes) is not in these copies",
    ]
    assert "not proven: 1 segment: not all of its records are here" in lines


def test_standard_input(made: Delivered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`-` is read to its end, beside files."""
    half = len(made.lines) // 2
    (tmp_path / "first").write_bytes(b"".join(line + b"\n" for line in made.lines[:half]))
    (tmp_path / "second").write_bytes(b"".join(line + b"\n" for line in made.lines[half:]))
    with (tmp_path / "second").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        assert main(["verify", "-", str(tmp_path / "first"), "--from", "0", "--to", str(made.offset)]) == 0


def test_seals_of_the_journal(copy: Path, made: Delivered, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--seals` raw copies are proven, and the records of a missing segment are missed."""
    journal = journal_of(made, tmp_path / "journal")
    copy.write_bytes(made.raw)
    assert main(["verify", str(copy)]) == 2
    assert "12 records without an envelope" in capsys.readouterr().out
    assert main(["verify", "--seals", str(journal), str(copy)]) == 0
    assert "integrity: 2 segments" in capsys.readouterr().out
    copy.write_bytes(made.raw[made.ranges[4][0] :])
    assert main(["verify", "--seals", str(journal), str(copy)]) == 1
    assert f"hole: 0 to {made.ranges[3][1]:,}" in capsys.readouterr().out


def test_bytes_that_an_incident_counts_are_lost(
    copy: Path, made: Delivered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the journal's incidents say of a truncation counts for copies as it does for the journal: it lost bytes."""
    journal = journal_of(made, tmp_path / "journal")
    incident = {"time": "2026-03-01T10:00:00Z", "kind": "truncated", "offset": 0, "length": 0}
    (journal / "incidents.jsonl").write_text(json.dumps({**incident, "detail": {"lost_bytes": 7}}) + "\n")
    assert main(["verify", "--json", "--seals", str(journal), str(copy)]) == 1
    (gap,) = json.loads(capsys.readouterr().out)["recorded_gaps"]
    assert ("truncated", "yes") == (gap["kind"], gap["lost"])


def test_no_seals_where_they_should_be(copy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A place without seals is told; status 2."""
    journal = journal_of(Delivered(), tmp_path / "journal")
    assert main(["verify", "--seals", str(journal), str(copy)]) == 2
    assert "there are no seals at" in capfd.readouterr().err


def test_prefix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--prefix` is what Vault puts before each record."""
    made = Delivered()
    made.add(vault_record(0), lead=b"vp ")
    made.seal()
    path = tmp_path / "copy"
    path.write_bytes(made.text())
    assert main(["verify", "--prefix", "vp ", str(path)]) == 0
    assert "integrity: 1 segment" in capsys.readouterr().out


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It cannot be told; status 2."""
    assert main(["verify", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().out.startswith("unknown: 1 unreadable input\nunreadable: ")


def test_a_record_drives_no_terminal(copy: Path, made: Delivered, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters of a journal's id are made visible."""
    text = made.text().replace(b'"path":"secret/data/1"', b'"path":"\\u001b[2J"')
    copy.write_bytes(text.replace(JOURNAL.encode(), b"\\u001b[31m"))
    main(["verify", str(copy)])
    assert "\x1b" not in capsys.readouterr().out


def test_json(copy: Path, made: Delivered, capsys: pytest.CaptureFixture[str]) -> None:
    """One object: the keys of every `verify --json`, the journals and the inputs."""
    made.lines[3], made.lines[5] = made.lines[5], made.lines[3]
    copy.write_bytes(made.text())
    assert main(["verify", "--json", str(copy)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["ranges"], found["records"]) == ("complete", {"base": 0, "end": made.offset}, 12)
    assert found["journals"][0]["segments"] == {"proven": 2, "unproven": {}, "absent": 0}
    assert found["inputs"][0]["out_of_order"]["first"] == [
        {"line": 6, "journal": JOURNAL, "offset": made.ranges[3][0], "length": made.ranges[3][1] - made.ranges[3][0]}
    ]
    assert found["unpaired"]["paired"] == 6
    jsonschema.validate(found, json.loads(SCHEMA.read_text()))


def test_the_page_has_every_key_of_journals_and_inputs(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """docs/verify-copies.md names each key of an entry of `journals` and of `inputs`, and no other."""
    main(["verify", "--json", str(copy)])
    found = json.loads(capsys.readouterr().out)
    for name in ("journals", "inputs"):
        rows = re.findall(rf"^\| (`{name}\[\][^|]*) \|", PAGE.read_text(), re.MULTILINE)
        told = set()
        for row in rows:
            first, *more = re.findall(r"`([^`]+)`", row)
            nested = first.count(".") > 1
            told.add(first.split(".")[1].removesuffix("[]"))
            told |= set() if nested else {key.removeprefix(".") for key in more}
        assert told == set(found[name][0])
