"""`standpipe verify` over archives and several journals, as a person or a script sees it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from standpipe.cli.main import main
from standpipe.evidence.fleet import judge_fleet
from standpipe.evidence.fleet_text import fleet_as_json
from standpipe.evidence.verdict_text import as_json
from standpipe.journal import identity
from standpipe.journal.layout import Layout
from standpipe.testing import journals
from standpipe.testing.journals import MadeJournal, make_record
from tests.archive.archived import archive_all, directory_config, keep, make_archive, make_sealed, objects_of
from tests.evidence.craft import healthy
from tests.evidence.test_fleet import findings, member
from tests.evidence.test_verify_archive import change_a_record, half
from tests.journal.keep_fixture import add_segment
from tests.sinks.objects_peer import REGION, S3Peer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "verify-archive.md"


def verify(*arguments: str | Path) -> int:
    """Run the command; return its exit status."""
    return main(["verify", *map(str, arguments)])


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an archive of two nodes; the second one's last seal is 50 minutes older."""
    root = tmp_path / "archive"
    root.mkdir()
    archive_all(Layout(str(healthy(tmp_path / "vault-0").root)), directory_config(root, node="vault-0"))
    monkeypatch.setattr(journals, "CREATED", "2024-05-06T07:10:00.000Z")
    made = MadeJournal(str(tmp_path / "vault-1"))
    for number in range(2):
        made.append(*(make_record(number * 4 + n) for n in range(4)))
        made.close()
    archive_all(made.layout, directory_config(root, node="vault-1"))
    return root


