"""Reads an archive of segments, and has each journal in it judged as a journal is.

Each object is read once. Writers may add to the archive meanwhile, and a bucket's rules may delete: so what looks wrong
counts only when two listings in a row lead to it; content that was read is not read again. Memory holds one block and
one small entry a segment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.archive.reading import ObjectGoneError, UndecodableError
from standpipe.errors import ArchiveError, StandpipeError
from standpipe.evidence.archive_facts import Run, owners, run_facts, split_runs
from standpipe.evidence.checks import ALL_CHECKS, INTEGRITY, PAIRING, TILING
from standpipe.evidence.damage import Damage
from standpipe.evidence.fleet import Member, with_damage
from standpipe.evidence.journal_check import check, unknown_findings
from standpipe.evidence.journal_facts import CopyFacts
from standpipe.evidence.pairing import Pairing
from standpipe.evidence.record_pass import RecordFindings, RecordPass
from standpipe.evidence.record_verdict import add_records
from standpipe.journal.digest import digest_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.archive.arrange import ArchivedSegment, Listing
    from standpipe.archive.reading import Archive, ArchivedNode
    from standpipe.evidence.signatures import Keys

LISTINGS_MAX = 20  # each is a request a thousand names; an archive grows by a segment now and then
FOREIGN_SEGMENT = "foreign-segment"

Progress = Callable[[int, int], None]  # compressed bytes read so far, and listed in all
RunKey = tuple[str, str]  # where, journal id
CopyKey = tuple[str, int, int]  # key, compressed size, bytes to digest


@dataclass(frozen=True, slots=True)
class ArchiveVerdict:
    """What was found: one member a node and journal, and what is no part of the archive (full keys)."""

    members: tuple[Member, ...]
    foreign: tuple[str, ...]
    unfinished: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArchiveChecks:
    """What is asked of an archive; the meanings are those of evidence.verify.verify_journal.

    prefix: the audit device's; an archive has no config that would say it.
    """

    accept_recorded: bool = False
    keys: Keys | None = None
    require_pairs: bool = False
    checks: frozenset[str] = ALL_CHECKS
    prefix: bytes = b""


class _Scan:
    """One verification: lists as often as it must, reads each object once."""

    def __init__(self, archive: Archive, asked: ArchiveChecks, progress: Progress) -> None:
        self._archive = archive
        self._asked = asked
        self._progress = progress
        self._passes: dict[RunKey, RecordPass] = {}
        self._seen: dict[RunKey, RecordFindings] = {}
        self._copies: dict[CopyKey, CopyFacts] = {}
        self._done = self._total = 0

    def verdict(self, listing: Listing) -> ArchiveVerdict:
        """Judge one listing. Raises ObjectGoneError, ArchiveError."""
        nodes = self._archive.nodes_of(listing)
        self._total = sum(segment.data_bytes for node in nodes for segment in node.listing.segments)
        runs = [(node, run) for node in nodes for run in split_runs(node.segments())]
        owner = owners((node.where, run) for node, run in runs)
        return ArchiveVerdict(
            tuple(self._member(node, run, owner[run.journal_id]) for node, run in runs),
            tuple(f"{self._archive.where}/{key}" for key in listing.foreign),
            tuple(f"{self._archive.where}/{key}" for key in listing.unfinished),
        )

    def _member(self, node: ArchivedNode, run: Run, owner: str) -> Member:
        asked = self._asked
        seen_by = self._record_pass(node, run)
        copies = {s.data_key: self._copy(node, s, seen_by) for s in run.segments if s.data_key}
        findings = check(
            run_facts(run, copies), accept_recorded=asked.accept_recorded, keys=asked.keys, checks=asked.checks
        )
        seen = self._finish(node, run)
        if seen is not None:
            findings = add_records(findings, seen, require_pairs=asked.require_pairs)
        if owner != node.where and run.journal_id:
            findings = with_damage(findings, *_foreign(run, owner))
        return Member(
            cluster=node.cluster,
            node=node.node,
            journal_id=run.journal_id,
            location=node.where,
            findings=findings,
            archived=True,
            follows=run.follows,
        )

    def _record_pass(self, node: ArchivedNode, run: Run) -> RecordPass | None:
        """Return who looks at a journal's records: None where nobody shall, or they were looked at already."""
        asked, key = self._asked, (node.where, run.journal_id)
        if key in self._seen or not asked.checks & {TILING, PAIRING}:
            return None
        if key not in self._passes:
            pairing = Pairing() if PAIRING in asked.checks else None
            name = "/".join(filter(None, (node.cluster, node.node)))
            self._passes[key] = RecordPass(name, prefix=asked.prefix, pairing=pairing)
        return self._passes[key]

    def _finish(self, node: ArchivedNode, run: Run) -> RecordFindings | None:
        """Return what the records of a journal say; the halves of one journal at a time are held in memory."""
        key = (node.where, run.journal_id)
        under_way = self._passes.pop(key, None)
        if under_way is not None:
            self._seen[key] = under_way.finish()
        return self._seen.get(key)

    def close(self) -> None:
        """Give back what waiting halves take, where a journal was not read to its end."""
        for under_way in self._passes.values():
            under_way.close()

    def _copy(self, node: ArchivedNode, segment: ArchivedSegment, seen_by: RecordPass | None) -> CopyFacts:
        key = (segment.data_key, segment.data_bytes, segment.raw_bytes)
        found = self._copies.get(key)
        if found is None:
            found = self._copies[key] = _read(
                _Covered(node.blocks(segment), segment, self._meter(segment), seen_by),
                hashed=INTEGRITY in self._asked.checks,
            )
            self._done += segment.data_bytes
        return found

    def _meter(self, segment: ArchivedSegment) -> Callable[[int], None]:
        """Return what takes raw bytes, and tells how far we are in compressed ones."""
        share = segment.data_bytes / max(1, segment.raw_bytes)

        def tell(raw_bytes: int) -> None:
            self._progress(self._done + min(segment.data_bytes, int(raw_bytes * share)), self._total)

        return tell


