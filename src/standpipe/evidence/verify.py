"""Read a whole journal, live or at rest, and hand what is seen to evidence.journal_check.

Nothing is locked and nothing is written. keep may seal, compress or delete segments while we read: a file that has gone
makes us list again and go on, and a bad verdict is spoken only when two listings in a row lead to it. What was read
once is not read again. Memory holds one block and one small entry a segment, and what evidence.record_pass holds.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.evidence.checks import ALL_CHECKS, INTEGRITY, PAIRING, TILING
from standpipe.evidence.journal_check import Findings, check
from standpipe.evidence.journal_facts import (
    CopyFacts,
    IdleSealFacts,
    JournalFacts,
    SealFacts,
    SegmentFacts,
)
from standpipe.evidence.journal_prefix import known_prefix
from standpipe.evidence.pairing import Pairing
from standpipe.evidence.read_copy import BLOCK_BYTES, GONE_ERRORS, CopyToRead, GoneError, Meter, Progress, read_copy
from standpipe.evidence.record_pass import RecordPass
from standpipe.evidence.record_verdict import add_records
from standpipe.evidence.recorded_gaps import incident_gap
from standpipe.evidence.seal_facts import seal_facts
from standpipe.journal import identity, incidents, kinds
from standpipe.journal.cursor import read_cursor
from standpipe.journal.layout import (
    COMPRESSED_SUFFIX,
    FAILED_SUFFIX,
    SEAL_SUFFIX,
    SEGMENT_NUMBER,
    SEGMENT_SUFFIX,
    TEMPORARY_SUFFIX,
    Layout,
    parse_seal_file_name,
)
from standpipe.journal.listing import read_listing
from standpipe.journal.seal import SEAL_BYTES_MAX
from standpipe.journal.segments import group_by_base

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.evidence.signatures import Keys

LISTINGS_MAX = 100  # keep may change the journal under us this often; each change costs one short listing

Parts = dict[str, tuple[int, int]]  # suffix → size in bytes, mode


def _read_seal(path: str) -> SealFacts | str:
    """Return what a seal file says, or why it cannot be read. Raises GoneError where it is no longer there."""
    try:
        with open(path, "rb") as file:
            data = file.read(SEAL_BYTES_MAX + 1)
    except OSError as error:
        if error.errno in GONE_ERRORS:
            raise GoneError from error
        return f"{os.path.basename(path)}: {error.strerror}"
    return seal_facts(os.path.basename(path), data)


def _read_cursors(layout: Layout) -> tuple[tuple[str, int], ...]:
    found = []
    for name in _names(layout.cursors):
        cursor = None if name.endswith(TEMPORARY_SUFFIX) else read_cursor(layout.cursor(name))
        if cursor is not None:
            found.append((name, cursor.offset))
    return tuple(found)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def _count_lines(path: str) -> int:
    try:
        with open(path, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(BLOCK_BYTES), b""))
    except FileNotFoundError:
        return 0  # somebody took it away meanwhile, which is what it is for


def _count_dead_letters(layout: Layout) -> tuple[tuple[str, int], ...]:
    suffix = ".jsonl"
    return tuple(
        (name.removesuffix(suffix), _count_lines(f"{layout.deadletter}/{name}"))
        for name in _names(layout.deadletter)
        if name.endswith(suffix)
    )


def _list(layout: Layout) -> tuple[dict[int, Parts], list[tuple[int, int]]]:
    """Return the segments' files by base, and the places of the idle seals."""
    os.stat(layout.segments)  # a journal without this directory was not emptied by retention
    files, _ = read_listing(layout, {})
    idle = sorted(place for place in map(parse_seal_file_name, files) if place and place[1] != SEGMENT_NUMBER)
    return group_by_base((name, size, mode) for name, (size, mode) in files.items()), idle


def _data_suffixes(parts: Parts) -> list[str]:
    """Return under which suffixes a segment's bytes are there; readers take the first."""
    return [suffix for suffix in (SEGMENT_SUFFIX, COMPRESSED_SUFFIX) if suffix in parts]


def _record_pass(layout: Layout, node: str, checks: frozenset[str], prefix: bytes | None) -> RecordPass | None:
    if not checks & {TILING, PAIRING}:
        return None
    prefix = known_prefix(layout) if prefix is None else prefix
    return RecordPass(node, prefix=prefix, pairing=Pairing() if PAIRING in checks else None)


