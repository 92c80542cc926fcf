"""Whether every request has its response, and every response its request, on the same node.

Halves are matched by ``request.id``; halves without an id by operation, namespace and path. What is left over is
explained by a named rule of evidence.pairing_rules, or told with its place. Memory is bounded: see open_halves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain

from standpipe.evidence.open_halves import Half, OpenHalves, SpillFile
from standpipe.evidence.pairing_breaks import OPEN_FACTOR, OPEN_SECONDS_MAX, Breaks, open_seconds, parse_seconds
from standpipe.evidence.pairing_rules import (
    AUDIT_TEST_PATH,
    BEFORE_THE_HEAD,
    BESIDE_A_GAP,
    SERVER_STOPPED,
    STILL_OPEN,
    STREAMING,
    explain_request,
    explain_response,
    is_stop,
)
from standpipe.records.pair_fields import OTHER, REQUEST, PairFields

HALVES_MAX = 100_000
"""Halves that wait in memory, of all nodes together: some 80 MB. A busy Vault has some hundreds under way."""

EXAMPLES_MAX = 1000  # unexplained halves that are listed; the counts go on
EXAMPLES_A_RULE_MAX = 3  # explained halves that are listed, of each rule

_SECOND = slice(19)  # of "2026-03-01T10:00:00.123Z": times that agree so far are less than a second apart


@dataclass(frozen=True, slots=True)
class UnpairedHalf:
    """A half that is alone. ``rule``: the name of what explains it, None where nothing does."""

    node: str
    offset: int
    length: int
    kind: str
    request_id: str
    operation: str
    path: str
    time: str
    rule: str | None = None


@dataclass(slots=True)
class PairCounts:
    """Counts of halves, but ``paired`` of pairs. ``others``: records that are neither request nor response."""

    paired: int = 0
    requests_unpaired: int = 0
    responses_unpaired: int = 0
    explained: dict[str, int] = field(default_factory=dict)
    others: int = 0

    @property
    def unexplained(self) -> int:
        """Halves that are alone and that no rule explains."""
        return self.requests_unpaired + self.responses_unpaired

    @property
    def open_at_end(self) -> int:
        """Requests whose responses may come after the last record."""
        return self.explained.get(STILL_OPEN, 0)

    def add(self, other: PairCounts) -> None:
        """Add another's counts to these."""
        self.paired += other.paired
        self.requests_unpaired += other.requests_unpaired
        self.responses_unpaired += other.responses_unpaired
        self.others += other.others
        for rule, count in other.explained.items():
            self.explained[rule] = self.explained.get(rule, 0) + count


@dataclass(slots=True)
class PairingFindings(PairCounts):
    """All nodes together, and each one. The counts of unpaired requests and responses hold no explained ones.

    ``examples``: unexplained halves, by node and offset, the first EXAMPLES_MAX; ``explained_examples``: by rule.
    """

    examples: tuple[UnpairedHalf, ...] = ()
    explained_examples: tuple[UnpairedHalf, ...] = ()
    nodes: dict[str, PairCounts] = field(default_factory=dict)


class _Node:
    """What is known of one node's records so far."""

    __slots__ = ("breaks", "counts", "first_time", "last_time", "longest", "requests", "responses", "resuming", "stops")

    def __init__(self, name: str) -> None:
        self.requests = OpenHalves(f"requests {name}")
        self.responses = OpenHalves(f"responses {name}")
        self.counts = PairCounts()
        self.breaks = Breaks()
        self.stops = Breaks()
        self.first_time = ""
        self.last_time = ""
        self.longest = 0.0  # seconds from a request to its response
        self.resuming = False  # a break was the last thing that came

    def learn(self, one: PairFields, other: PairFields) -> None:
        """Take note of how long an answer took; called where that is a second or more, perhaps."""
        if self.longest * OPEN_FACTOR >= OPEN_SECONDS_MAX or explain_request(one) == STREAMING:
            return
        begun, done = parse_seconds(one.time), parse_seconds(other.time)
        if begun is not None and done is not None:
            self.longest = max(self.longest, abs(done - begun))

    def stop(self, offset: int, fields: PairFields, time_before: str) -> None:
        """Note that the server stops serving here, or has begun anew; after a seal, requests under way may be told."""
        self.stops.add(offset, offset, parse_seconds(time_before))
        self.stops.resume(None if fields.path == AUDIT_TEST_PATH else parse_seconds(fields.time))

    def explain(self, half: Half) -> str | None:
        """Name the rule that explains why a half is alone; None where none does."""
        offset, _, fields = half
        is_request = fields.kind == REQUEST
        rule = explain_request(fields) if is_request else explain_response(fields)
        if rule is not None:
            return rule
        time, seconds = parse_seconds(fields.time), open_seconds(self.longest)
        if is_request:
            return self._explain_request_place(offset, time, seconds)
        if self.breaks.cuts_request(offset, time, seconds):
            return BESIDE_A_GAP
        first = parse_seconds(self.first_time)
        soon = time is not None and first is not None and time - first <= seconds
        return BEFORE_THE_HEAD if soon else None

    def _explain_request_place(self, offset: int, time: float | None, seconds: float) -> str | None:
        if self.stops.cuts_response(offset, time, seconds) or self.stops.cuts_request(offset, time, seconds):
            return SERVER_STOPPED
        if self.breaks.cuts_response(offset, time, seconds):
            return BESIDE_A_GAP
        last = parse_seconds(self.last_time)
        soon = time is not None and last is not None and last - time <= seconds
        return STILL_OPEN if soon else None


