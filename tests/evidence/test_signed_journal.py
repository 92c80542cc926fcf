"""Journals that a real keeper signed, and what becomes of them in other hands."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest

from standpipe.evidence.trusted_keys import trusted_keys
from standpipe.evidence.verify import verify_journal
from standpipe.journal import incidents, kinds
from standpipe.journal.key_files import make_key
from tests.journal.keep_fixture import record
from tests.journal.kept import Kept, idle_name, seal_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.evidence.journal_check import Findings

SEGMENT_BYTES = 5 * 120
END = 3 * SEGMENT_BYTES


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """Return a journal of two segments, silence, another segment, silence and a tail; nothing is signed yet."""
    made = Kept(tmp_path)
    yield made
    made.close()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Return a private key's file."""
    make_key(str(tmp_path / "key.pem"), None)
    return tmp_path / "key.pem"


def fill(kept: Kept) -> None:
    """Write two segments, nothing, a third segment, nothing, and a beginning."""
    kept.write()
    kept.write()
    kept.wait()
    kept.write()
    kept.wait()
    kept.begin()


def public(*private: Path) -> tuple[str, ...]:
    """Return the public keys' files."""
    return tuple(f"{path}.pub" for path in private)


def verify(kept: Kept, *keys: Path) -> Findings:
    """Return what verify finds with public keys."""
    return verify_journal(kept.layout, keys=trusted_keys(public(*keys)))


def damage(findings: Findings) -> list[tuple[str, int, int]]:
    """Return what is damaged, and where."""
    return [(found.what, found.start, found.end) for found in findings.damaged]


def rewrite(kept: Kept, old: bytes, new: bytes) -> None:
    """Change bytes of equal length in the data, then make every seal fit again, without the key."""
    previous: str | None = None
    for name in kept.seals():
        path = f"{kept.layout.segments}/{name}"
        with open(path, "rb") as file:
            seal = json.loads(file.read())
        if "idle" not in seal:
            with open(f"{kept.layout.segments}/{name.replace('.seal.json', '.log')}", "r+b") as data:
                content = data.read().replace(old, new)
                data.seek(0)
                data.write(content)
            seal["sha256"] = hashlib.sha256(content).hexdigest()
        seal["previous"] = previous
        encoded = json.dumps(seal, separators=(",", ":")).encode() + b"\n"
        kept.replace(name, encoded)
        previous = hashlib.sha256(encoded).hexdigest()


def keep_raw(kept: Kept) -> None:
    """Let nothing be compressed: a sink has not read it."""
    kept.settings = type(kept.settings)(("none",), kept.settings.limits, kept.settings.sign_key)


def test_a_signed_journal(kept: Kept, key: Path) -> None:
    """Every seal, also an idle one, is proven; without a key they are counted only."""
    kept.sign_with(key)
    fill(kept)
    findings = verify(kept, key)
    assert ("complete", 5, 5, 5) == (findings.verdict, findings.seals, findings.signed, findings.proven)
    without = verify_journal(kept.layout)
    assert ("complete", 5, None) == (without.verdict, without.signed, without.proven)


def test_a_key_that_is_away(kept: Kept, key: Path) -> None:
    """Nothing is sealed without it while there is room; a full journal is; the next signed seal vouches for that."""
    kept.sign_with(key)
    kept.write()
    away = key.rename(key.with_suffix(".away"))
    kept.write()
    assert 1 == len(kept.seals())
    assert [kinds.KEEP_ERROR] == [entry["kind"] for entry in incidents.read(kept.layout.incidents)]
    kept.keep(cap_bytes=1)
    assert [None] == [kept.seal(name)["signature"] for name in kept.seals()]
    assert b"sealed without a signature" in kept.messages.read_bytes()
    away.rename(key)
    assert ["signature-missing"] == [what for what, _, _ in damage(verify(kept, key))]
    kept.write()
    assert "complete" == verify(kept, key).verdict


def test_only_the_first_seal_introduces_the_key(kept: Kept, key: Path) -> None:
    """The chain says from where on a key signs."""
    kept.sign_with(key)
    fill(kept)
    assert [True, False, False, False, False] == ["signing_key" in kept.seal(name) for name in kept.seals()]


def test_a_chain_that_was_rewritten_without_the_key(kept: Kept, key: Path) -> None:
    """Everything fits again, and only the signatures tell."""
    kept.sign_with(key)
    keep_raw(kept)
    kept.write()
    kept.wait()
    kept.write()
    kept.begin()
    rewrite(kept, record(1)[:40], record(2)[:40])
    assert "complete" == verify_journal(kept.layout).verdict
    findings = verify(kept, key)
    places = [(0, SEGMENT_BYTES), (SEGMENT_BYTES, SEGMENT_BYTES), (SEGMENT_BYTES, 2 * SEGMENT_BYTES)]
    assert [("signature-wrong", *place) for place in places] == damage(findings)
    assert ("incomplete", 0) == (findings.verdict, findings.proven)


