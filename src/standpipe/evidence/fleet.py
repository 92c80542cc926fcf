"""Several journals and archives judged together: each, all of them, and who is silent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from standpipe.evidence.damage import Damage
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN, Findings
from standpipe.evidence.last_seen import seconds_of
from standpipe.evidence.wording import count_text
from standpipe.journal.layout import SEGMENT_NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SILENT_AFTER_SECONDS = 7200.0  # twice journal.seal_every's default: keep seals empty intervals, too, once in that time

Node = tuple[str, str]  # cluster ("" where nobody says it), node


@dataclass(frozen=True, slots=True)
class Member:
    """One journal in one place.

    follows: the journal whose last seal its first one links to, in an archive. readable: False for a place of which
    nothing could be read; it has no journal and no node then.
    """

    cluster: str
    node: str
    journal_id: str
    location: str
    findings: Findings
    archived: bool = False
    follows: str | None = None
    readable: bool = True


@dataclass(frozen=True, slots=True)
class SilentNode:
    """A node that gave no sign of life for too long. silent_seconds: how long; None where it never gave one."""

    cluster: str
    node: str
    last_seen: str | None
    silent_seconds: float | None


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that was verified. foreign, unfinished: keys in archives that are no part of them."""

    verdict: str
    members: tuple[Member, ...]
    silent: tuple[SilentNode, ...]
    foreign: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()

    @property
    def nodes(self) -> int:
        """How many nodes there are; a place that could not be read at all is none."""
        return len(set(_node_of_each(self.readable)))

    @property
    def readable(self) -> tuple[Member, ...]:
        """Return the members of which something could be read."""
        return tuple(member for member in self.members if member.readable)

    def counted(self) -> tuple[Member, ...]:
        """Return each journal once, from the place that has most of it: a total must not count a record twice."""
        best: dict[str, Member] = {}
        for member in self.readable:
            known = best.get(member.journal_id)
            if known is None or member.findings.records > known.findings.records:
                best[member.journal_id] = member
        return tuple(best.values())


def judge_fleet(
    members: Iterable[Member],
    *,
    silent_after_seconds: float = SILENT_AFTER_SECONDS,
    now_seconds: float | None = None,
    foreign: Sequence[str] = (),
    unfinished: Sequence[str] = (),
) -> Fleet:
    """Judge all together.

    now_seconds: since 1970; silence is measured from there, or else from the newest sign of life of any node.
    """
    compared = _compare_copies(tuple(members))
    return Fleet(
        verdict=_verdict(member.findings.verdict for member in compared),
        members=compared,
        silent=_silent([member for member in compared if member.readable], silent_after_seconds, now_seconds),
        foreign=tuple(foreign),
        unfinished=tuple(unfinished),
    )


def _verdict(verdicts: Iterable[str]) -> str:
    """Return the worst: what is proven to be bad outweighs what could not be told."""
    found = set(verdicts)
    return next((verdict for verdict in (INCOMPLETE, UNKNOWN) if verdict in found), COMPLETE if found else UNKNOWN)


def with_damage(findings: Findings, *damages: Damage) -> Findings:
    """Return the findings with more damage, and the verdict that follows."""
    if not damages:
        return findings
    together = sorted((*findings.damaged, *damages), key=lambda damage: (damage.start, damage.end, damage.what))
    return replace(findings, damaged=tuple(together), verdict=INCOMPLETE)


def _compare_copies(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Compare each journal's members: an archive pins the seals of the journal that it was made from."""
    archived = {member.journal_id: member for member in members if member.archived and member.journal_id}
    return tuple(
        replace(member, findings=with_damage(member.findings, *_contradictions(member, archived[member.journal_id])))
        if archived.get(member.journal_id, member) is not member
        else member
        for member in members
    )


def _contradictions(member: Member, archive: Member) -> list[Damage]:
    """Return where a member's seals are not those of the archive, and what the archive has that the member lost."""
    pinned = {(mark.base, mark.number): mark.digest for mark in archive.findings.seal_marks}
    other = [
        mark for mark in member.findings.seal_marks if pinned.get((mark.base, mark.number), mark.digest) != mark.digest
    ]
    damages = []
    if other:
        detail = f"the seals from here on are not those of {archive.location}"
        damages.append(Damage("seals-differ", other[0].file, other[0].base, other[-1].end, detail))
    own = {(mark.base, mark.number) for mark in member.findings.seal_marks}
    gone = [
        mark
        for mark in archive.findings.seal_marks
        if mark.number == SEGMENT_NUMBER and mark.base >= member.findings.base and (mark.base, mark.number) not in own
    ]
    if gone and not member.archived:
        detail = f"{archive.location} has {count_text(len(gone), 'seal')} from here on that the journal has not"
        damages.append(Damage("seal-missing", gone[0].file, gone[0].base, gone[-1].end, detail))
    missing = archive.findings.end
    if not member.archived and member.findings.end < missing:
        detail = f"{archive.location} has more of this journal than the journal itself"
        damages.append(Damage("tail-missing", "", member.findings.end, missing, detail))
    return damages


def _node_of_each(members: Sequence[Member]) -> list[Node]:
    """Return the node of each member: a journal's cluster is that of its archive, if one is there."""
    known = {member.journal_id: (member.cluster, member.node) for member in members if member.archived}
    own = [(member.cluster, member.node) for member in members]
    return [
        node if member.archived else known.get(member.journal_id, node)
        for member, node in zip(members, own, strict=True)
    ]


def _silent(members: Sequence[Member], after_seconds: float, now_seconds: float | None) -> tuple[SilentNode, ...]:
    newest: dict[Node, tuple[float, str] | None] = {}
    for member, node in zip(members, _node_of_each(members), strict=True):
        time = member.findings.last_seen
        seconds = seconds_of(time)
        seen = None if seconds is None or time is None else (seconds, time)
        newest[node] = max(filter(None, (seen, newest.get(node))), default=None)
    signs = [seen[0] for seen in newest.values() if seen is not None]
    if now_seconds is None and not signs:
        return ()
    reference = max(signs) if now_seconds is None else now_seconds
    return tuple(
        SilentNode(*node, None if seen is None else seen[1], None if seen is None else reference - seen[0])
        for node, seen in sorted(newest.items())
        if seen is None or reference - seen[0] > after_seconds
    )