class Pairing:
    """Takes records and tells which of them are alone.

    A *node* is any text that names one sequence of offsets (a journal): halves pair within it only. Within a node,
    records and gaps come in the order of their offsets; nodes may be mixed. Not for several threads.
    """

    def __init__(self, *, halves_max: int = HALVES_MAX, spill_directory: str | None = None) -> None:
        """Begin without records. More than halves_max waiting halves go to a temporary file in the directory."""
        self._halves_max = halves_max
        self._spill_directory = spill_directory
        self._file: SpillFile | None = None
        self._nodes: dict[str, _Node] = {}

    def take(self, node: str, offset: int, length: int, fields: PairFields) -> None:
        """Take the next record of a node: where it is, in bytes, and what it says. Raises StandpipeError (spilling)."""
        state = self._nodes.get(node) or self._begin(node, fields)
        time_before = state.last_time
        state.last_time = fields.time or time_before
        if state.resuming:
            state.resuming = False
            state.breaks.resume(parse_seconds(fields.time))
        kind = fields.kind
        if kind == OTHER:
            state.counts.others += 1
            return
        key = fields.request_id if fields.request_id and not fields.plugin else _odd_key(fields)
        if kind == REQUEST:
            if is_stop(fields):
                state.stop(offset, fields, time_before)
            mine, theirs = state.requests, state.responses
        else:
            mine, theirs = state.responses, state.requests
        other = theirs.pop(key)
        if other is None:
            self._wait(mine, key, (offset, length, fields))
            return
        state.counts.paired += 1
        begun = other[2].time
        if begun[_SECOND] != fields.time[_SECOND]:
            state.learn(other[2], fields)

    def gap(self, node: str, start: int, end: int) -> None:
        """Say that the records of [start, end) are not to be had (a hole, a filtered stretch) or torn.

        Halves just beside it are explained by that. It comes in its place in the order of offsets.
        """
        state = self._nodes.get(node) or self._begin(node, PairFields())
        state.breaks.add(start, end, parse_seconds(state.last_time))
        state.resuming = True

    def finish(self) -> PairingFindings:
        """Return what is alone, explained and not, of all that was taken. Nothing may be taken afterwards."""
        findings = PairingFindings()
        gathered = _Examples()
        for name, state in self._nodes.items():
            for half, count in chain(state.requests.all(), state.responses.all()):
                gathered.add(_count(name, state, half, count))
            findings.nodes[name] = state.counts
            findings.add(state.counts)
        findings.examples, findings.explained_examples = gathered.result()
        self.close()
        return findings

    def close(self) -> None:
        """Give the temporary file back, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self, node: str, fields: PairFields) -> _Node:
        state = self._nodes[node] = _Node(node)
        state.first_time = fields.time
        return state

    def _wait(self, halves: OpenHalves, key: str, half: Half) -> None:
        if not halves.add(key, half):
            if half[2].request_id:
                halves.spill(self._spill_file(), key, half)
            else:
                halves.count_alike(key)
        elif halves.in_memory > self._halves_max // len(self._nodes):
            halves.spill_oldest(self._spill_file())

    def _spill_file(self) -> SpillFile:
        if self._file is None:
            self._file = SpillFile(self._spill_directory)
        return self._file


def _odd_key(fields: PairFields) -> str:
    """Return under what a half waits that is a plugin's own, or has no id; no id of Vault's holds a NUL."""
    if fields.request_id:
        return f"\0{fields.plugin}\0{fields.request_id}"
    return f"\0{fields.plugin}\0\0{fields.operation}\0{fields.namespace_path}\0{fields.path}"


def _count(name: str, state: _Node, half: Half, count: int) -> UnpairedHalf:
    """Count halves that are alone, and return the first one with what explains it."""
    offset, length, fields = half
    rule, counts = state.explain(half), state.counts
    if rule is not None:
        counts.explained[rule] = counts.explained.get(rule, 0) + count
    elif fields.kind == REQUEST:
        counts.requests_unpaired += count
    else:
        counts.responses_unpaired += count
    return UnpairedHalf(
        node=name,
        offset=offset,
        length=length,
        kind=fields.kind,
        request_id=fields.request_id,
        operation=fields.operation,
        path=fields.path,
        time=fields.time,
        rule=rule,
    )


def _place(half: UnpairedHalf) -> tuple[str, int]:
    return half.node, half.offset


class _Examples:
    """The first few of many, by node and offset, in bounded memory."""

    def __init__(self) -> None:
        self._of: dict[str | None, list[UnpairedHalf]] = {}

    def add(self, half: UnpairedHalf) -> None:
        """Offer one."""
        kept = self._of.setdefault(half.rule, [])
        kept.append(half)
        limit = EXAMPLES_MAX if half.rule is None else EXAMPLES_A_RULE_MAX
        if len(kept) >= 2 * limit:
            kept.sort(key=_place)
            del kept[limit:]

    def result(self) -> tuple[tuple[UnpairedHalf, ...], tuple[UnpairedHalf, ...]]:
        """Return the unexplained ones, and those of each rule."""
        unexplained = sorted(self._of.pop(None, []), key=_place)[:EXAMPLES_MAX]
        explained = [half for rule in sorted(map(str, self._of)) for half in self._first(rule)]
        return tuple(unexplained), tuple(explained)

    def _first(self, rule: str) -> list[UnpairedHalf]:
        return sorted(self._of[rule], key=_place)[:EXAMPLES_A_RULE_MAX]