def test_the_page_shows_what_is_printed(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two nodes, one of them silent: a notice, and status 0."""
    assert verify(archive, "--silent-after", "30m") == 0
    shown = capsys.readouterr().out.replace(str(archive), "/srv/archive")
    assert shown in PAGE.read_text()
    assert "silent: blue/vault-1: for 50 minutes, since 2024-05-06T07:10:00.000Z\n" in shown
    assert verify(archive) == 0
    assert "silent" not in capsys.readouterr().out


def test_silence_from_now(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then both nodes are silent, and a single journal is judged as a fleet of one."""
    assert verify(archive, "--now") == 0
    assert capsys.readouterr().out.count("silent: blue/vault-") == 2
    assert verify(archive.parent / "vault-0", "--now") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "complete: every byte from 0 to 2,646 is there"
    assert lines[1].startswith("silent: n: for ")


def test_a_fault_in_one_node_is_the_verdict_of_all(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first line names the node; the place stands with it; status 1."""
    objects_of(archive, 600, "vault-0")["data"].unlink()
    assert verify(archive) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "INCOMPLETE: blue/vault-0; of 2 journals of 2 nodes"
    assert lines[1] == "blue/vault-0: INCOMPLETE: 1 damaged place"
    assert lines[2].startswith("  damaged: data-missing 600 to 1,200 (600 bytes): its seal is there, its data is not: ")


def test_json_of_two_nodes(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Totals as for one journal, then each node."""
    assert verify(archive, "--json", "--silent-after", "30m") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verdict"], answer["records"], answer["chain"]["seals"]) == ("complete", 28, 6)
    assert [(node["node"], node["records"]) for node in answer["nodes"]] == [("vault-0", 20), ("vault-1", 8)]
    assert [node["node"] for node in answer["silent"]] == ["vault-1"]


def test_json_is_as_the_schema_says(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of an archive with faults, with a place that cannot be read, and with nodes that are silent."""
    main(["verify", "--schema"])
    validator = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))
    (archive / "notes.txt").write_text("")
    objects_of(archive, 600, "vault-0")["data"].unlink()
    assert verify(archive, archive.parent / "vault-0", "--journal", archive.parent / "no", "--now", "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert [error.message for error in validator.iter_errors(answer)] == []
    assert (len(answer["nodes"]), len(answer["silent"]), len(answer["foreign"])) == (4, 2, 1)
    for node in answer["nodes"]:
        assert [error.message for error in validator.iter_errors(node)] == []


def test_signatures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of archives and of journals beside them are checked with the key that is given."""
    for name in ("ours", "theirs"):
        main(["keygen", str(tmp_path / name)])
    root = tmp_path / "archive"
    root.mkdir()
    layout = make_sealed(tmp_path / "n-1", "n-1", sign_key=tmp_path / "ours")
    archive_all(layout, directory_config(root))
    capsys.readouterr()
    assert verify(root, layout.root, "--public-key", tmp_path / "ours.pub") == 0
    assert capsys.readouterr().out.count("3 seals (3 signed, 3 by a key that was given)") == 2
    assert verify(root, layout.root, "--public-key", tmp_path / "theirs.pub") == 1
    assert capsys.readouterr().out.count("damaged: signature-unknown") == 6


def test_pairs_and_prefix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A half that is alone, told with --prefix alone, counts with --require-pairs, in an archive and in a journal."""
    layout = Layout(str(tmp_path / "n-1"))
    identity.open_or_create(layout, "n-1", 1_700_000_000.0)
    data = b"".join(b"vault: " + half(number) for number in range(90) if number != 41)
    add_segment(layout, add_segment(layout, 0, data), b"", finished=False)
    keep(layout)
    root = tmp_path / "archive"
    root.mkdir()
    archive_all(layout, directory_config(root))
    assert verify(root, layout.root, "--prefix", "vault: ") == 0
    out = capsys.readouterr().out
    assert (out.count("unpaired: request "), out.count("torn: ")) == (2, 0)
    assert verify(root, "--prefix", "vault: ", "--require-pairs") == 1
    assert capsys.readouterr().out.startswith("INCOMPLETE: 1 unpaired record\n")
    assert verify(layout.root, "--now", "--prefix", "vault: ", "--require-pairs") == 1
    assert verify(root) == 0
    assert "torn: " in capsys.readouterr().out


def test_several_journals_and_their_archive(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each journal in each place; --journal and arguments alike."""
    vaults = [archive.parent / name for name in ("vault-0", "vault-1")]
    assert verify("--journal", vaults[0], "--journal", vaults[1]) == 0
    assert capsys.readouterr().out.startswith("complete: 2 journals of 2 nodes, 30 records: every byte is there\n")
    assert verify(*vaults, archive) == 0
    assert capsys.readouterr().out.startswith("complete: 2 journals of 2 nodes in 4 places, 30 records: every byte")


def test_an_archive_finds_what_the_journal_cannot(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its tail cut off, seals and all, and made to look as if nothing had been there: the archive has more."""
    journal = archive.parent / "vault-0"
    for path in (journal / "segments").iterdir():
        if int(path.name[:20]) >= 1800:
            path.unlink()
    (journal / "segments" / f"{1800:020d}.log").write_bytes(b"")
    assert verify(journal) == 0
    capsys.readouterr()
    assert verify(journal, archive) == 1
    out = capsys.readouterr().out
    assert "damaged: tail-missing 1,800 to 2,400 (600 bytes): file://" in out


def test_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Whole, then with an object less, then without the right key: 0, 1, 2. Credentials come from the environment."""
    peer = S3Peer(tmp_path).make_bucket()
    try:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", peer.key[0])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", peer.key[1])
        archive_all(make_sealed(tmp_path / "n-1", "n-1"), peer.config())
        options = (peer.url, "--endpoint", peer.endpoint, "--region", REGION)
        assert verify(*options) == 0
        assert "of blue/n-1, in s3://archive/long/term/blue/n-1\n" in capfd.readouterr().out
        key = f"long/term/blue/n-1/2026-01-01/{2400:020d}-{4800:020d}.log.zst"
        peer.store().delete(key)
        assert verify(*options) == 1
        assert "damaged: data-missing 2,400 to 4,800" in capfd.readouterr().out
        assert verify("s3://nowhere", *options[1:], "--json") == 2
        told = capfd.readouterr()
        assert json.loads(told.out)["verdict"] == "unknown"
        assert "there is no such bucket" in told.err
    finally:
        peer.stop()


def test_one_place_that_cannot_be_read_hides_no_other(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are read; the verdict is unknown, unless one of them is damaged."""
    empty = archive.parent / "empty"
    empty.mkdir()
    assert verify(archive, empty) == 2
    out = capsys.readouterr().out
    assert out.startswith(f"unknown: {empty}; of 2 journals of 2 nodes in 3 places\n")
    assert "holds no segment of a journal" in out
    assert verify("--journal", archive.parent / "vault-0", "--journal", empty) == 2
    assert "no journal at" in capsys.readouterr().out
    change_a_record(objects_of(archive, 0, "vault-0")["data"])
    assert verify(archive, empty) == 1


def test_a_single_place_that_cannot_be_read_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """On stderr, with a remedy; status 2. What can be no place at all: 64."""
    (tmp_path / "empty").mkdir()
    assert verify(tmp_path / "empty") == 2
    assert "holds no segment of a journal" in capfd.readouterr().err
    assert verify("--now", "--journal", tmp_path / "empty") == 2
    assert "no journal at" in capfd.readouterr().err
    assert verify("ftp://host/x") == 64
    assert "'ftp://host/x' is not one of" in capfd.readouterr().err


def test_names_in_an_archive_cannot_drive_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever may create objects chooses their names."""
    make_archive(tmp_path / "archive", tmp_path, "n-1")
    (tmp_path / "archive" / "\x1b[2J\a").write_text("")
    verify(tmp_path / "archive")
    out = capsys.readouterr().out
    assert "foreign: " in out
    assert not {"\x1b", "\a"} & set(out)


def keys_of_a_fleet() -> set[str]:
    """Return the keys that a fleet has besides those of one journal."""
    entry = fleet_as_json(judge_fleet([member()]))
    nodes = entry["nodes"]
    assert isinstance(nodes, list)
    return {*entry, *nodes[0]} - set(as_json(findings()))


def test_the_page_tells_every_word() -> None:
    """Each key of its own, each word for damage that only archives and fleets have, each option."""
    page = PAGE.read_text()
    words = {
        *keys_of_a_fleet(),
        "silent_seconds",
        "data-missing",
        "foreign-segment",
        "seals-differ",
        "seal-missing",
        "tail-missing",
    }
    assert [] == [word for word in sorted(words) if f"`{word}`" not in page]
    sources = "".join(
        (ROOT / "src" / "standpipe" / "evidence" / name).read_text() for name in ("fleet.py", "verify_archive.py")
    )
    assert set(re.findall(r'(?:Damage\(|FOREIGN_SEGMENT = )"([a-z-]+)"', sources)) <= words