def test_a_chain_that_was_rewritten_and_stripped(kept: Kept, key: Path) -> None:
    """Without any signature each seal is told."""
    kept.sign_with(key)
    fill(kept)
    previous: str | None = None
    for name in kept.seals():
        seal = {**kept.seal(name), "signature": None, "previous": previous}
        encoded = json.dumps(seal, separators=(",", ":")).encode() + b"\n"
        kept.replace(name, encoded)
        previous = hashlib.sha256(encoded).hexdigest()
    assert "complete" == verify_journal(kept.layout).verdict
    assert ["signature-missing"] * 5 == [what for what, _, _ in damage(verify(kept, key))]


def test_a_seal_that_was_edited(kept: Kept, key: Path) -> None:
    """The newest one too, to which no other links."""
    kept.sign_with(key)
    fill(kept)
    name = idle_name(END, 1)
    seal = {**kept.seal(name), "sealed_at": "2031-01-01T00:00:00.000Z"}
    kept.replace(name, json.dumps(seal, separators=(",", ":")).encode() + b"\n")
    assert "complete" == verify_journal(kept.layout).verdict
    assert [("signature-wrong", END, END)] == damage(verify(kept, key))


def test_a_wrong_key(kept: Kept, key: Path, tmp_path: Path) -> None:
    """Seals of another key are unknown, all of them."""
    kept.sign_with(key)
    fill(kept)
    make_key(str(tmp_path / "other.pem"), None)
    findings = verify(kept, tmp_path / "other.pem")
    assert ["signature-unknown"] * 5 == [what for what, _, _ in damage(findings)]
    assert (5, 0) == (findings.signed, findings.proven)


def test_a_key_that_claims_to_be_another(kept: Kept, key: Path, tmp_path: Path) -> None:
    """A key id proves nothing: a signature under the right id by another key is wrong."""
    make_key(str(tmp_path / "other.pem"), None)
    kept.sign_with(tmp_path / "other.pem")
    kept.write()
    seal = kept.seal(seal_name(0))
    kept.sign_with(key)
    kept.write()
    own = str(kept.seal(seal_name(SEGMENT_BYTES))["signature"])
    forged = ":".join([*own.split(":")[:2], str(seal["signature"]).split(":")[2]])
    kept.replace(seal_name(0), json.dumps({**seal, "signature": forged}, separators=(",", ":")).encode() + b"\n")
    assert ("signature-wrong", 0, SEGMENT_BYTES) in damage(verify(kept, key))


def test_an_endorsed_key(kept: Kept, key: Path, tmp_path: Path) -> None:
    """Who has the old public key, the new one or both verifies all of it."""
    kept.sign_with(key)
    kept.write()
    kept.wait()
    new = tmp_path / "new.pem"
    make_key(str(new), str(key))
    kept.sign_with(new)
    kept.write()
    kept.wait()
    kept.begin()
    assert [True, False, True, False] == ["signing_key" in kept.seal(name) for name in kept.seals()]
    assert ["complete"] * 3 == [verify(kept, *keys).verdict for keys in ((key,), (new,), (key, new))]
    assert [4, 2, 4] == [verify(kept, *keys).proven for keys in ((key,), (new,), (key, new))]


def test_a_key_in_the_others_place(kept: Kept, key: Path, tmp_path: Path) -> None:
    """The next seal takes it: the file is read for each seal."""
    kept.sign_with(key)
    kept.write()
    make_key(str(tmp_path / "new.pem"), str(key))
    old = tmp_path / "old.pem"
    os.rename(f"{key}.pub", f"{old}.pub")
    os.replace(tmp_path / "new.pem", key)
    kept.write()
    assert ("complete", 2) == (verify(kept, old).verdict, verify(kept, old).proven)


def test_a_key_that_nobody_endorsed(kept: Kept, key: Path, tmp_path: Path) -> None:
    """It is unknown to who has the old one; with the new one alone the older seals are vouched for by the links."""
    kept.sign_with(key)
    kept.write()
    make_key(str(tmp_path / "new.pem"), None)
    kept.sign_with(tmp_path / "new.pem")
    kept.write()
    kept.begin()
    assert [("signature-unknown", SEGMENT_BYTES, 2 * SEGMENT_BYTES)] == damage(verify(kept, key))
    findings = verify(kept, tmp_path / "new.pem")
    assert ("complete", 1) == (findings.verdict, findings.proven)


