"""The public keys that a verifier gives, read from their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.evidence.signatures import Keys
from standpipe.journal.key_files import ed25519, read_public

if TYPE_CHECKING:
    from collections.abc import Sequence


def trusted_keys(paths: Sequence[str]) -> Keys | None:
    """Read public keys; None where no file is named: nothing is known of signatures then. Raises JournalError."""
    if not paths:
        return None
    return Keys(tuple(read_public(path) for path in paths), ed25519().verify)
