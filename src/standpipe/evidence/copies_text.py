"""What `standpipe verify` says of copies to a person: the verdict first, then what and where. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.evidence.clear_text import clear_lines
from standpipe.evidence.recorded_gaps import NOT_LOST
from standpipe.evidence.verdict_text import HEADLINES, LINES_MAX, count_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.evidence.copies_check import CopiesFindings
    from standpipe.evidence.copy_facts import CopiesResult, InputFacts
    from standpipe.evidence.pairing import PairingFindings
    from standpipe.evidence.recorded_gaps import RecordedGap

LOSS_TEXT = {"yes": "bytes were lost", NOT_LOST: "no bytes were lost"}


def copies_as_lines(result: CopiesResult, *, accept_recorded: bool = False) -> list[str]:
    """Return what a person reads."""
    lines = [_summary(result, accept_recorded=accept_recorded)]
    for found in result.journals:
        if len(result.journals) > 1:
            lines.append(f"journal {found.journal}: {_range(found.base, found.end)}: {HEADLINES[found.verdict]}")
        lines.extend(_journal(found))
    lines.extend(f"journal {journal}: seals of it were given, and no record is here" for journal in result.silent)
    lines.extend(f"unreadable: {reason}" for reason in result.unreadable)
    if result.journals and result.raw_unproven:
        lines.append(
            f"without proof: {count_text(result.raw_unproven, 'record')} without an envelope, in no segment that was "
            "found: not sealed yet, or added"
        )
    for facts in result.inputs:
        lines.extend(_input(facts))
    if result.clear is not None and result.clear.records:
        clear = result.clear
        lines.extend(clear_lines(clear.examples, clear.records) if clear.examples else [_clear_count(clear.records)])
    if result.pairing is not None:
        lines.extend(_pairs(result.pairing))
    return lines


def _clear_count(count: int) -> str:
    return f"clear text: {count_text(count, 'record')} without an envelope"


def _summary(result: CopiesResult, *, accept_recorded: bool) -> str:
    headline = HEADLINES[result.verdict]
    journals = result.journals
    lossy = sum(gap.lost != NOT_LOST for found in journals for gap in found.recorded_gaps)
    unpaired = result.pairing.unexplained if result.pairing is not None and result.require_pairs else 0
    counted = (
        (sum(found.damaged_count for found in journals), "damaged place"),
        (sum(found.holes_count for found in journals), "hole"),
        (0 if accept_recorded else lossy, "recorded gap"),
        (sum(facts.odd.get("envelope-wrong", 0) for facts in result.inputs), "wrong envelope"),
        (len(result.silent), "journal without a record"),
        (unpaired, "unpaired record"),
        (sum(found.without_signed_seal for found in journals), "unsealed journal"),
        (len(result.unreadable), "unreadable input"),
    )
    faults = ", ".join(count_text(count, noun) for count, noun in counted if count)
    if faults:
        return f"{headline}: {faults}"
    if not journals and result.raw:
        return f"{headline}: {count_text(result.raw, 'record')} without an envelope; name their seals with --seals"
    if not journals:
        return f"{headline}: no record here carries an envelope of standpipe's, and none was matched to a seal"
    if len(journals) > 1:
        return f"{headline}: every record of {len(journals)} journals is there, in the ranges below"
    return f"{headline}: every record from {journals[0].base:,} to {journals[0].end:,} is there"


def _range(start: int | None, end: int | None) -> str:
    if start is None or end is None:
        return "at no known address"
    return f"{start:,} to {end:,} ({count_text(end - start, 'byte')})"


def _limited(lines: list[str], count: int | None = None) -> Iterator[str]:
    yield from lines[:LINES_MAX]
    more = (count if count is not None else len(lines)) - LINES_MAX
    if more > 0:
        yield f"… and {more:,} more like this; --json lists them"


def _journal(found: CopiesFindings) -> Iterator[str]:
    damages = [f"damaged: {d.what} {_range(d.start, d.end)}: {d.detail}: {d.file}" for d in found.damaged]
    yield from _limited(damages, found.damaged_count)
    holes = [f"hole: {_range(*hole)} is not in these copies" for hole in found.holes]
    yield from _limited(holes, found.holes_count)
    yield from _limited([_gap(gap) for gap in found.recorded_gaps])
    notices = [f"notice: {n.what} {_range(n.start, n.end)}: {n.detail}: {n.file}" for n in found.notices]
    yield from _limited(notices)
    if found.starts_inside:
        yield f"begins inside: what was sent before {found.base:,} is not here; --from OFFSET, if it should be"
    if found.undecided:
        yield f"undecided: {_range(*found.undecided)} before the last seal's end was filtered, or is lost"
    if found.filtered_count:
        yield (
            f"filtered: {count_text(found.filtered_bytes, 'byte')} in {count_text(found.filtered_count, 'range')} "
            "were left out by the sink, and are not lost"
        )
    yield (
        f"checked: {count_text(found.records, 'record')}, {found.copies:,} with all repeats and parts; "
        f"{found.repeated:,} repeated, {found.torn:,} torn"
    )
    if found.repeats:
        more = f", and {len(found.repeats) - 1:,} more" if found.repeats[1:] else ""
        yield f"repeated: {_range(*found.repeats[0])} came more than once{more}"
    yield from _sealed(found)


def _sealed(found: CopiesFindings) -> Iterator[str]:
    if not found.seals:
        yield "integrity: not checked, for there are no seals here; name their journal or archive with --seals"
        return
    signed = f"{found.signed:,} signed"
    if found.vouched is not None:
        signed += f", {found.vouched:,} by a trusted key"
    elif found.signed:
        signed += ", by whom is not checked without --public-key"
    yield (
        f"integrity: {count_text(found.proven, 'segment')}, {count_text(found.proven_bytes, 'byte')} are what was "
        f"sealed ({count_text(found.seals, 'seal')}, {signed})"
    )
    for reason, count in found.unproven:
        yield f"not proven: {count_text(count, 'segment')}: {reason}"
    if found.unsealed_bytes:
        yield f"unsealed: {count_text(found.unsealed_bytes, 'byte')} after the newest seal"


def _gap(gap: RecordedGap) -> str:
    loss = LOSS_TEXT.get(gap.lost, "bytes may have been lost")
    return f"recorded gap: {gap.kind} {_range(gap.start, gap.end)}, {loss}: {gap.detail}"


def _input(facts: InputFacts) -> Iterator[str]:
    for odd in facts.odd_examples[:LINES_MAX]:
        place = "" if odd.offset is None else f" of {odd.offset:,}"
        yield f"odd line: {facts.name}:{odd.line}: {odd.what}{place}: {odd.detail}"
    late = [
        f"out of order: {_range(offset, offset + length)} comes late, in {facts.name}:{line}"
        for line, _, offset, length in facts.order.examples
    ]
    yield from _limited(late, facts.order.late)
    if facts.other:
        yield f"other lines: {facts.other:,} in {facts.name} are no records"


def _pairs(pairing: PairingFindings) -> Iterator[str]:
    explained = ", ".join(f"{rule} {count:,}" for rule, count in sorted(pairing.explained.items()))
    told = f"; explained: {explained}" if explained else ""
    yield f"pairs: {count_text(pairing.paired, 'request')} with a response{told}"
    lines = [
        f"unpaired: {half.kind} {half.request_id or '(no id)'} at {half.offset:,}: "
        f"{half.operation} {half.path}, {half.time}"
        for half in pairing.examples
    ]
    yield from _limited(lines, pairing.unexplained)
