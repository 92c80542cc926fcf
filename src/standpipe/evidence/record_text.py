"""What `standpipe verify` says about records, to a script and to a person: pairs, torn ones, clear text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.evidence.clear_text import clear_lines
from standpipe.evidence.pairing_rules import RULES
from standpipe.evidence.wording import count_text, limited, range_text
from standpipe.records.pair_fields import REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.evidence.pairing import PairingFindings, UnpairedHalf
    from standpipe.evidence.record_pass import RecordFindings


def half_as_json(half: UnpairedHalf) -> dict[str, object]:
    """Return one half that is alone."""
    return {
        "node": half.node,
        "kind": half.kind,
        "offset": half.offset,
        "length": half.length,
        "request_id": half.request_id,
        "operation": half.operation,
        "path": half.path,
        "time": half.time,
        "rule": half.rule,
    }


def unpaired_as_json(pairing: PairingFindings | None) -> dict[str, object] | None:
    """Return the member ``unpaired``; None where pairs were not looked for."""
    if pairing is None:
        return None
    return {
        "requests": pairing.requests_unpaired,
        "responses": pairing.responses_unpaired,
        "explained": dict(sorted(pairing.explained.items())),
        "paired": pairing.paired,
        "examples": [half_as_json(half) for half in pairing.examples],
        "explained_examples": [half_as_json(half) for half in pairing.explained_examples],
    }


def torn_as_json(seen: RecordFindings | None) -> dict[str, object] | None:
    """Return the member ``torn``; None where records were not looked at."""
    if seen is None:
        return None
    return {
        "records": seen.torn_records,
        "bytes": seen.torn_bytes,
        "ranges": [list(interval) for interval in seen.torn],
    }


def raw_values_as_json(seen: RecordFindings | None) -> dict[str, object] | None:
    """Return the member ``raw_values``; None where records were not looked at."""
    if seen is None:
        return None
    return {
        "records": seen.raw_records,
        "examples": [{"from": raw.start, "to": raw.end, "fields": list(raw.fields)} for raw in seen.raw],
    }


def pairing_lines(pairing: PairingFindings) -> Iterator[str]:
    """Yield what a person reads about pairs: what is alone and where, then what explains the rest."""
    yield from limited([_half_line(half) for half in pairing.examples], pairing.unexplained)
    for rule, count in sorted(pairing.explained.items()):
        yield f"explained: {rule}: {count_text(count, 'record')}: {RULES[rule]}"


def record_lines(seen: RecordFindings) -> Iterator[str]:
    """Yield what a person reads about the records themselves."""
    torn = [f"torn: {range_text(*interval)} is no whole record" for interval in seen.torn]
    yield from limited(torn, seen.torn_records)
    yield from clear_lines(seen.raw, seen.raw_records)


def _half_line(half: UnpairedHalf) -> str:
    missing = "response" if half.kind == REQUEST else "request"
    place = range_text(half.offset, half.offset + half.length)
    return (
        f"unpaired: {half.kind} {place} without its {missing}: {half.operation} {half.path} at {half.time}, "
        f"id {half.request_id}, node {half.node}"
    )
