"""Options of which neither is of any use without the other, such as a name and its password. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def pair_problems(options: Mapping[str, object], one: str, other: str) -> list[tuple[str, str, str]]:
    """Return what is wrong where only one of two options is given: (option, message, remedy)."""
    if bool(options.get(one)) == bool(options.get(other)):
        return []
    given, missing = (one, other) if options.get(one) else (other, one)
    return [(given, f"is given without {missing}", f"Give {missing} as well, or remove {given}")]
