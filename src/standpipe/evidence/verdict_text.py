"""What `standpipe verify` says: findings as JSON members and as lines for a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.evidence.checks import ALL_CHECKS, CHECKS, TILING
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN
from standpipe.evidence.record_text import (
    pairing_lines,
    raw_values_as_json,
    record_lines,
    torn_as_json,
    unpaired_as_json,
)
from standpipe.evidence.recorded_gaps import LOST, NOT_LOST, RecordedGap
from standpipe.evidence.wording import LINES_MAX, count_text, limited, range_text

if TYPE_CHECKING:
    from standpipe.evidence.journal_check import Findings

__all__ = ["HEADLINES", "LINES_MAX", "as_json", "as_lines", "count_text", "unknown_as_json"]

HEADLINES = {COMPLETE: "complete", INCOMPLETE: "INCOMPLETE", UNKNOWN: "unknown"}
LOSS_TEXT = {LOST: "bytes were lost", NOT_LOST: "no bytes were lost"}


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
        "unpaired": unpaired_as_json(None if findings.seen is None else findings.seen.pairing),
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
        "checks": [check for check in CHECKS if check in findings.checks],
        "torn": torn_as_json(findings.seen),
        "raw_values": raw_values_as_json(findings.seen),
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
        "checks": [],
        "torn": None,
        "raw_values": None,
    }


def _gap_line(gap: RecordedGap) -> str:
    loss = LOSS_TEXT.get(gap.lost, "bytes may have been lost")
    detail = f": {gap.detail}" if gap.detail else ""
    return f"recorded gap: {gap.kind} {range_text(gap.start, gap.end)}, {loss}{detail}"


def _unexplained(findings: Findings) -> int:
    pairing = None if findings.seen is None else findings.seen.pairing
    return 0 if pairing is None else pairing.unexplained


def _checked_text(findings: Findings) -> str:
    """Return which checks were made, where these are not all."""
    if findings.checks == ALL_CHECKS:
        return ""
    return f" (checked: {', '.join(check for check in CHECKS if check in findings.checks)} only)"


def _summary(findings: Findings, *, accept_recorded: bool, require_pairs: bool) -> str:
    headline, checked = HEADLINES[findings.verdict], _checked_text(findings)
    lossy = [gap for gap in findings.recorded_gaps if gap.lost != NOT_LOST and TILING in findings.checks]
    alone = _unexplained(findings)
    faults = [
        count_text(len(findings.damaged), "damaged place") if findings.damaged else "",
        count_text(len(findings.holes), "hole") if findings.holes else "",
        count_text(len(lossy), "recorded gap") if lossy and not accept_recorded else "",
        count_text(alone, "unpaired record") if alone and require_pairs else "",
        count_text(len(findings.unreadable), "unreadable file") if findings.unreadable else "",
    ]
    told = ", ".join(fault for fault in faults if fault)
    if told:
        return f"{headline}: {told}{checked}"
    if TILING not in findings.checks:
        return f"{headline}: nothing is wrong in what was looked at{checked}"
    accepted = f", but for {count_text(len(lossy), 'recorded gap')} (accepted)" if lossy else ""
    return f"{headline}: every byte from {findings.base:,} to {findings.end:,} is there{accepted}{checked}"


def _signed_text(findings: Findings) -> str:
    if findings.proven is not None:
        return f"{findings.signed:,} signed, {findings.proven:,} by a key that was given"
    unproven = ": not checked, --public-key gives a key" if findings.signed else ""
    return f"{findings.signed:,} signed{unproven}"


def as_lines(findings: Findings, *, accept_recorded: bool = False, require_pairs: bool = False) -> list[str]:
    """Return what a person reads: the verdict, what is wrong and where, then what was checked."""
    seen = findings.seen
    lines = [_summary(findings, accept_recorded=accept_recorded, require_pairs=require_pairs)]
    lines.extend(
        limited([f"damaged: {d.what} {range_text(d.start, d.end)}: {d.detail}: {d.file}" for d in findings.damaged])
    )
    lines.extend(limited([f"hole: {range_text(*hole)} in no file and in no record of gaps" for hole in findings.holes]))
    lines.extend(limited([f"unreadable: {reason}" for reason in findings.unreadable]))
    lines.extend(limited([_gap_line(gap) for gap in findings.recorded_gaps]))
    lines.extend(
        limited([f"notice: {n.what} {range_text(n.start, n.end)}: {n.detail}: {n.file}" for n in findings.notices])
    )
    if seen is not None:
        lines.extend(record_lines(seen))
    if seen is not None and seen.pairing is not None:
        lines.extend(pairing_lines(seen.pairing))
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
    if seen is not None and seen.pairing is not None and seen.pairing.paired:
        lines.append(f"pairs: {count_text(seen.pairing.paired, 'request')} with a response")
    if findings.first_time and findings.last_time:
        lines.append(f"sealed records from {findings.first_time} to {findings.last_time}")
    if findings.unsealed_bytes:
        lines.append(f"unsealed tail: {count_text(findings.unsealed_bytes, 'byte')}, present but not yet provable")
    return lines
