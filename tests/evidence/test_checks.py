from __future__ import annotations

import pytest

from standpipe.evidence.checks import INTEGRITY, PAIRING, TILING, sees


@pytest.mark.parametrize(
    ("what", "seen_by"),
    [
        ("altered", {INTEGRITY}),
        ("chain-broken", {INTEGRITY}),
        ("signature-wrong", {INTEGRITY}),
        ("short", {INTEGRITY, TILING}),
        ("overlap", {TILING}),
        ("tail-missing", {TILING}),
        ("undecodable", {INTEGRITY, TILING, PAIRING}),
    ],
)
def test_each_check_sees_its_own_damage(what: str, seen_by: set[str]) -> None:
    """Digests and seals belong to integrity, addresses to tiling; what cannot be unpacked stops all three."""
    assert seen_by == {check for check in (TILING, INTEGRITY, PAIRING) if sees(frozenset({check}), what)}
