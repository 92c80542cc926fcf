"""From a listing of ``segments/`` to what the journal covers. Pure; the rules are those of journal.layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from standpipe.journal.layout import (
    COMPRESSED_SUFFIX,
    FAILED_SUFFIX,
    SEAL_SUFFIX,
    SEGMENT_SUFFIX,
    parse_segment_file_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FileEntry = tuple[str, int, int]  # name, size in bytes, st_mode (or its permission bits)
Stored = Literal["log", "zst", "both", "none"]

OWNER_MAY_WRITE = 0o200  # set in OPEN_SEGMENT_MODE, clear in FINISHED_SEGMENT_MODE


@dataclass(frozen=True, slots=True)
class Segment:
    """One base and everything that is stored under it.

    ``[base, end)`` are the addresses that it covers; ``size`` is how many raw bytes it holds (more than ``end - base``
    where the next segment overlaps it); ``disk_bytes`` what ``.log`` and ``.log.zst`` take. ``stored`` says in which
    form the bytes are there; ``none`` is a seal or a mark that outlived its data. ``finished``: capture will not
    touch it any more.
    """

    base: int
    end: int
    size: int
    disk_bytes: int
    stored: Stored
    finished: bool
    sealed: bool
    failed: bool

    @property
    def has_data(self) -> bool:
        """Tell whether its bytes are still there, in any form."""
        return self.stored != "none"


def group_by_base(files: Iterable[FileEntry]) -> dict[int, dict[str, tuple[int, int]]]:
    """Return base → suffix → (size, mode), for the names that are ours."""
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for name, size, mode in files:
        parsed = parse_segment_file_name(name)
        if parsed is not None:
            base, suffix = parsed
            found.setdefault(base, {})[suffix] = (size, mode)
    return found


def bases_without_raw_size(files: Iterable[FileEntry]) -> list[int]:
    """Return the bases without a ``.log``: their raw size must come from the seal or from the frame table."""
    return sorted(base for base, parts in group_by_base(files).items() if SEGMENT_SUFFIX not in parts)


def _stored(parts: Mapping[str, tuple[int, int]]) -> Stored:
    if SEGMENT_SUFFIX in parts:
        return "both" if COMPRESSED_SUFFIX in parts else "log"
    return "zst" if COMPRESSED_SUFFIX in parts else "none"


def _segment(base: int, parts: Mapping[str, tuple[int, int]], raw_size: int | None, next_base: int | None) -> Segment:
    log = parts.get(SEGMENT_SUFFIX)
    stored = _stored(parts)
    size = log[0] if log else raw_size
    if size is None:
        # Nobody knows how long it is. Saying "nothing here" would let a reader step over bytes that exist.
        size = next_base - base if next_base is not None and stored == "zst" else 0
    end = base + size
    return Segment(
        base=base,
        end=end if next_base is None else min(end, next_base),
        size=size,
        disk_bytes=(log[0] if log else 0) + parts.get(COMPRESSED_SUFFIX, (0, 0))[0],
        stored=stored,
        finished=log is None or not log[1] & OWNER_MAY_WRITE,
        sealed=SEAL_SUFFIX in parts,
        failed=FAILED_SUFFIX in parts,
    )


def list_segments(files: Iterable[FileEntry], raw_sizes: Mapping[int, int]) -> list[Segment]:
    """Return the segments in the order of their bases.

    raw_sizes gives the raw size in bytes of those that have no ``.log``; an unknown one is taken to reach
    the next base, so that reading it fails loudly.
    """
    found = group_by_base(files)
    bases = sorted(found)
    following: list[int | None] = [*bases[1:], None][: len(bases)]
    return [
        _segment(base, found[base], raw_sizes.get(base), next_base)
        for base, next_base in zip(bases, following, strict=True)
    ]
