from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from standpipe.errors import JournalError, UsageError
from standpipe.journal import key_files
from standpipe.journal.key_files import KEY_FILE_BYTES_MAX, is_exposed, make_key, read_public, read_signer
from standpipe.journal.signature import endorsement_bytes, parse_signature

if TYPE_CHECKING:
    from pathlib import Path

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


def test_a_pair(tmp_path: Path) -> None:
    """Two files, closed and open; the public one verifies what the private one signs, by the library's own call."""
    made = make_key(str(tmp_path / "key.pem"), None)
    assert [0o600, 0o644] == [os.stat(tmp_path / name).st_mode & 0o777 for name in ("key.pem", "key.pem.pub")]
    public = serialization.load_pem_public_key((tmp_path / "key.pem.pub").read_bytes())
    assert isinstance(public, ed25519.Ed25519PublicKey)
    signer = read_signer(str(tmp_path / "key.pem"))
    public.verify(parse_signature(signer.sign(b"data")).value, b"data")
    assert public.public_bytes_raw() == read_public(str(tmp_path / "key.pem.pub"))
    assert (made.key_id, None) == (signer.key_id, signer.endorsement)


def test_an_endorsed_one(tmp_path: Path) -> None:
    """Both files carry the old key's signature of the new public key."""
    old = make_key(str(tmp_path / "old.pem"), None)
    new = make_key(str(tmp_path / "new.pem"), str(tmp_path / "old.pem"))
    found = read_signer(str(tmp_path / "new.pem"))
    assert new.endorsement == found.endorsement
    signature = parse_signature(found.endorsement or "")
    assert old.key_id == signature.key_id
    raw = ed25519.Ed25519PublicKey.from_public_bytes(old.key.public)
    raw.verify(signature.value, endorsement_bytes(read_public(str(tmp_path / "new.pem.pub"))))


@pytest.mark.parametrize("taken", ["key.pem", "key.pem.pub"])
def test_nothing_is_overwritten(tmp_path: Path, taken: str) -> None:
    """Where either file is there, none is written."""
    (tmp_path / taken).write_bytes(b"mine")
    with pytest.raises(UsageError, match="never overwritten"):
        make_key(str(tmp_path / "key.pem"), None)
    assert {taken: b"mine"} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """The error names it."""
    with pytest.raises(JournalError, match="nowhere"):
        make_key(str(tmp_path / "nowhere" / "key.pem"), None)


def test_files_that_are_no_key_of_ours(tmp_path: Path) -> None:
    """Each is refused with what it is instead."""
    key, other = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    plain, locked = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"secret")
    contents = {
        "no private key": b"rubbish",
        "password": key.private_bytes(PEM, PKCS8, locked),
        "not an Ed25519": other.private_bytes(PEM, PKCS8, plain),
        "larger": b"x" * (KEY_FILE_BYTES_MAX + 1),
        "no base64": b"standpipe-endorsement: ed25519:0123456789abcdef:!\n" + key.private_bytes(PEM, PKCS8, plain),
    }
    for words, content in contents.items():
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(JournalError, match=words):
            read_signer(str(tmp_path / "key"))
    with pytest.raises(JournalError, match="No such file"):
        read_signer(str(tmp_path / "nowhere"))


def test_what_is_no_public_key(tmp_path: Path) -> None:
    """A private key is refused by name: whoever verifies must not have it."""
    make_key(str(tmp_path / "key.pem"), None)
    with pytest.raises(JournalError, match="private key"):
        read_public(str(tmp_path / "key.pem"))
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    other = public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for words, content in {"no public key": b"rubbish", "not an Ed25519": other}.items():
        (tmp_path / "key.pub").write_bytes(content)
        with pytest.raises(JournalError, match=words):
            read_public(str(tmp_path / "key.pub"))


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o440, False), (0o644, True), (0o602, True)])
def test_who_may_read_it(tmp_path: Path, mode: int, *, exposed: bool) -> None:
    """The group may, as Kubernetes needs it; all others may not."""
    (tmp_path / "key.pem").touch()
    (tmp_path / "key.pem").chmod(mode)
    assert exposed == is_exposed(str(tmp_path / "key.pem"))


def test_the_library_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to install it."""
    monkeypatch.delitem(sys.modules, "standpipe.journal.ed25519", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(JournalError, match=r"pip install 'standpipe\[sign\]'"):
        key_files.read_signer(str(tmp_path / "key.pem"))
