"""The seal files of one journal, read once each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.layout import SEGMENT_NUMBER, Layout, seal_file_name
from standpipe.journal.seal import SEAL_BYTES_MAX, Seal, parse_seal

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_seal_bytes(layout: Layout, base: int, number: int = SEGMENT_NUMBER) -> bytes:
    """Return the exact bytes of a seal file (at most one more than a seal may have). Raises OSError.

    number: of an idle seal; a segment's own is the default.
    """
    with open(layout.seal(base, number), "rb") as file:
        return file.read(SEAL_BYTES_MAX + 1)


def parse_seal_at(data: bytes, base: int, number: int = SEGMENT_NUMBER) -> Seal:
    """Parse the bytes of the seal at a place. Raises JournalError (damaged, or another place's)."""
    name = seal_file_name(base, number)
    seal = parse_seal(data, name)
    if seal.base != base:
        raise JournalError(f"{name} is the seal of the segment at {seal.base}", "Restore the file from a copy")
    if seal.idle != (None if number == SEGMENT_NUMBER else number):
        raise JournalError(f"{name} is another seal of the offset {base}", "Restore the file from a copy")
    return seal


def read_seal(layout: Layout, base: int, number: int = SEGMENT_NUMBER) -> Seal:
    """Read and parse one seal. Raises OSError, JournalError (damaged, or another place's)."""
    return parse_seal_at(read_seal_bytes(layout, base, number), base, number)


class SealStore:
    """Parsed seals by their place in the chain. None never changes: each is read once. A damaged one: None."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._seals: dict[tuple[int, int], Seal | None] = {}

    def load(self, places: Iterable[tuple[int, int]]) -> None:
        """Read the seals at these places that are not known yet, and forget all others. Raises OSError."""
        wanted = set(places)
        for place in self._seals.keys() - wanted:
            del self._seals[place]
        for place in sorted(wanted - self._seals.keys()):
            try:
                self._seals[place] = read_seal(self._layout, *place)
            except FileNotFoundError:
                continue
            except JournalError:
                self._seals[place] = None

    def get(self, base: int, number: int = SEGMENT_NUMBER) -> Seal | None:
        """Return a loaded seal; None where there is none or it is damaged."""
        return self._seals.get((base, number))

    def all(self) -> list[Seal]:
        """Return the loaded seals that can be read, in the order of the chain."""
        return [seal for _, seal in sorted(self._seals.items()) if seal is not None]


def raw_size_of(layout: Layout, base: int) -> int | None:
    """Return how many raw bytes a segment without a ``.log`` holds, as its seal says; None where no seal can tell."""
    try:
        seal = read_seal(layout, base)
    except (OSError, JournalError):
        return None
    return seal.end - seal.base
