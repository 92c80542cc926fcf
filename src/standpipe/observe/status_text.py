"""What `standpipe status` says: one snapshot of a journal as JSON members and as lines for a person. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from standpipe.journal.kinds import DAMAGED, DEAD_LETTER, GAP_KINDS
from standpipe.journal.sink_entries import CONFIG_FAULT, DEAD_LETTERS_FULL, JOURNAL_DAMAGED, RETRYING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MIB = 1 << 20
NEARLY_FULL_RATIO = 0.9  # of the cap; above it somebody has an hour or less at the usual rates, and should look
STALLED_RESERVE_BYTES = 64 << 10  # capture empties the reserve within a wake-up; so much of it means that it cannot
NOTHING_KNOWN = "-"
LOSSY_KINDS = (*GAP_KINDS, DAMAGED)  # docs/incidents.md: records were lost by these, or perhaps

CURRENT = "current"
BEHIND = "behind"
OUTSIDE = "outside"
MISSING = "missing"

FILE = "file"  # a source's kind
NO_RECLAIM = "none"  # a way of giving disk space back
ASKED_FOR = "reclaim.way is none"  # the reason where nobody wants it: capture.reclaim_plan

CAPTURE_OF_A_FILE = "Vault's file grows until its volume is full"
TROUBLES = {
    CONFIG_FAULT: "takes nothing until somebody mends it",
    DEAD_LETTERS_FULL: "waits, because its dead-letter file takes no more",
    JOURNAL_DAMAGED: "waits, because what comes next cannot be read from the journal",
    RETRYING: "does not take its records at the moment",
}
ROLE_CONSEQUENCES = {  # worst first
    "capture": "Vault waits once its pipe is full",
    "ship": "nothing is delivered; the journal grows",
    "keep": "nothing is sealed or removed; the journal grows",
}


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """``bytes``: what its files take on disk, as counted against ``cap``; ``base`` and ``end`` are offsets."""

    id: str
    path: str
    base: int
    end: int
    bytes: int
    segments: int
    cap: int | None


@dataclass(frozen=True, slots=True)
class ReclaimStatus:
    """``way``: punch, reopen or none, as capture chose at its last start, and why."""

    way: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What capture reads; null: unknown, or not applicable.

    Of a FIFO, ``pipe_bytes``: waiting in it; ``reserve_bytes``: in the reserve. Of a file, ``offset``: where in it the
    next byte stands; ``apparent_size`` and ``real_size`` of the file at the path; ``unread_bytes``: from offset to its
    end, null where the path leads to another file than the one being read; ``free_bytes``: of its volume.
    """

    kind: str | None
    path: str | None
    offset: int | None
    apparent_size: int | None
    real_size: int | None
    pipe_bytes: int | None
    reserve_bytes: int | None
    unread_bytes: int | None = None
    free_bytes: int | None = None
    reclaim: ReclaimStatus | None = None


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """``cursor``: acknowledged offset; lags are from there to the end of the journal; null where unknown.

    ``why`` and ``since`` (RFC 3339): of a trouble that `state` names. ``delivered``, ``filtered``, ``dead_letters``:
    records since the cursor's file was made; the first two are not counted where bytes go to stdout as they are.
    """

    cursor: int | None
    lag_bytes: int | None
    lag_records: int | None
    lag_seconds: float | None
    state: str
    type: str | None = None
    why: str = ""
    since: str = ""
    delivered: int = 0
    filtered: int = 0
    dead_letters: int = 0


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """``pid`` is null where nobody holds the role's lock, or where the holder has not said who it is."""

    pid: int | None
    alive: bool


@dataclass(frozen=True, slots=True)
class Status:
    """One snapshot."""

    journal: JournalStatus
    source: SourceStatus
    sinks: dict[str, SinkStatus]
    incidents: dict[str, int]
    processes: dict[str, ProcessStatus]


def as_json(status: Status) -> dict[str, object]:
    """Return the members of `status --json`; docs/status.md gives the meaning of each."""
    return asdict(status)


def sink_state(cursor: int | None, base: int, end: int) -> str:
    """Return the word for where a cursor stands in a journal that holds [base, end)."""
    if cursor is None:
        return MISSING
    if not base <= cursor <= end:
        return OUTSIDE
    return CURRENT if cursor == end else BEHIND


def _mib(count: int) -> str:
    return f"{count / MIB:,.1f} MiB"


