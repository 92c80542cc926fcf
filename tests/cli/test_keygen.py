"""`standpipe keygen`, and what its keys are for: keep signs, verify proves, check looks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from standpipe.cli.main import main
from standpipe.config import parse_config
from standpipe.config_print import as_yaml
from standpipe.journal.checks import sign_key_result
from standpipe.preflight import FAILED, OK, WARNING
from tests.journal.keep_fixture import fill, make_journal
from tests.test_light_imports import modules_after

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from standpipe.journal.layout import Layout


def keep_once(*options: str) -> None:
    """Let keep do what is due, in a process of its own: it changes its signals and its niceness."""
    subprocess.run([sys.executable, "-m", "standpipe", "keep", "--once", *options], check=True)


def test_in_words(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the files are, what for, the key's id, and who endorsed it."""
    monkeypatch.chdir(tmp_path)
    assert 0 == main(["keygen", "key.pem"])
    words = capfd.readouterr().out
    assert f"private key: {tmp_path}/key.pem " in words
    assert f"public key: {tmp_path}/key.pem.pub " in words
    found = re.search(r"^key id: ([0-9a-f]{16})$", words, re.MULTILINE)
    assert found is not None
    assert "endorsed" not in words
    assert 0 == main(["keygen", "new.pem", "--replaces", "key.pem"])
    assert f"endorsed by: {found[1]}\n" in capfd.readouterr().out


def test_as_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same members, for a script."""
    assert 0 == main(["keygen", "--json", str(tmp_path / "key.pem")])
    found = json.loads(capfd.readouterr().out)
    assert ["key_id", "private", "public", "endorsement"] == list(found)
    assert (f"{tmp_path}/key.pem.pub", None) == (found["public"], found["endorsement"])


def test_refusals(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file that is there: 64. An old key that cannot be read: 2, and nothing is made."""
    assert 0 == main(["keygen", str(tmp_path / "key.pem")])
    assert 64 == main(["keygen", str(tmp_path / "key.pem")])
    assert 2 == main(["keygen", str(tmp_path / "new.pem"), "--replaces", str(tmp_path / "nowhere.pem")])
    assert {"key.pem", "key.pem.pub"} == set(os.listdir(tmp_path))
    assert "standpipe keygen" in capfd.readouterr().err


def test_keep_signs_and_verify_proves(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The flag of keep, and the option of verify, which may be repeated; a key that cannot be read is no verdict."""
    layout = make_journal(str(tmp_path))
    fill(layout, 2)
    key, other = str(tmp_path / "key.pem"), str(tmp_path / "other.pem")
    for path in (key, other):
        assert 0 == main(["keygen", path])
    keep_once("--journal", layout.root, "--sign-key", key)
    capfd.readouterr()
    told = {
        (): (0, "(2 signed: not checked, --public-key gives a key)"),
        (key,): (0, "(2 signed, 2 by a key that was given)"),
        (other, key): (0, "(2 signed, 2 by a key that was given)"),
        (other,): (1, "(2 signed, 0 by a key that was given)"),
    }
    for keys, (status, words) in told.items():
        options = [option for path in keys for option in ("--public-key", f"{path}.pub")]
        assert status == main(["verify", "--journal", layout.root, *options])
        assert words in capfd.readouterr().out
    assert 0 == main(["verify", "--journal", layout.root, "--json", "--public-key", f"{key}.pub"])
    assert {"seals": 2, "signed": 2, "broken": 0, "proven": 2} == json.loads(capfd.readouterr().out)["chain"]
    assert 2 == main(["verify", "--journal", layout.root, "--public-key", key])
    assert "private key" in capfd.readouterr().err


def test_the_config_names_the_key(tmp_path: Path) -> None:
    """`journal.sign_key` is read, used by keep, and printed."""
    layout = make_journal(str(tmp_path))
    fill(layout, 1)
    assert 0 == main(["keygen", str(tmp_path / "key.pem")])
    (tmp_path / "config.yaml").write_text(f"journal: {{path: {layout.root}, sign_key: {tmp_path}/key.pem}}\n")
    keep_once("--config", str(tmp_path / "config.yaml"))
    assert b'"signature":"ed25519:' in _seal(layout)
    config = parse_config({"journal": {"sign_key": "/k.pem"}})
    assert "/k.pem" == config.journal.sign_key
    assert "sign_key: /k.pem" in as_yaml(config)
    assert "sign_key" not in as_yaml(parse_config(None))


def _seal(layout: Layout) -> bytes:
    with open(layout.seal(0), "rb") as file:
        return file.read()


def test_check_looks_at_the_key(tmp_path: Path) -> None:
    """It can sign, it can but everybody may read it, it cannot."""
    assert 0 == main(["keygen", str(tmp_path / "key.pem")])
    assert OK == sign_key_result(str(tmp_path / "key.pem")).state
    (tmp_path / "key.pem").chmod(0o644)
    assert WARNING == sign_key_result(str(tmp_path / "key.pem")).state
    assert FAILED == sign_key_result(str(tmp_path / "nowhere.pem")).state
    assert FAILED == sign_key_result(str(tmp_path / "key.pem.pub")).state


def test_nobody_else_loads_the_library() -> None:
    """Commands that sign and verify nothing pay nothing for it."""
    commands = ("keep", "verify", "keygen", "check", "run")
    imports = "; ".join(f"import standpipe.cli.{command}" for command in ("main", *commands))
    assert set() == {name for name in modules_after(imports) if name.partition(".")[0] == "cryptography"}
