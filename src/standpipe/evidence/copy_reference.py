"""Reads the seals that copies are judged by: a journal's, or an archive's."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from standpipe.archive.reading import open_archive
from standpipe.errors import JournalError, StandpipeError
from standpipe.evidence.recorded_gaps import incident_gap
from standpipe.evidence.seal_facts import seal_facts
from standpipe.journal import identity, incidents
from standpipe.journal.layout import SEAL_SUFFIX, Layout
from standpipe.journal.seal import SEAL_BYTES_MAX

if TYPE_CHECKING:
    from standpipe.evidence.journal_facts import GapFacts, SealFacts


@dataclass(slots=True)
class GivenSeals:
    """Seals, and the gaps that their journals have on record, by journal id."""

    seals: list[SealFacts] = field(default_factory=list)
    recorded: dict[str, list[GapFacts]] = field(default_factory=dict)


def read_seals(locations: tuple[str, ...]) -> GivenSeals:
    """Read all seals at these places: directories of journals, archives' directories and URLs.

    Raises StandpipeError where there is none, or one is damaged.
    """
    found = GivenSeals()
    for location in locations:
        before = len(found.seals)
        if os.path.lexists(Layout(location).identity):
            _read_journal(Layout(os.path.abspath(location)), found)
        else:
            for node in open_archive(location).nodes():
                for segment in node.segments():
                    if segment.seal_bytes:
                        _take(found, f"{location}/{segment.seal_key}", segment.seal_bytes)
        if len(found.seals) == before:
            raise StandpipeError(f"there are no seals at {location}", "Name a journal's directory, or an archive")
    return found


def _read_journal(layout: Layout, found: GivenSeals) -> None:
    journal = identity.read(layout).journal_id
    try:
        names = sorted(name for name in os.listdir(layout.segments) if name.endswith(SEAL_SUFFIX))
        for name in names:
            with open(f"{layout.segments}/{name}", "rb") as file:
                _take(found, f"{layout.segments}/{name}", file.read(SEAL_BYTES_MAX + 1))
        recorded = incidents.read(layout.incidents)
    except OSError as error:
        raise JournalError(
            f"cannot read the seals of {layout.root}: {error.strerror}: {error.filename}",
            "Run as the user that owns the journal",
        ) from error
    found.recorded.setdefault(journal, []).extend(map(incident_gap, recorded))


def _take(found: GivenSeals, name: str, data: bytes) -> None:
    facts = seal_facts(name, data)
    if facts.problem:
        raise JournalError(facts.problem, "Run `standpipe verify` on the journal or archive itself first")
    found.seals.append(facts)
