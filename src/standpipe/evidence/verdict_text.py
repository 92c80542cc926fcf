"""What `standpipe verify` says: findings as JSON members and as lines for a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN
from standpipe.evidence.recorded_gaps import LOST, NOT_LOST, RecordedGap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.evidence.journal_check import Findings

HEADLINES = {COMPLETE: "complete", INCOMPLETE: "INCOMPLETE", UNKNOWN: "unknown"}
LOSS_TEXT = {LOST: "bytes were lost", NOT_LOST: "no bytes were lost"}
LINES_MAX = 20  # of each sort of finding; a person reads the first ones, --json has them all


def as_json(findings: Findings) -> dict[str, object]:
    """Return the members of `verify --json`; docs/verify.md gives the meaning of each."""
    return {
        "verdict": findings.verdict,
        "ranges": {"base": findings.base, "end": findings.end},
        "records": findings.records,
        "holes": [list(hole) for hole in findings.holes],
        "damaged": [
            {"what": d.what, "file": d.file, "from": d.start, "to": d.end, "detail": d.detail} for d in findings.damaged
        ],
        "notices": [
            {"what": n.what, "file": n.file, "from": n.start, "to": n.end, "detail": n.detail} for n in findings.notices
        ],
        "recorded_gaps": [
            {"kind": gap.kind, "from": gap.start, "to": gap.end, "lost": gap.lost, "detail": gap.detail}
            for gap in findings.recorded_gaps
        ],
        "repeated": findings.repeated,
        "dead_letters": findings.dead_letters,
        "unpaired": None,  # requests without responses: answered in a later release
        "chain": {
            "seals": findings.seals,
            "signed": findings.signed,
            "broken": findings.broken,
            "proven": findings.proven,
        },
        "unreadable": list(findings.unreadable),
        "checked_bytes": findings.checked_bytes,
        "unsealed_bytes": findings.unsealed_bytes,
        "segments": findings.segments,
        "times": {"first": findings.first_time, "last": findings.last_time},
    }


def unknown_as_json(reason: str) -> dict[str, object]:
    """Return the members of `verify --json` where the journal could not be examined at all."""
    return {
        "verdict": UNKNOWN,
        "ranges": {"base": None, "end": None},
        "records": None,
        "holes": [],
        "damaged": [],
        "notices": [],
        "recorded_gaps": [],
        "repeated": None,
        "dead_letters": None,
        "unpaired": None,
        "chain": {"seals": None, "signed": None, "broken": None, "proven": None},
        "unreadable": [reason],
        "checked_bytes": None,
        "unsealed_bytes": None,
        "segments": None,
        "times": {"first": None, "last": None},
    }


def count_text(count: int, noun: str) -> str:
    """Return ``1 seal``, ``2,000 seals``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _range_text(start: int | None, end: int | None) -> str:
    if start is None or end is None:
        return "at no known address"
    if start == end:
        return f"at {start:,}"
    return f"{start:,} to {end:,} ({count_text(end - start, 'byte')})"


def _gap_line(gap: RecordedGap) -> str:
    loss = LOSS_TEXT.get(gap.lost, "bytes may have been lost")
    detail = f": {gap.detail}" if gap.detail else ""
    return f"recorded gap: {gap.kind} {_range_text(gap.start, gap.end)}, {loss}{detail}"


def _limited(lines: list[str]) -> Iterator[str]:
    yield from lines[:LINES_MAX]
    if len(lines) > LINES_MAX:
        yield f"… and {len(lines) - LINES_MAX:,} more like this; --json lists them all"


def _summary(findings: Findings, *, accept_recorded: bool) -> str:
    headline = HEADLINES[findings.verdict]
    lossy = [gap for gap in findings.recorded_gaps if gap.lost != NOT_LOST]
    faults = [
        count_text(len(findings.damaged), "damaged place") if findings.damaged else "",
        count_text(len(findings.holes), "hole") if findings.holes else "",
        count_text(len(lossy), "recorded gap") if lossy and not accept_recorded else "",
        count_text(len(findings.unreadable), "unreadable file") if findings.unreadable else "",
    ]
    told = ", ".join(fault for fault in faults if fault)
    if told:
        return f"{headline}: {told}"
    accepted = f", but for {count_text(len(lossy), 'recorded gap')} (accepted)" if lossy else ""
    return f"{headline}: every byte from {findings.base:,} to {findings.end:,} is there{accepted}"


def _signed_text(findings: Findings) -> str:
    if findings.proven is not None:
        return f"{findings.signed:,} signed, {findings.proven:,} by a key that was given"
    unproven = ": not checked, --public-key gives a key" if findings.signed else ""
    return f"{findings.signed:,} signed{unproven}"


def as_lines(findings: Findings, *, accept_recorded: bool = False) -> list[str]:
    """Return what a person reads: the verdict, what is wrong and where, then what was checked."""
    lines = [_summary(findings, accept_recorded=accept_recorded)]
    lines.extend(
        _limited([f"damaged: {d.what} {_range_text(d.start, d.end)}: {d.detail}: {d.file}" for d in findings.damaged])
    )
    lines.extend(
        _limited([f"hole: {_range_text(*hole)} in no file and in no record of gaps" for hole in findings.holes])
    )
    lines.extend(_limited([f"unreadable: {reason}" for reason in findings.unreadable]))
    lines.extend(_limited([_gap_line(gap) for gap in findings.recorded_gaps]))
    lines.extend(
        _limited([f"notice: {n.what} {_range_text(n.start, n.end)}: {n.detail}: {n.file}" for n in findings.notices])
    )
    if findings.repeated:
        lines.append(
            f"repeated: {count_text(findings.repeated, 'range')} may have been delivered twice, with the same ids"
        )
    if findings.dead_letters:
        lines.append(f"dead letters: {count_text(findings.dead_letters, 'record')} that a sink did not take")
    lines.append(
        f"checked: {count_text(findings.segments, 'segment')}, {count_text(findings.records, 'record')}, "
        f"{count_text(findings.checked_bytes, 'byte')} against {count_text(findings.seals, 'seal')} "
        f"({_signed_text(findings)})"
    )
    if findings.first_time and findings.last_time:
        lines.append(f"sealed records from {findings.first_time} to {findings.last_time}")
    if findings.unsealed_bytes:
        lines.append(f"unsealed tail: {count_text(findings.unsealed_bytes, 'byte')}, present but not yet provable")
    return lines
