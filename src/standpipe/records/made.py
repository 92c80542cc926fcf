"""A sequence of which each member is made anew whenever it is asked for: the parts of a record larger than memory."""

from collections.abc import Callable, Sequence
from typing import overload


class Made(Sequence[bytes]):
    """`count` payloads; ``make(number)`` gives the one at index number."""

    __slots__ = ("_count", "_make")

    def __init__(self, count: int, make: Callable[[int], bytes]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        """Return how many there are."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        """Make one, or some."""
        numbers = range(self._count)[index]
        return self._make(numbers) if isinstance(numbers, int) else [self._make(number) for number in numbers]


def part_name(number: int, count: int) -> str:
    """Return which of how many parts the one at index number is, as the envelope's ``part`` has it: ``2/3``."""
    return f"{number + 1}/{count}"