def _foreign(run: Run, owner: str) -> list[Damage]:
    detail = f"it is of journal {run.journal_id}, which is that of {owner}"
    return [
        Damage(FOREIGN_SEGMENT, segment.data_key or segment.seal_key, segment.base, segment.end, detail)
        for segment in run.segments
    ]


class _Covered:
    """The first bytes of a run, as many as the name says; and how many there are, up to one block more."""

    def __init__(
        self,
        blocks: Iterator[bytes],
        segment: ArchivedSegment,
        tell: Callable[[int], None],
        seen_by: RecordPass | None,
    ) -> None:
        self.segment = segment
        self.size = 0
        self._blocks = blocks
        self._tell = tell
        self._seen_by = seen_by

    def __iter__(self) -> Iterator[bytes]:
        limit = self.segment.raw_bytes
        for block in self._blocks:
            address, left = self.segment.base + self.size, limit - self.size
            self.size += len(block)
            self._tell(self.size)
            if left > 0 and self._seen_by is not None:
                self._seen_by.feed(address, block[:left])
            if left > 0:
                yield block[:left]
            if self.size > limit:
                return


def _read(covered: _Covered, *, hashed: bool) -> CopyFacts:
    """Read a segment's data. Raises ObjectGoneError."""
    name = covered.segment.data_key
    try:
        digest = digest_blocks(covered, hashed=hashed)
    except UndecodableError as error:
        return CopyFacts(name, 0, 0, "", 0, error=error.message)
    except ObjectGoneError:
        raise
    except ArchiveError as error:
        return CopyFacts(name, 0, 0, "", 0, unreadable=error.message)
    return CopyFacts(
        name, covered.size, digest.length, digest.sha256, digest.records, digest.first_time, digest.last_time
    )


def _no_progress(_done: int, _total: int) -> None:
    return


def verify_archive(
    archive: Archive,
    asked: ArchiveChecks | None = None,
    progress: Progress = _no_progress,
) -> ArchiveVerdict:
    """Verify every node of an archive.

    Raises ArchiveError where it cannot be listed, holds no segment, or changes faster than it can be read;
    StandpipeError where halves that wait find no room on disk.
    """
    scan = _Scan(archive, asked or ArchiveChecks(), progress)
    try:
        return _settled(scan, archive)
    finally:
        scan.close()


def _settled(scan: _Scan, archive: Archive) -> ArchiveVerdict:
    """Return what was found, once two listings in a row agree on what is wrong."""
    before: ArchiveVerdict | None = None
    for _ in range(LISTINGS_MAX):
        listing = archive.list()
        if not listing.nodes:
            raise ArchiveError(
                f"{archive.where} holds no segment of a journal",
                "Name the place that the objects sink has as its url, or a part of it",
            )
        try:
            verdict = scan.verdict(listing)
        except ObjectGoneError:
            continue
        if all(member.findings.intact and not member.findings.unreadable for member in verdict.members):
            return verdict
        if before is not None and _same_faults(before, verdict):
            return verdict
        before = verdict
    raise ArchiveError(
        f"{archive.where} changed {LISTINGS_MAX} times while it was read", "Try again when fewer objects are deleted"
    )


def _same_faults(before: ArchiveVerdict, now: ArchiveVerdict) -> bool:
    return [_faults(member) for member in before.members] == [_faults(member) for member in now.members]


def _faults(member: Member) -> tuple[object, ...]:
    found = member.findings
    return member.location, member.journal_id, found.holes, found.damaged, found.unreadable


def unknown_member(location: str, error: StandpipeError, *, archived: bool) -> Member:
    """Return a member of which nothing could be read: it makes the verdict of the fleet unknown."""
    return Member("", "", "", location, unknown_findings(str(error)), archived, readable=False)
