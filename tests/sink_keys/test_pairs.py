from __future__ import annotations

from standpipe.sink_keys.pairs import pair_problems


def test_one_without_the_other() -> None:
    """The one that is given is named, and the one that is missing."""
    assert [] == pair_problems({}, "a", "b")
    assert [] == pair_problems({"a": 1, "b": 2}, "a", "b")
    ((name, message, remedy),) = pair_problems({"b": 2}, "a", "b")
    assert ("b", "is given without a", "Give a as well, or remove b") == (name, message, remedy)
