"""Ed25519 (RFC 8032) by the library `cryptography`. Only journal.key_files imports this file, when a key is needed."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class PrivateKey:
    """A key that signs. ``public`` is the raw public key."""

    __slots__ = ("_key", "public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """Return the signature of data."""
        return self._key.sign(data)

    def private_pem(self) -> bytes:
        """Return the key as PKCS #8, not encrypted."""
        form = serialization.PrivateFormat.PKCS8
        return self._key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())

    def public_pem(self) -> bytes:
        """Return the public key as SubjectPublicKeyInfo."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.PEM, form)


def generate() -> PrivateKey:
    """Return a new key, made of the kernel's randomness."""
    return PrivateKey(Ed25519PrivateKey.generate())


def load_private(pem: bytes) -> PrivateKey:
    """Read a PEM file's private key. Raises ValueError where there is none, or one that cannot be used."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except TypeError as error:
        raise ValueError("it is encrypted with a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("it holds no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("its key is not an Ed25519 key")  # noqa: TRY004 - a file's content, not a caller's mistake
    return PrivateKey(key)


def load_public(pem: bytes) -> bytes:
    """Read a PEM file's public key and return it raw. Raises ValueError where there is none that can be used."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("it holds no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("its key is not an Ed25519 key")  # noqa: TRY004
    return key.public_bytes_raw()


def verify(public: bytes, signature: bytes, data: bytes) -> bool:
    """Tell whether a raw public key's owner made this signature of data."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except InvalidSignature:
        return False
    return True
