"""Signatures and keys as text. Pure; the cryptography itself is journal.ed25519.

A signature is ``ed25519:<key id>:<base64>``: 64 bytes of RFC 8032, and the id of the key that made them, which is the
first KEY_ID_DIGITS hex digits of the SHA-256 of the raw public key. It names a key and proves nothing.

**What is signed.** A seal: the bytes of its file with null in the signature's place (journal.seal). A key, by the one
that it replaces (*endorsement*): ENDORSEMENT_CONTEXT and the raw public key. No seal begins with that context, so
neither can pass for the other.

**Key files.** PEM (RFC 7468), PKCS #8 for the private key and SubjectPublicKeyInfo for the public one, with the
endorsement, if there is one, in a line of text before it, which other programs pass over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import NamedTuple

ALGORITHM = "ed25519"
KEY_ID_DIGITS = 16
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
ENDORSEMENT_CONTEXT = b"standpipe key endorsement 1\n"
ENDORSEMENT_LINE = "standpipe-endorsement: "


class Signature(NamedTuple):
    """A signature and the id of its key."""

    key_id: str
    value: bytes


def key_id(public: bytes) -> str:
    """Return the id of a raw public key."""
    return hashlib.sha256(public).hexdigest()[:KEY_ID_DIGITS]


def signature_text(public: bytes, value: bytes) -> str:
    """Return a signature as it is written."""
    return f"{ALGORITHM}:{key_id(public)}:{base64.b64encode(value).decode('ascii')}"


def parse_signature(text: str) -> Signature:
    """Read a signature. Raises ValueError where it is not one of ours."""
    algorithm, _, rest = text.partition(":")
    key, _, encoded = rest.partition(":")
    if algorithm != ALGORITHM:
        raise ValueError(f"its algorithm is {algorithm!r}, not {ALGORITHM}")
    if len(key) != KEY_ID_DIGITS or not all(c in "0123456789abcdef" for c in key):
        raise ValueError(f"{key!r} is no key id")
    return Signature(key, _decode(encoded, SIGNATURE_BYTES))


def public_key_text(public: bytes) -> str:
    """Return a raw public key as a seal names it."""
    return base64.b64encode(public).decode("ascii")


def parse_public_key(text: str) -> bytes:
    """Read a raw public key as a seal names it. Raises ValueError."""
    return _decode(text, PUBLIC_KEY_BYTES)


def _decode(text: str, length: int) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("it is no base64") from error
    if len(value) != length:
        raise ValueError(f"it has {len(value)} bytes, not {length}")
    return value


def endorsement_bytes(public: bytes) -> bytes:
    """Return what a key signs to endorse another one."""
    return ENDORSEMENT_CONTEXT + public


def with_endorsement(pem: bytes, endorsement: str | None) -> bytes:
    """Return a key file's content."""
    return pem if endorsement is None else f"{ENDORSEMENT_LINE}{endorsement}\n".encode("ascii") + pem


def find_endorsement(content: bytes) -> str | None:
    """Return the endorsement in a key file; None without one. Raises ValueError where it is damaged."""
    for line in content.decode("ascii", "replace").splitlines():
        if line.startswith(ENDORSEMENT_LINE):
            text = line.removeprefix(ENDORSEMENT_LINE).strip()
            parse_signature(text)
            return text
    return None
