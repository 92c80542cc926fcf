from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from standpipe.cli.main import main
from standpipe.evidence.verdict_text import unknown_as_json
from tests.evidence.craft import Crafted, healthy, records

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "verify.schema.json"


@pytest.fixture
def journal(tmp_path: Path) -> Crafted:
    """Return a journal in which the request at 12,000 has no response."""
    journal = Crafted(tmp_path / "journal")
    journal.seal(journal.add(records(0, 101)))
    journal.add(records(102, 100), mode=0o600)
    return journal


def verify(journal: Crafted, *options: str) -> int:
    """Run the command on a journal; return its exit status."""
    return main(["verify", "--journal", str(journal.root), *options])


def test_a_request_without_its_response(journal: Crafted, capsys: pytest.CaptureFixture[str]) -> None:
    """It is listed with its place, and is no fault of the journal; where pairs are required, it makes status 1."""
    line = (
        "unpaired: request 12,000 to 12,120 (120 bytes) without its response:   at 2024-05-06T07:01:40Z, id 50, node n"
    )
    assert verify(journal) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["complete: every byte from 0 to 24,120 is there", line] == lines[:2]
    assert "pairs: 100 requests with a response" in lines
    assert verify(journal, "--require-pairs") == 1
    assert ["INCOMPLETE: 1 unpaired record", line] == capsys.readouterr().out.splitlines()[:2]
    assert verify(journal, "--require-pairs", "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert ("incomplete", 1, 0, 100) == (
        answer["verdict"],
        *(answer["unpaired"][key] for key in ("requests", "responses", "paired")),
    )
    (example,) = answer["unpaired"]["examples"]
    assert (12_000, 120, "50") == (example["offset"], example["length"], example["request_id"])


def test_checks_limit_what_is_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each check finds its own fault and not the others': a hole, a changed byte; the pairs are not looked for."""
    journal = healthy(tmp_path / "journal")
    journal.flip(journal.file(0, ".log"), 30)
    journal.remove(600, ".log.zst")
    found = {}
    for check in ("tiling", "integrity", "pairing"):
        status = verify(journal, "--checks", check, "--json")
        answer = json.loads(capsys.readouterr().out)
        words = [each["what"] for each in answer["damaged"]]
        found[check] = (status, answer["holes"], words, answer["unpaired"] is not None)
        assert [check] == answer["checks"]
    assert {
        "tiling": (1, [[600, 1200]], [], False),
        "integrity": (1, [], ["altered"], False),
        "pairing": (0, [], [], True),
    } == found
    assert verify(journal, "--checks", "pairing") == 0
    headline = capsys.readouterr().out.partition("\n")[0]
    assert "complete: nothing is wrong in what was looked at (checked: pairing only)" == headline


def test_torn_and_clear_text_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both are told with their places, and are no fault of the journal."""
    journal = Crafted(tmp_path / "journal")
    clear = b'{"type":"other","auth":{"client_token":"hvs.x"}}\n'
    journal.add(b'{"half' + records(0, 2) + clear, mode=0o600)
    assert verify(journal) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["torn: 0 to 6 (6 bytes) is no whole record", "clear text: 246 to 295 (49 bytes): auth.client_token"] == (
        lines[1:3]
    )


def test_jsonx_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records in XML cannot be told apart: status 2 with the reason; their bytes can be checked all the same."""
    journal = Crafted(tmp_path / "journal")
    journal.add(b'<json:object name="auth"></json:object>' * 3, mode=0o600)
    assert verify(journal) == 2
    assert "Set format=json on the audit device" in capsys.readouterr().out
    assert verify(journal, "--checks", "integrity") == 0


def test_the_prefix_is_the_configs_or_the_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The journal's own config names the device's prefix; the option goes before it."""
    journal = Crafted(tmp_path / "journal")
    journal.add(b"vault: " + records(0, 1), mode=0o600)

    def torn(*options: str) -> int:
        verify(journal, "--json", *options)
        return int(json.loads(capsys.readouterr().out)["torn"]["records"])

    assert (1, 0) == (torn(), torn("--prefix", "vault: "))
    (journal.root / "config.yaml").write_text('source: {fifo: /vault/audit/pipe, prefix: "vault: "}\n')
    assert (0, 1) == (torn(), torn("--prefix", ""))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--checks", "tiling,order"), "'order' is no check"),
        (("--require-pairs", "--checks", "tiling"), "--require-pairs needs the check `pairing`"),
    ],
)
def test_usage(journal: Crafted, options: tuple[str, ...], told: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What makes no sense is refused, with status 64."""
    assert verify(journal, *options) == 64
    assert told in capfd.readouterr().err


def test_the_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's schema is what --schema prints; it is a schema, it names every key, and holds for all answers."""
    assert main(["verify", "--schema"]) == 0
    assert SCHEMA.read_text() == capsys.readouterr().out
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    journal = healthy(tmp_path / "journal")
    journal.flip(journal.file(0, ".log"), 3)
    journal.remove(600, ".log.zst")
    journal.incident("io-error", None, None)
    assert verify(journal, "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    for found in (answer, unknown_as_json("why")):
        assert [] == [error.message for error in validator.iter_errors(found)]
        assert set(found) <= set(schema["properties"])
    answer["unpaired"]["requests"] = -1
    assert not validator.is_valid(answer)
