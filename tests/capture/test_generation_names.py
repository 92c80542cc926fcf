from __future__ import annotations

import pytest

from standpipe.capture.generation_names import is_generation, is_gzipped_generation, is_ours, reclaimed_name

LIVE = "audit.log"


@pytest.mark.parametrize(
    "name",
    [
        "audit.log.1",
        "audit.log-20261123",
        "audit.log.old",
        "audit.log~",
        "audit.1.log",
        "audit-1764000000000000000.log",
        "audit-20261123.log",
        reclaimed_name(LIVE, 7),
    ],
)
def test_rotators_names_are_generations(name: str) -> None:
    """The names that logrotate, people, Vault's proposal and our own reclaim give are candidates."""
    assert is_generation(LIVE, name)


@pytest.mark.parametrize(
    "name",
    [
        "audit.log",
        ".audit.log.1",
        "audit.log.1.gz",
        "audit.log.1.zst",
        "audit.log.tmp",
        "audit.log.json",
        "audit-old.log",
        "audit.logs",
        "auditor.log",
        "my-audit.log",
        "other.log",
    ],
)
def test_strangers_are_no_generations(name: str) -> None:
    """The live file, hidden, compressed and temporary ones, and other logs are left alone."""
    assert not is_generation(LIVE, name)


def test_compressed_generations_are_known_by_their_name() -> None:
    """What is a generation without .gz is a compressed one with it; a live file's own .gz is none."""
    assert is_gzipped_generation(LIVE, "audit.log.1.gz")
    assert not is_gzipped_generation(LIVE, "audit.log.gz")
    assert not is_gzipped_generation(LIVE, "audit.log.1")


@pytest.mark.parametrize("name", ["audit.log.standpipe-7", "audit.log.standpipe-" + "x" * 20, "audit.log.1"])
def test_only_our_own_form_is_ours(name: str) -> None:
    """A name is ours with 20 digits after the mark, and only then: what is not ours is never unlinked."""
    assert is_ours(LIVE, reclaimed_name(LIVE, 1 << 40))
    assert not is_ours(LIVE, name)
