"""The three checks of `verify`, and which damage each of them sees. Pure."""

from __future__ import annotations

TILING = "tiling"
INTEGRITY = "integrity"
PAIRING = "pairing"
CHECKS = (TILING, INTEGRITY, PAIRING)
ALL_CHECKS = frozenset(CHECKS)

# Words of docs/verify.md. Integrity sees every word but those of the second line of tiling.
_UNREADABLE = frozenset({"undecodable"})
_PLACES_ONLY = frozenset({"overlap", "tail-missing"})
_SIZES = frozenset({"short", "long", "data-missing"})


def sees(checks: frozenset[str], what: str) -> bool:
    """Tell whether one of the checks looks for damage of this word."""
    if what in _UNREADABLE:
        return True
    if what in _PLACES_ONLY:
        return TILING in checks
    return INTEGRITY in checks or (what in _SIZES and TILING in checks)
