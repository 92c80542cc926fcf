"""From an archive's segments to the facts of the journals in it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from standpipe.evidence.journal_facts import CopyFacts, IdleSealFacts, JournalFacts, SealFacts, SegmentFacts
from standpipe.evidence.seal_facts import seal_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from standpipe.archive.arrange import ArchivedSegment


@dataclass(frozen=True, slots=True)
class Run:
    """One journal below one node. follows: the journal before it, whose last seal its first one links to, if any."""

    journal_id: str
    segments: tuple[ArchivedSegment, ...]
    follows: str | None
    predecessor: str | None


def split_runs(segments: Sequence[ArchivedSegment]) -> tuple[Run, ...]:
    """Split a node's segments, in order, into its journals.

    A journal's first seal may link to the last seal of a journal before it. Where that link leads nowhere although
    there is a journal before, the end of that one is missing, and the chain counts as broken there.
    """
    runs: list[Run] = []
    ends: dict[str, str] = {}  # digest of a journal's last seal → the journal
    newest: str | None = None
    for journal_id, group in groupby(segments, key=lambda segment: segment.journal_id):
        mine = tuple(group)
        sealed = [segment for segment in mine if segment.seal is not None]
        link = sealed[0].seal.previous if sealed and sealed[0].seal is not None else None
        known = link is None or link in ends or newest is None
        runs.append(Run(journal_id, mine, ends.get(link or ""), link if known else newest))
        if sealed:
            newest = _digest(sealed[-1])
            ends[newest] = journal_id
    return tuple(runs)


def _digest(segment: ArchivedSegment) -> str:
    return seal_facts(segment.seal_key, segment.seal_bytes).digest


def owners(runs: Iterable[tuple[str, Run]]) -> dict[str, str]:
    """Return whose each journal is: of the nodes below which it stands, that with most of its segments."""
    counts: dict[str, Counter[str]] = {}
    for node, run in runs:
        counts.setdefault(run.journal_id, Counter())[node] += len(run.segments)
    return {journal_id: count.most_common(1)[0][0] for journal_id, count in counts.items()}


def _seal_facts(segment: ArchivedSegment) -> SealFacts | None:
    if not segment.seal_key:
        return None
    facts = seal_facts(segment.seal_key, segment.seal_bytes)
    if not facts.problem and (facts.base, facts.end) != (segment.base, segment.end):
        problem = f"its name says [{segment.base}, {segment.end}), it says [{facts.base}, {facts.end})"
        return SealFacts(segment.seal_key, facts.digest, problem=problem)
    return facts


def _same(segment: ArchivedSegment) -> tuple[int, int, int, bytes]:
    """Return what two objects have in common that are copies of one: a segment may be stored under two dates."""
    return segment.base, segment.end, segment.number, segment.seal_bytes


def run_facts(run: Run, copies: Mapping[str, CopyFacts]) -> JournalFacts:
    """Return the facts of one journal. copies: by key, what was read of the data."""
    segments: list[SegmentFacts] = []
    idle_seals: list[IdleSealFacts] = []
    for _, group in groupby(run.segments, key=_same):
        same = list(group)
        first = same[0]
        if first.number:
            idle_seals.append(IdleSealFacts(first.base, first.number, _seal_facts(first)))
            continue
        data = tuple(copies[segment.data_key] for segment in same if segment.data_key in copies)
        segments.append(SegmentFacts(base=first.base, copies=data, seal=_seal_facts(first)))
    return JournalFacts(
        journal_id=run.journal_id,
        predecessor=run.predecessor,
        segments=tuple(segments),
        idle_seals=tuple(idle_seals),
        archived=True,
    )
