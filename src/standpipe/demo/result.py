"""What came out: the counts, what is wrong with them, and the table; pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

RIGHT, WRONG = "right", "wrong"
NAMES_SHOWN = 5  # of missing or unexpected records; more would hide the table
LABEL_WIDTH, NUMBER_WIDTH = 30, 8


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """How Vault fared in one act."""

    name: str
    title: str
    requests: int
    longest_seconds: float | None
    note: str


@dataclass(slots=True)
class Result:
    """Every number that the demo shows; ``wrong`` says what is not as it must be, in words."""

    server: str
    seconds: float
    requests_made: int
    requests_audited: int
    requests_not_audited: int
    records_start_up: int
    records_expected: int
    records_captured: int
    records_delivered: int
    records_lost: int
    records_unexpected: int
    records_repeated: int
    repeats_listed: int
    cut_lines: int
    journal_bytes: int
    stdout_bytes: int
    segments: int
    seals: int
    digests_equal: bool
    verify_exit_status: int
    verify_verdict: str
    run_exit_status: int
    phases: list[PhaseResult]
    incidents: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """``right`` or ``wrong``."""
        return WRONG if self.wrong else RIGHT

    def as_json(self) -> dict[str, object]:
        """Return everything as one JSON object, the verdict first."""
        return {"verdict": self.verdict, **asdict(self)}


def milliseconds(seconds: float | None) -> str:
    """Render a latency."""
    return "-" if seconds is None else f"{seconds * 1000:,.0f} ms"


def _row(label: str, number: int | str, remark: str = "") -> str:
    text = f"{number:,}" if isinstance(number, int) else number
    return f"  {label:<{LABEL_WIDTH}}{text:>{NUMBER_WIDTH}}  {remark}".rstrip()


def _plural(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def table(result: Result) -> list[str]:
    """Return the closing table as lines of text without colours."""
    audited, own = result.requests_audited, result.records_start_up
    cut = f"{_plural(result.cut_lines, 'line', 'lines')} cut by kill -9" if result.cut_lines else ""
    listed = ("all listed" if cut else "all listed in incidents.jsonl") if result.records_repeated else ""
    digests = "sha256 as the journal's" if result.digests_equal else "sha256 is NOT the journal's"
    files = f"{_plural(result.segments, 'segment', 'segments')}, {_plural(result.seals, 'seal', 'seals')}"
    lines = [
        f"OpenBao {result.server} under `standpipe run`, {result.seconds:.0f} s",
        "",
        _row("requests by the client", result.requests_made, f"{audited:,} audited, the others to sys/health"),
        _row("records expected", result.records_expected, f"2 x {audited:,} audited + {own} at server start"),
        _row("captured in the journal", result.records_captured, f"{result.journal_bytes:,} bytes, {files}"),
        _row("delivered on stdout", result.records_delivered, digests),
        _row("lost", result.records_lost),
        _row("repeated", result.records_repeated, "; ".join(filter(None, (listed, cut)))),
        _row("standpipe verify", result.verify_verdict, f"exit status {result.verify_exit_status}"),
        "",
        _row("Vault's longest request", "", "requests"),
    ]
    lines += [
        _row(f"  {p.title}", milliseconds(p.longest_seconds), f"{p.requests:>8,}  {p.note}") for p in result.phases
    ]
    lines.append("")
    lines += [f"  WRONG: {reason}" for reason in result.wrong]
    lines.append(_last_line(result))
    return lines


def _last_line(result: Result) -> str:
    if result.wrong:
        return "Something is wrong: this must not happen. Please report it."
    return "Every count is right: nothing lost, nothing altered, nothing repeated in secret."
