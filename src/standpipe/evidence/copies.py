"""Verifies copies from downstream: reads all inputs, sorts what they carry, and judges each journal's records.

Memory is bounded (evidence.copy_store); what takes room beside it is one seal for each segment and the ranges that are
reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from standpipe.evidence.chain_check import check_seal_times, check_seals_signed
from standpipe.evidence.checks import ALL_CHECKS, INTEGRITY, PAIRING
from standpipe.evidence.copies_check import CopiesCheck, Reference
from standpipe.evidence.copy_entry import TORN, Entry, flags_of, judge_bytes
from standpipe.evidence.copy_facts import ClearText, CopiesResult, InputFacts, OddLine
from standpipe.evidence.copy_input import READ_ERRORS, first_time, input_bytes, input_name, lines_of, open_input
from standpipe.evidence.copy_line import CopiedRecord, CopiedSeal, Odd, parse_copy
from standpipe.evidence.copy_seals import JournalSeals, SealCollector
from standpipe.evidence.copy_store import MEMORY_BYTES, CopyStore
from standpipe.evidence.copy_versions import combine, distinct
from standpipe.evidence.damage import Damage
from standpipe.evidence.line_joins import PieceJoiner, PrintedJson
from standpipe.evidence.pairing import Pairing
from standpipe.evidence.raw_copies import RawMatch, RawSegment, proven_ranges, raw_time, time_key
from standpipe.evidence.raw_findings import raw_findings
from standpipe.evidence.recorded_gaps import collect_recorded_gaps
from standpipe.evidence.unwrap import LINES, Carrier, unwrap
from standpipe.records.pair_fields import JSONX_MESSAGE, is_jsonx, parse_pair_fields

if TYPE_CHECKING:
    from standpipe.evidence.copies_check import CopiesFindings
    from standpipe.evidence.copy_versions import Record
    from standpipe.evidence.journal_facts import GapFacts, SealFacts
    from standpipe.evidence.signatures import Keys

RAW_NODE = "raw copies"  # as pairing knows them: nothing in a raw line tells nodes apart

Progress = Callable[[int, int], None]  # bytes read so far, bytes there are in all


@dataclass(frozen=True, slots=True)
class CopiesOptions:
    """How copies are verified. checks: which of evidence.checks to make.

    seals: those that are given, beside the ones in the copies. recorded: gaps on record, by journal. first, last: the
    offsets that the copies must reach. prefix: Vault's option of that name. keys: those that must have signed the
    seals.
    """

    accept_recorded: bool = False
    require_pairs: bool = False
    checks: frozenset[str] = ALL_CHECKS
    seals: Sequence[SealFacts] = ()
    recorded: Mapping[str, Sequence[GapFacts]] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    prefix: bytes = b""
    spill_directory: str | None = None
    memory_bytes: int = MEMORY_BYTES
    keys: Keys | None = None


def _no_progress(_done: int, _total: int) -> None:
    return


def verify_copies(paths: Sequence[str], options: CopiesOptions, progress: Progress = _no_progress) -> CopiesResult:
    """Verify all records in all inputs. Raises StandpipeError where there is no room to sort them."""
    with closing(CopyStore(options.spill_directory, options.memory_bytes)) as store:
        return _Work(paths, options, store, progress).result()


class _Work:
    """One verification."""

    def __init__(self, paths: Sequence[str], options: CopiesOptions, store: CopyStore, progress: Progress) -> None:
        self._paths = paths
        self._options = options
        self._store = store
        self._progress = progress
        self._done = 0
        self._total = sum(map(input_bytes, paths))
        self._inputs = [InputFacts(input_name(path)) for path in paths]
        self._journals: dict[str, int] = {}
        self._seals = SealCollector()
        self._pieces = PieceJoiner()
        self._raw = RawMatch(options.seals)
        self._clear = ClearText() if PAIRING in options.checks else None
        self._raw_segments: list[RawSegment] = []
        self._sequence = 0
        self._pairing = Pairing(spill_directory=options.spill_directory) if PAIRING in options.checks else None
        for seal in options.seals:
            self._seals.give(seal)

    def result(self) -> CopiesResult:
        """Read, sort, judge."""
        # Raw copies, and lines that were cut where a file was rotated, need the order in which the files were written.
        for number, path in sorted(enumerate(self._paths), key=lambda one: (time_key(first_time(one[1])), one[0])):
            self._read(number, path)
        if self._inputs:
            self._tell_cut(self._inputs[-1])
        self._raw_segments = self._raw.segments() if self._raw.records else []
        findings = [self._judge(journal, entries) for journal, entries in self._by_journal()]
        if self._raw_segments:
            findings += [self._judge_raw(journal) for journal in self._seals.journals if journal not in self._journals]
        known = {found.journal for found in findings}
        silent = [
            journal for journal, seals in self._seals.journals.items() if journal not in known and seals.expects_records
        ]
        pairing = self._pairing.finish() if self._pairing is not None else None
        return CopiesResult(
            self._inputs,
            findings,
            pairing,
            self._options.require_pairs,
            sorted(silent),
            spilled=self._store.spilled,
            checks=self._options.checks,
            clear=self._clear,
            raw=self._raw.records,
            raw_repeated=self._raw.repeated,
            raw_unproven=self._raw.unproven,
        )

    # Reading.

    def _count(self, size: int) -> None:
        self._done += size
        self._progress(self._done, max(self._done, self._total))

    def _read(self, source: int, path: str) -> None:
        facts = self._inputs[source]
        try:
            with open_input(path, self._count) as (file, compression):
                facts.compression = compression
                printed = PrintedJson()
                for number, line in enumerate(lines_of(file), 1):
                    facts.lines = number
                    for whole in printed.take(line):
                        self._take_line(source, facts, number, whole)
                for whole in printed.finish():
                    self._take_line(source, facts, facts.lines, whole)
        except READ_ERRORS as error:
            facts.error = (error.strerror if isinstance(error, OSError) else None) or str(error)

    def _take_line(self, source: int, facts: InputFacts, number: int, line: bytes) -> None:
        for carrier in unwrap(line):
            if not carrier.stream:
                self._take_carrier(source, facts, number, carrier)
                continue
            if not facts.forms:  # the first line of an input ends the last one of the input before, where that was cut
                self._end_pieces(facts, carrier)
            joined = self._pieces.take(carrier)
            facts.forms.setdefault(carrier.form, 0)
            if joined is not None:
                for inner in unwrap(joined):
                    form = carrier.form if inner.form == LINES else inner.form
                    self._take_carrier(source, facts, number, inner._replace(form=form, stream=carrier.stream))

    def _end_pieces(self, facts: InputFacts, carrier: Carrier) -> None:
        """Forget a cut line of the input before, where this one does not begin with its rest."""
        if carrier.text[:1] == b"{":
            self._tell_cut(facts)

    def _tell_cut(self, facts: InputFacts) -> None:
        for _ in range(self._pieces.give_up()):
            facts.note_odd(OddLine("cut", facts.lines, None, "the last piece of a line is not here"))

    def _take_carrier(self, source: int, facts: InputFacts, number: int, carrier: Carrier) -> None:
        copied = parse_copy(carrier.text, reencoded=carrier.reencoded, data=carrier.data)
        if copied is not None:
            facts.forms[carrier.form] = facts.forms.get(carrier.form, 0) + 1
        if isinstance(copied, CopiedRecord):
            self._take_record(source, facts, number, copied)
        elif isinstance(copied, CopiedSeal):
            facts.seals += 1
            self._seals.take(copied, f"{facts.name}:{number}")
        elif isinstance(copied, Odd):
            facts.note_odd(OddLine(copied.what, number, copied.offset, copied.detail))
        elif carrier.text.strip():
            self._take_raw(facts, carrier)

    def _take_raw(self, facts: InputFacts, carrier: Carrier) -> None:
        """Take a line without an envelope: a raw copy, or anything else that a collector keeps beside records."""
        if carrier.stream == "stderr":  # nothing of ours is written there
            facts.other += 1
            return
        time = raw_time(carrier.text)
        repeated = self._raw.take(carrier.text, time)
        if time is None:
            facts.other += 1
            if is_jsonx(carrier.text):
                facts.error = facts.error or JSONX_MESSAGE
            return
        facts.raw += 1
        facts.forms[carrier.form] = facts.forms.get(carrier.form, 0) + 1
        if self._pairing is not None and not repeated:
            body = carrier.text[carrier.text.index(b"{") :]
            if self._clear is not None:
                self._clear.look(body)
            self._pairing.take(RAW_NODE, self._raw.records, len(body), parse_pair_fields(body))

    def _take_record(self, source: int, facts: InputFacts, number: int, record: CopiedRecord) -> None:
        facts.records += 1
        facts.order.take(record.journal, record.offset, record.offset + record.length, record.after, number)
        rank, body = judge_bytes(record, self._options.prefix)
        self._sequence += 1
        self._store.add(
            Entry(
                self._journals.setdefault(record.journal, len(self._journals)),
                record.offset,
                record.count,
                record.number,
                rank,
                self._sequence,
                record.length,
                record.after,
                flags_of(record),
                source,
                number,
                body,
            )
        )

    # Judging.

    def _by_journal(self) -> Iterator[tuple[str, Iterator[Entry]]]:
        names = list(self._journals)
        for number, entries in groupby(self._store.sorted(), key=lambda entry: entry.journal):
            yield names[number], entries

    def _judge(self, journal: str, entries: Iterator[Entry]) -> CopiesFindings:
        check = CopiesCheck(journal, self._reference(journal), self._place)
        position: int | None = None
        for _, same in groupby(entries, key=lambda entry: entry.offset):
            copies, left_out = distinct(same)
            record = combine(copies, self._options.prefix, left_out)
            check.take(record)
            position = self._pair(journal, record, position)
        return check.finish(accept_recorded=self._options.accept_recorded)

    def _judge_raw(self, journal: str) -> CopiesFindings:
        """Judge a journal of which there are raw copies only, if any."""
        found = [segment for segment in self._raw_segments if segment.seal.journal_id == journal]
        return raw_findings(journal, found, self._reference(journal), accept_recorded=self._options.accept_recorded)

    def _reference(self, journal: str) -> Reference:
        seals = self._seals.journals.get(journal, JournalSeals())
        facts = seals.facts(journal, self._options.recorded.get(journal, ()))
        keys = self._options.keys if INTEGRITY in self._options.checks else None
        signatures = None if keys is None else check_seals_signed(facts, keys)
        unsigned = [
            Damage(fault.what, fault.seal.file, fault.seal.base, fault.seal.end, fault.detail)
            for fault in (() if signatures is None else signatures.faults)
        ]
        return Reference(
            checks=self._options.checks,
            seals=seals.ordered(),
            damaged=[*seals.damaged(), *self._seals.damaged.get(journal, ()), *unsigned],
            notices=tuple(check_seal_times(facts)),
            vouched=None if signatures is None else signatures.proven,
            recorded=collect_recorded_gaps(facts),
            first=self._options.first,
            last=self._options.last,
            sealed_from=min((seal.base for seal in seals.given.values() if seal.idle is None), default=None),
            proven=proven_ranges(self._raw_segments, journal),
        )

    def _place(self, source: int, line: int) -> str:
        return f"{self._inputs[source].name}:{line}"

    def _pair(self, journal: str, record: Record, position: int | None) -> int:
        if self._pairing is not None:
            if position is not None and record.offset > position:
                self._pairing.gap(journal, position, record.offset)
            if record.versions and not record.torn and record.first is not None and not record.first.flags & TORN:
                body = record.versions[0].body
                if self._clear is not None:
                    self._clear.look(body, journal, record.offset, record.end)
                fields = parse_pair_fields(body)
                self._pairing.take(journal, record.offset, record.length, fields)
            else:
                self._pairing.gap(journal, record.offset, record.end)
        return max(position or 0, record.end)
