from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from standpipe.errors import SourceError
from standpipe.preflight import Check, Result, failed, ok, perform, size_words, verdict, warning

if TYPE_CHECKING:
    from collections.abc import Sequence


def facts(results: Sequence[Result]) -> list[tuple[str, str, str, str]]:
    """Return results as they can be compared."""
    return [(result.name, result.state, result.found, result.remedy) for result in results]


def test_checks_are_done_in_order() -> None:
    """A check may have several results, or none."""
    checks = [
        Check("one", lambda: [ok("one", "a"), warning("one", "b", "c")]),
        Check("none", list),
        Check("two", lambda: [failed("two", "d", "e")]),
    ]
    assert [("one", "ok", "a", ""), ("one", "warning", "b", "c"), ("two", "failed", "d", "e")] == facts(perform(checks))


def test_a_check_that_cannot_be_done_stops_nothing() -> None:
    """What the operating system or we ourselves said is told under the check's name, and the next one is done."""

    def refused() -> Sequence[Result]:
        raise PermissionError(13, "Permission denied", "/proc")

    def unclear() -> Sequence[Result]:
        raise SourceError("no process", "Start Vault")

    checks = [Check("one", refused), Check("two", unclear), Check("three", lambda: [ok("three", "x")])]
    assert [
        (
            "one",
            "unknown",
            "could not be checked: Permission denied: /proc",
            "Run the check as the user that standpipe runs as",
        ),
        ("two", "unknown", "could not be checked: no process", "Start Vault"),
        ("three", "ok", "x", ""),
    ] == facts(perform(checks))


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "ok"),
        (["ok", "ok"], "ok"),
        (["ok", "warning"], "warning"),
        (["unknown", "warning"], "unknown"),
        (["failed", "unknown"], "failed"),
    ],
)
def test_the_worst_state_is_the_verdict(states: list[str], expected: str) -> None:
    """A proven failure outweighs what could not be seen, which outweighs a warning."""
    assert expected == verdict([Result("x", state, "") for state in states])


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3 << 20, "3.0 MiB"),
        (10 << 30, "10.0 GiB"),
        (1 << 50, "1,024.0 TiB"),
    ],
)
def test_sizes_are_said_in_the_unit_that_fits(count: int, expected: str) -> None:
    """The largest unit in which it is 1 or more."""
    assert expected == size_words(count)