class _Scan:
    """One verification: lists as often as it must, reads each file once."""

    def __init__(self, layout: Layout, checks: frozenset[str], prefix: bytes | None, progress: Progress) -> None:
        self._layout = layout
        self._identity = identity.read(layout)
        self._hashed = INTEGRITY in checks
        self.records = _record_pass(layout, self._identity.node, checks, prefix)
        self._meter = Meter(progress)
        self._copies: dict[tuple[int, str, int, int | None], CopyFacts] = {}

    def facts(self) -> JournalFacts:
        """Return the facts of one listing. Raises GoneError where a file went before it was read."""
        cursors = _read_cursors(self._layout)
        listing, idle = _list(self._layout)
        self._meter.total = sum(parts[suffix][0] for parts in listing.values() for suffix in _data_suffixes(parts))
        bases = sorted(listing)
        data_bases = [base for base in bases if _data_suffixes(listing[base])]
        following = dict(zip(data_bases, [*data_bases[1:], None][: len(data_bases)], strict=True))
        segments = tuple(self._segment(base, listing[base], following.get(base)) for base in bases)
        recorded = incidents.read(self._layout.incidents)  # last: what keep dropped meanwhile is recorded by now
        return JournalFacts(
            journal_id=self._identity.journal_id,
            predecessor=self._identity.predecessor,
            segments=segments,
            recorded=tuple(incident_gap(entry) for entry in recorded),
            cursors=cursors,
            repeats=tuple(incident_gap(entry) for entry in recorded if entry["kind"] == kinds.REPEAT),
            dead_letters=_count_dead_letters(self._layout),
            idle_seals=tuple(self._idle_seal(*place) for place in idle),
        )

    def _idle_seal(self, base: int, number: int) -> IdleSealFacts:
        seal = _read_seal(self._layout.seal(base, number))
        return IdleSealFacts(base, number, None, seal) if isinstance(seal, str) else IdleSealFacts(base, number, seal)

    def _segment(self, base: int, parts: Parts, next_base: int | None) -> SegmentFacts:
        seal = _read_seal(self._layout.segment(base, SEAL_SUFFIX)) if SEAL_SUFFIX in parts else None
        if isinstance(seal, SealFacts) and not seal.problem and seal.base == base:
            covered: int | None = seal.end - base
        else:
            covered = None if next_base is None else next_base - base
        return SegmentFacts(
            base=base,
            copies=tuple(self._copy(base, suffix, parts[suffix][0], covered) for suffix in _data_suffixes(parts)),
            seal=seal if isinstance(seal, SealFacts) else None,
            seal_unreadable=seal if isinstance(seal, str) else "",
            failed_mark=FAILED_SUFFIX in parts,
        )

    def _copy(self, base: int, suffix: str, size: int, covered: int | None) -> CopyFacts:
        key = (base, suffix, size, covered)
        found = self._copies.get(key)
        if found is None:
            done = self._meter.done + size  # also where not all of it is read: seek tables, surplus, damage
            path = self._layout.segment(base, suffix)
            copy = CopyToRead(path, base, covered, self._meter, self.records, self._hashed)
            found = self._copies[key] = read_copy(copy)
            self._meter.done = done
        return found


def _no_progress(_done: int, _total: int) -> None:
    return


def verify_journal(
    layout: Layout,
    *,
    accept_recorded: bool = False,
    keys: Keys | None = None,
    require_pairs: bool = False,
    checks: frozenset[str] = ALL_CHECKS,
    prefix: bytes | None = None,
    progress: Progress = _no_progress,
) -> Findings:
    """Verify a journal from its first byte to its last.

    keys: those that must have signed its seals. require_pairs: halves that are alone, and that nothing explains, count
    against it. checks: of evidence.checks. prefix: the audit device's; None: what the journal's own config says.

    Raises JournalError where there is no journal, where its format is not ours, where its directories cannot be read,
    or where it changes faster than it can be read; StandpipeError where halves that wait find no room on disk.
    """
    scan = _Scan(layout, checks, prefix, progress)
    judge = partial(check, accept_recorded=accept_recorded, keys=keys, checks=checks)
    if scan.records is None:
        return _settled_findings(scan, layout, judge)
    try:
        findings = _settled_findings(scan, layout, judge)
        return add_records(findings, scan.records.finish(), require_pairs=require_pairs)
    finally:
        scan.records.close()


def _settled_findings(scan: _Scan, layout: Layout, judge: Callable[[JournalFacts], Findings]) -> Findings:
    """Return what the facts prove, once two listings in a row agree on what is wrong."""
    before: Findings | None = None
    try:
        for _ in range(LISTINGS_MAX):
            try:
                findings = judge(scan.facts())
            except GoneError:
                continue
            if findings.intact and not findings.unreadable:
                return findings
            if before is not None and _same_faults(before, findings):
                return findings
            before = findings
    except OSError as error:
        raise JournalError(
            f"cannot read the journal at {layout.root}: {error.strerror}: {error.filename}",
            "Run as the user that owns the journal, and check the volume",
        ) from error
    raise JournalError(
        f"the journal at {layout.root} changed {LISTINGS_MAX} times while it was read",
        "Try again when it is calmer, or stop keep while you verify",
    )


def _same_faults(before: Findings, now: Findings) -> bool:
    return (before.holes, before.damaged, before.unreadable) == (now.holes, now.damaged, now.unreadable)