def test_an_endorsement_by_somebody_else(kept: Kept, key: Path, tmp_path: Path) -> None:
    """Whoever writes one without the old key endorses nothing."""
    kept.sign_with(key)
    kept.write()
    thief = tmp_path / "thief.pem"
    make_key(str(thief), None)
    make_key(str(tmp_path / "thief-2.pem"), str(thief))
    keep_raw(kept)
    kept.sign_with(tmp_path / "thief-2.pem")
    kept.write()
    assert [("signature-unknown", SEGMENT_BYTES, 2 * SEGMENT_BYTES)] == damage(verify(kept, key))
    content = (tmp_path / "thief-2.pem").read_text()
    old_id = str(kept.seal(seal_name(0))["signature"]).split(":")[1]
    line, _, rest = content.partition("\n")
    signature = line.rpartition(":")[2]
    (tmp_path / "thief-2.pem").write_text(f"standpipe-endorsement: ed25519:{old_id}:{signature}\n{rest}")
    os.unlink(f"{kept.layout.segments}/{seal_name(SEGMENT_BYTES)}")
    kept.keep()
    assert [("signature-wrong", SEGMENT_BYTES, 2 * SEGMENT_BYTES)] == damage(verify(kept, key))


def test_signatures_that_begin_later(kept: Kept, key: Path) -> None:
    """The first signed seal vouches for the unsigned ones before it, as long as the chain holds."""
    kept.write()
    kept.wait()
    kept.sign_with(key)
    kept.write()
    kept.begin()
    findings = verify(kept, key)
    assert ("complete", 3, 1) == (findings.verdict, findings.seals, findings.proven)
    changed = {**kept.seal(seal_name(0)), "sealed_at": "2020-01-01T00:00:00.000Z"}
    kept.replace(seal_name(0), json.dumps(changed, separators=(",", ":")).encode() + b"\n")
    expected = [("signature-missing", 0, SEGMENT_BYTES), ("chain-broken", SEGMENT_BYTES, SEGMENT_BYTES)]
    assert expected == damage(verify(kept, key))


def test_an_unsigned_seal_behind_a_break(kept: Kept, key: Path) -> None:
    """After a signed seal no later one vouches for an unsigned one, wherever the chain begins anew."""
    kept.sign_with(key)
    kept.write()
    kept.settings = type(kept.settings)((), kept.settings.limits)
    kept.write()
    name = seal_name(SEGMENT_BYTES)
    changed = {**kept.seal(name), "previous": "0" * 64}
    kept.replace(name, json.dumps(changed, separators=(",", ":")).encode() + b"\n")
    kept.sign_with(key)
    kept.write()
    place = (SEGMENT_BYTES, 2 * SEGMENT_BYTES)
    assert [("chain-broken", *place), ("signature-missing", *place)] == damage(verify(kept, key))


def test_nothing_vouches_for_a_wrong_signature(kept: Kept, key: Path) -> None:
    """Also where a later seal that holds links to it: keep wrote no such thing."""
    kept.write()
    wrong = {**kept.seal(seal_name(0)), "signature": "ed25519:"}
    kept.replace(seal_name(0), json.dumps(wrong, separators=(",", ":")).encode() + b"\n")
    kept.sign_with(key)
    kept.write()
    assert [("signature-wrong", 0, SEGMENT_BYTES)] == damage(verify(kept, key))


def test_signatures_that_end(kept: Kept, key: Path) -> None:
    """An unsigned seal after a signed one could be anybody's."""
    kept.sign_with(key)
    kept.write()
    kept.settings = type(kept.settings)((), kept.settings.limits)
    kept.write()
    kept.wait()
    expected = [("signature-missing", SEGMENT_BYTES, 2 * SEGMENT_BYTES)]
    assert [*expected, ("signature-missing", 2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES)] == sorted(
        damage(verify(kept, key)), key=lambda found: found[1]
    )


@pytest.mark.parametrize("signature", ["", "ed25519:", "none", "ed25519:0123456789abcdef:AAAA"])
def test_what_is_no_signature(kept: Kept, key: Path, signature: str) -> None:
    """A text that cannot be one is a wrong one."""
    kept.sign_with(key)
    kept.write()
    seal = {**kept.seal(seal_name(0)), "signature": signature}
    kept.replace(seal_name(0), json.dumps(seal, separators=(",", ":")).encode() + b"\n")
    assert [("signature-wrong", 0, SEGMENT_BYTES)] == damage(verify(kept, key))


def test_keep_does_not_seal_without_its_key(kept: Kept, key: Path) -> None:
    """It says so, deletes nothing, and goes on when the key is there again."""
    kept.sign_with(key)
    kept.write()
    hidden = key.rename(key.with_suffix(".hidden"))
    kept.begin()
    kept.cut()
    kept.keep()
    assert [seal_name(0)] == kept.seals()
    assert "cannot read the key file" in kept.messages.read_text()
    hidden.rename(key)
    kept.keep()
    assert [seal_name(0), seal_name(SEGMENT_BYTES)] == kept.seals()
    assert 2 == verify(kept, key).proven
