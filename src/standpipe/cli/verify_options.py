"""What every way of verifying is asked for: by a journal, by archives, by copies from downstream."""

from __future__ import annotations

from dataclasses import dataclass

from standpipe.evidence.checks import ALL_CHECKS, CHECKS, INTEGRITY, PAIRING, TILING

__all__ = ["CHECKS", "INTEGRITY", "PAIRING", "TILING", "VerifyOptions"]


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of `standpipe verify` that do not depend on the kind of input."""

    json_wanted: bool = False
    """Print one JSON object instead of words."""
    accept_recorded: bool = False
    """Gaps that were recorded when they came to be do not count."""
    require_pairs: bool = False
    """Requests and responses that are alone, and that nothing explains, make the verdict `incomplete`."""
    checks: frozenset[str] = ALL_CHECKS
    """Which of evidence.checks to make."""
    public_keys: tuple[str, ...] = ()
    """Files of public keys: every seal must be signed by one of them, or by one that it endorsed."""
    prefix: bytes | None = None
    """The audit device's ``prefix`` option; None: what the journal's own config says."""