def _seconds(seconds: float) -> str:
    """Return a lag as a person says it."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _sink_problem(name: str, sink: SinkStatus) -> str | None:
    if sink.state in TROUBLES:
        return f"sink {name}: {TROUBLES[sink.state]} since {sink.since}: {sink.why}"
    if sink.state == MISSING:
        return f"sink {name}: its cursor cannot be read; ship will say where it begins again"
    if sink.state == OUTSIDE:
        return f"sink {name}: its cursor {sink.cursor:,} is outside what the journal holds"
    return None


CONSEQUENCE_OF_NO_FILE = "a Vault that has it open writes on, and is followed as long as capture is not restarted"


def problems(status: Status) -> list[str]:
    """Return what a person should know at once, the worst first."""
    consequences = {**ROLE_CONSEQUENCES}
    if status.source.kind == FILE:
        consequences["capture"] = CAPTURE_OF_A_FILE
    found = [
        f"{role}: not running; {consequence}"
        for role, consequence in consequences.items()
        if role in status.processes and not status.processes[role].alive
    ]
    waiting = status.source.reserve_bytes or 0
    if waiting >= STALLED_RESERVE_BYTES:
        found.insert(0, f"capture: {_mib(waiting)} wait in the reserve; if that lasts, see docs/journal-full.md")
    cap = status.journal.cap
    if cap and status.journal.bytes >= NEARLY_FULL_RATIO * cap:
        found.insert(
            1 if found and found[0].startswith("capture") else 0,
            f"journal: {status.journal.bytes * 100 // cap} % of its cap is used; see docs/journal-full.md",
        )
    if status.source.kind == FILE and status.source.offset is not None and status.source.apparent_size is None:
        found.append(f"source: {status.source.path} is not there; {CONSEQUENCE_OF_NO_FILE}")
    reclaim = status.source.reclaim
    if reclaim is not None and reclaim.way == NO_RECLAIM and reclaim.reason != ASKED_FOR:
        found.append(f"source: its disk space is not given back: {reclaim.reason}")
    found.extend(text for name, sink in sorted(status.sinks.items()) if (text := _sink_problem(name, sink)))
    found.extend(
        f"incidents: {status.incidents[kind]:,} {kind}; see incidents.jsonl"
        for kind in (*LOSSY_KINDS, DEAD_LETTER)
        if status.incidents.get(kind)
    )
    return found


def align(rows: Sequence[Sequence[str]], right: frozenset[int]) -> list[str]:
    """Return rows as lines with columns of even width; the columns in right are set flush right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _journal_rows(status: Status) -> Iterator[tuple[str, str]]:
    journal, source = status.journal, status.source
    yield "journal", f"{journal.path}  {journal.id}"
    yield "holds", f"offsets {journal.base:,} to {journal.end:,}, {_mib(journal.end - journal.base)} of records"
    used = f"{_mib(journal.bytes)} in {journal.segments:,} segment{'' if journal.segments == 1 else 's'}"
    yield "on disk", f"{used}, cap {_mib(journal.cap)}" if journal.cap else f"{used}, cap unknown"
    if source.kind is None:
        yield "source", "unknown: capture has not run on this journal"
    else:
        yield "source", f"{source.kind} {source.path or 'unknown'}"
    yield from _file_rows(source)
    waiting = [count for count in (source.pipe_bytes, source.reserve_bytes) if count is not None]
    if waiting:
        yield "waiting", f"{_mib(sum(waiting))} in the pipes"


def _file_rows(source: SourceStatus) -> Iterator[tuple[str, str]]:
    """Yield what is known of a file as the source; nothing of a FIFO."""
    if source.offset is not None:
        unread = "" if source.unread_bytes is None else f", {_mib(source.unread_bytes)} not read yet"
        yield "read", f"to its offset {source.offset:,}{unread}"
    sizes = [
        "" if source.apparent_size is None else f"{_mib(source.apparent_size)} long",
        "" if source.real_size is None else f"{_mib(source.real_size)} on disk",
        "" if source.free_bytes is None else f"{_mib(source.free_bytes)} free on its volume",
    ]
    if any(sizes):
        yield "size", ", ".join(filter(None, sizes))
    if source.reclaim is not None:
        yield "reclaim", f"{source.reclaim.way}: {source.reclaim.reason}"


def _number(value: int | None) -> str:
    return NOTHING_KNOWN if value is None else f"{value:,}"


def _sink_lines(sinks: dict[str, SinkStatus]) -> list[str]:
    rows = [("sink", "state", "cursor", "behind", "records", "oldest", "delivered", "filtered", "dead")]
    for name, sink in sorted(sinks.items()):
        rows.append(
            (
                name,
                sink.state,
                _number(sink.cursor),
                NOTHING_KNOWN if sink.lag_bytes is None else _mib(sink.lag_bytes),
                _number(sink.lag_records),
                NOTHING_KNOWN if sink.lag_seconds is None else _seconds(sink.lag_seconds),
                f"{sink.delivered:,}",
                f"{sink.filtered:,}",
                f"{sink.dead_letters:,}",
            )
        )
    return align(rows, right=frozenset(range(2, 9)))


def _process_text(process: ProcessStatus) -> str:
    if not process.alive:
        return "not running"
    return "running" if process.pid is None else f"running, process {process.pid}"


def as_lines(status: Status) -> list[str]:
    """Return what a person reads: problems first, then the journal, the processes, the sinks and the incidents."""
    lines = problems(status) or ["all is well"]
    lines.append("")
    rows = list(_journal_rows(status))
    rows.extend((role, _process_text(process)) for role, process in status.processes.items())
    lines.extend(align(rows, right=frozenset()))
    lines.append("")
    lines.extend(_sink_lines(status.sinks) if status.sinks else ["no sink has a cursor yet"])
    if status.incidents:
        lines.append("")
        table = [("incident", "count"), *((kind, f"{count:,}") for kind, count in sorted(status.incidents.items()))]
        lines.extend(align(table, right=frozenset({1})))
    return lines
