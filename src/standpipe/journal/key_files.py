"""Key files on disk: made by `standpipe keygen`, read by keep and by `verify`. Their form: journal.signature."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from standpipe.errors import JournalError, UsageError
from standpipe.journal.atomic import fsync_directory, unlink_if_there, write_all
from standpipe.journal.signature import (
    endorsement_bytes,
    find_endorsement,
    key_id,
    public_key_text,
    signature_text,
    with_endorsement,
)

if TYPE_CHECKING:
    from standpipe.journal.ed25519 import PrivateKey

PUBLIC_SUFFIX = ".pub"
PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644
OTHERS_MAY_READ = 0o007  # a group may: Kubernetes gives a secret's files to the pod's group (fsGroup)
KEY_FILE_BYTES_MAX = 64 << 10  # ours have 300 bytes; a wrong path may name anything
LIBRARY = "cryptography"
KEYGEN_REMEDY = "Make a key with `standpipe keygen`"


class KeyFileError(JournalError):
    """A key cannot be read, or the library for it is missing."""


class _Ed25519(Protocol):
    """What journal.ed25519 offers."""

    def generate(self) -> PrivateKey: ...

    def load_private(self, pem: bytes) -> PrivateKey: ...

    def load_public(self, pem: bytes) -> bytes: ...

    def verify(self, public: bytes, signature: bytes, data: bytes) -> bool: ...


def ed25519() -> _Ed25519:
    """Return the module journal.ed25519. Raises KeyFileError where its library is not installed."""
    try:
        return cast("_Ed25519", import_module("standpipe.journal.ed25519"))
    except ImportError as error:
        if (error.name or "").partition(".")[0] != LIBRARY:
            raise  # a fault of ours
        message = f"signatures need the library {LIBRARY}, which cannot be loaded: {error}"
        raise KeyFileError(message, "Run: pip install 'standpipe[sign]'") from error


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs seals, and the endorsement that its file carries."""

    key: PrivateKey
    endorsement: str | None

    @property
    def key_id(self) -> str:
        """Return the id of the key."""
        return key_id(self.key.public)

    @property
    def public(self) -> str:
        """Return the public key as a seal names it."""
        return public_key_text(self.key.public)

    def sign(self, data: bytes) -> str:
        """Return the signature of data as text."""
        return signature_text(self.key.public, self.key.sign(data))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFileError(f"cannot read the key file {path}: {error.strerror}", KEYGEN_REMEDY) from error
    if len(content) > KEY_FILE_BYTES_MAX:
        raise KeyFileError(f"{path} is no key file: it is larger than {KEY_FILE_BYTES_MAX} bytes", KEYGEN_REMEDY)
    return content


def read_signer(path: str) -> Signer:
    """Read a private key. Raises KeyFileError."""
    library = ed25519()
    content = _read(path)
    try:
        return Signer(library.load_private(content), find_endorsement(content))
    except ValueError as error:
        raise KeyFileError(f"{path} cannot be used to sign: {error}", KEYGEN_REMEDY) from error


def read_public(path: str) -> bytes:
    """Read a public key and return it raw. Raises KeyFileError."""
    library = ed25519()
    content = _read(path)
    if b"PRIVATE KEY" in content:
        message = f"{path} holds a private key; whoever verifies must not have it"
        raise KeyFileError(message, f"Name the public one, usually {path}{PUBLIC_SUFFIX}")
    try:
        return library.load_public(content)
    except ValueError as error:
        raise KeyFileError(f"{path} cannot be used to verify: {error}", KEYGEN_REMEDY) from error


def is_exposed(path: str) -> bool:
    """Tell whether users outside of the file's group may read or change it. Raises OSError."""
    return bool(os.stat(path).st_mode & OTHERS_MAY_READ)


def make_key(path: str, replaces: str | None) -> Signer:
    """Make a key pair at ``path`` and ``path.pub``, durably; replaces: the private key that endorses the new one.

    Raises UsageError where one of the files is there, JournalError where the old key or the directory cannot be used.
    """
    library = ed25519()
    old = None if replaces is None else read_signer(replaces)
    key = library.generate()
    endorsement = None if old is None else old.sign(endorsement_bytes(key.public))
    public_path = path + PUBLIC_SUFFIX
    for taken in (path, public_path):
        if os.path.lexists(taken):
            remedy = "Give another name; a key that has signed must stay, or nobody can verify what it signed"
            raise UsageError(f"{taken} is there already, and is never overwritten", remedy)
    try:
        _create(path, with_endorsement(key.private_pem(), endorsement), PRIVATE_MODE)
        _create(public_path, with_endorsement(key.public_pem(), endorsement), PUBLIC_MODE)
        fsync_directory(os.path.dirname(path) or ".")
    except OSError as error:
        message = f"cannot write the key: {error.strerror}: {error.filename}"
        raise JournalError(message, "Name a file in a directory that this user may write to") from error
    return Signer(key, endorsement)


def _create(path: str, content: bytes, mode: int) -> None:
    """Write a new file. Raises OSError, and leaves none then."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        try:
            os.fchmod(descriptor, mode)
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        unlink_if_there(path)
        raise
