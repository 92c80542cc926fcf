"""The seal files of one journal, read once each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.layout import SEAL_SUFFIX, Layout, segment_file_name
from standpipe.journal.seal import SEAL_BYTES_MAX, Seal, parse_seal

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_seal_bytes(layout: Layout, base: int) -> bytes:
    """Return the exact bytes of a seal file (at most one more than a seal may have). Raises OSError."""
    with open(layout.segment(base, SEAL_SUFFIX), "rb") as file:
        return file.read(SEAL_BYTES_MAX + 1)


def read_seal(layout: Layout, base: int) -> Seal:
    """Read and parse one seal. Raises OSError, JournalError (damaged, or another segment's)."""
    name = segment_file_name(base, SEAL_SUFFIX)
    seal = parse_seal(read_seal_bytes(layout, base), name)
    if seal.base != base:
        raise JournalError(f"{name} is the seal of the segment at {seal.base}", "Restore the file from a copy")
    return seal


class SealStore:
    """Parsed seals by base. A seal never changes, so each is read once; a damaged one is kept as None."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._seals: dict[int, Seal | None] = {}

    def load(self, bases: Iterable[int]) -> None:
        """Read the seals of these bases that are not known yet, and forget all others. Raises OSError."""
        wanted = set(bases)
        for base in self._seals.keys() - wanted:
            del self._seals[base]
        for base in sorted(wanted - self._seals.keys()):
            try:
                self._seals[base] = read_seal(self._layout, base)
            except FileNotFoundError:
                continue
            except JournalError:
                self._seals[base] = None

    def get(self, base: int) -> Seal | None:
        """Return a loaded seal; None where there is none or it is damaged."""
        return self._seals.get(base)

    def all(self) -> list[Seal]:
        """Return the loaded seals that can be read, in the order of their bases."""
        return [seal for _, seal in sorted(self._seals.items()) if seal is not None]


def raw_size_of(layout: Layout, base: int) -> int | None:
    """Return how many raw bytes a segment without a ``.log`` holds, as its seal says; None where no seal can tell."""
    try:
        seal = read_seal(layout, base)
    except (OSError, JournalError):
        return None
    return seal.end - seal.base
