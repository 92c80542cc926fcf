"""What `standpipe verify --json` says of copies: the keys for journals, and one entry for each journal and input.

Pure; docs/verify-copies.md gives the meaning of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.evidence.checks import CHECKS
from standpipe.evidence.record_text import unpaired_as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from standpipe.evidence.copies_check import CopiesFindings
    from standpipe.evidence.copy_facts import ClearText, CopiesResult, InputFacts
    from standpipe.evidence.damage import Damage
    from standpipe.evidence.recorded_gaps import RecordedGap


def copies_as_json(result: CopiesResult) -> dict[str, object]:
    """Return the members of `verify --json`."""
    journals = result.journals
    only = journals[0] if len(journals) == 1 else None
    return {
        "verdict": result.verdict,
        "ranges": {"base": only.base if only else None, "end": only.end if only else None},
        "records": sum(found.records for found in journals),
        "holes": [list(hole) for found in journals for hole in found.holes],
        "damaged": [_damage(damage) for found in journals for damage in found.damaged],
        "notices": [_damage(notice) for found in journals for notice in found.notices],
        "recorded_gaps": [_gap(gap) for found in journals for gap in found.recorded_gaps],
        "repeated": sum(found.repeated for found in journals),
        "dead_letters": None,
        "unpaired": unpaired_as_json(result.pairing),
        "chain": {
            "seals": sum(found.seals for found in journals),
            "signed": sum(found.signed for found in journals),
            "broken": sum(found.broken for found in journals),
            "proven": _sum(found.vouched for found in journals),
        },
        "unreadable": result.unreadable,
        "checked_bytes": sum(found.proven_bytes for found in journals),
        "unsealed_bytes": sum(found.unsealed_bytes for found in journals),
        "raw_values": _clear(result.clear),
        "checks": [check for check in CHECKS if check in result.checks],
        "journals": [_journal(found) for found in journals],
        "journals_without_records": result.silent,
        "raw_unproven": result.raw_unproven,
        "inputs": [_input(facts) for facts in result.inputs],
    }


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _damage(damage: Damage) -> dict[str, object]:
    return {
        "what": damage.what,
        "file": damage.file,
        "from": damage.start,
        "to": damage.end,
        "detail": damage.detail,
    }


def _gap(gap: RecordedGap) -> dict[str, object]:
    return {"kind": gap.kind, "from": gap.start, "to": gap.end, "lost": gap.lost, "detail": gap.detail}


def _clear(clear: ClearText | None) -> dict[str, object] | None:
    if clear is None:
        return None
    return {
        "records": clear.records,
        "examples": [
            {"journal": one.journal, "from": one.start, "to": one.end, "fields": list(one.fields)}
            for one in clear.examples
        ],
    }


def _counts(counted: Sequence[tuple[str, int]]) -> dict[str, int]:
    return dict(counted)


def _journal(found: CopiesFindings) -> dict[str, object]:
    return {
        "journal": found.journal,
        "verdict": found.verdict,
        "ranges": {"base": found.base, "end": found.end},
        "starts_inside": found.starts_inside,
        "records": found.records,
        "copies": found.copies,
        "repeated": found.repeated,
        "repeated_ranges": [list(repeat) for repeat in found.repeats],
        "torn": found.torn,
        "holes": [list(hole) for hole in found.holes],
        "holes_count": found.holes_count,
        "holes_bytes": found.holes_bytes,
        "filtered": {"ranges": found.filtered_count, "bytes": found.filtered_bytes},
        "undecided": list(found.undecided) if found.undecided else None,
        "damaged": [_damage(damage) for damage in found.damaged],
        "damaged_count": found.damaged_count,
        "notices": [_damage(notice) for notice in found.notices],
        "recorded_gaps": [_gap(gap) for gap in found.recorded_gaps],
        "chain": {
            "seals": found.seals,
            "signed": found.signed,
            "broken": found.broken,
            "proven": found.vouched,
        },
        "segments": {"proven": found.proven, "unproven": _counts(found.unproven), "absent": found.absent},
        "checked_bytes": found.proven_bytes,
        "unsealed_bytes": found.unsealed_bytes,
    }


def _input(facts: InputFacts) -> dict[str, object]:
    return {
        "name": facts.name,
        "compression": facts.compression or None,
        "forms": dict(sorted(facts.forms.items())),
        "lines": facts.lines,
        "records": facts.records,
        "seals": facts.seals,
        "raw": facts.raw,
        "other": facts.other,
        "odd": dict(sorted(facts.odd.items())),
        "odd_lines": [
            {"what": odd.what, "line": odd.line, "offset": odd.offset, "detail": odd.detail}
            for odd in facts.odd_examples
        ],
        "out_of_order": {
            "records": facts.order.late,
            "first": [
                {"line": line, "journal": journal, "offset": offset, "length": length}
                for line, journal, offset, length in facts.order.examples
            ],
        },
        "error": facts.error or None,
    }
