"""Copies as a destination has them, clean and with planted faults."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from standpipe.evidence.copies import CopiesOptions, verify_copies
from standpipe.evidence.journal_facts import GapFacts
from standpipe.evidence.seal_facts import seal_facts
from standpipe.evidence.signatures import Keys
from tests.evidence.copied import JOURNAL, OTHER, Delivered, delivered, seal_line, vault_record

if TYPE_CHECKING:
    from pathlib import Path

    from standpipe.evidence.copies_check import CopiesFindings
    from standpipe.evidence.copy_facts import CopiesResult

EXACT = CopiesOptions()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return where a copy goes."""
    return tmp_path / "copy.jsonl"


def verified(copy: Path, lines: list[bytes], options: CopiesOptions = EXACT) -> CopiesResult:
    """Verify lines as one file."""
    copy.write_bytes(b"".join(line + b"\n" for line in lines))
    return verify_copies([str(copy)], options)


def only(result: CopiesResult) -> CopiesFindings:
    """Return what was found of the only journal."""
    (found,) = result.journals
    return found


def damages(found: CopiesFindings) -> list[tuple[str, int, int]]:
    """Return what is damaged and where."""
    return [(damage.what, damage.start, damage.end) for damage in found.damaged]


def given(made: Delivered) -> list[object]:
    """Return the seals as facts."""
    return [seal_facts(f"seal {number}", data) for number, data in enumerate(made.seal_files)]


def place(made: Delivered, number: int) -> int:
    """Return which line holds a record."""
    mark = b'"offset":%d,' % made.ranges[number][0]
    return next(n for n, line in enumerate(made.lines) if mark in line and b'"kind"' not in line)


def test_a_clean_copy(copy: Path) -> None:
    """Nothing is found, both sealed segments are proven, and the tail is said to be unsealed."""
    made = delivered()
    found = only(verified(copy, made.lines))
    assert (found.verdict, found.base, found.end, found.records, found.repeated) == ("complete", 0, made.offset, 12, 0)
    assert (found.proven, found.unproven, found.seals, found.broken) == (2, (), 2, 0)
    assert found.unsealed_bytes == made.offset - made.ranges[7][1]
    assert (found.holes, found.damaged, found.notices) == ((), (), ())


def test_any_order_and_duplicates(copy: Path) -> None:
    """Shuffled, and every line twice: the same verdict, with the repeats counted."""
    lines = delivered().lines * 2
    random.Random(5).shuffle(lines)  # noqa: S311 - an order, not a secret
    found = only(verified(copy, lines))
    assert (found.verdict, found.records, found.repeated, found.proven) == ("complete", 12, 12, 2)


def test_very_many_copies_of_one_record(copy: Path) -> None:
    """Equal ones are counted and not kept; of different ones so many are compared that it takes no time."""
    made = delivered()
    line = made.lines[place(made, 5)]
    found = only(verified(copy, made.lines + [line] * 1000))
    assert (found.verdict, found.records, found.copies, found.repeated) == ("complete", 12, 1012, 1000)
    others = [line.replace(b'"operation":"read"', b'"operation":"%04d"' % number) for number in range(1000)]
    found = only(verified(copy, made.lines + others))
    assert (found.verdict, damages(found)) == ("incomplete", [("conflict", *made.ranges[5])])
    assert (found.copies, found.repeated) == (1012, 1000)


@pytest.mark.parametrize("number", [1, 4, 6, 10])
def test_a_removed_record(number: int, copy: Path) -> None:
    """It is a hole with its range, and its segment is not proven."""
    made = delivered()
    del made.lines[place(made, number)]
    found = only(verified(copy, made.lines))
    assert (found.verdict, found.holes, damages(found)) == ("incomplete", (made.ranges[number],), [])


def test_the_last_record_before_a_seal(copy: Path) -> None:
    """The seal is the right-hand bound: what it covers must be there."""
    made = delivered(8)
    made.seal()
    del made.lines[place(made, 7)]
    assert only(verified(copy, made.lines)).holes == (made.ranges[7],)


def test_the_head(copy: Path) -> None:
    """Copies may begin anywhere, and say so; with given seals, or an offset, they must begin there."""
    made = delivered()
    lines = made.lines[2:]
    found = only(verified(copy, lines))
    assert (found.verdict, found.base, found.starts_inside) == ("complete", made.ranges[2][0], True)
    head = ((0, made.ranges[1][1]),)
    assert only(verified(copy, lines, CopiesOptions(first=0))).holes == head
    assert only(verified(copy, lines, CopiesOptions(seals=given(made)))).holes == head  # type: ignore[arg-type]
    inside = CopiesOptions(first=made.ranges[2][0], last=made.ranges[9][1], seals=given(made))  # type: ignore[arg-type]
    assert (only(verified(copy, lines, inside)).verdict, only(verified(copy, lines, inside)).end) == (
        "complete",
        made.ranges[9][1],
    )


def test_a_dropped_segment(copy: Path) -> None:
    """All of its records are one hole."""
    made = delivered()
    gone = {place(made, number) for number in range(4, 8)}
    found = only(verified(copy, [line for number, line in enumerate(made.lines) if number not in gone]))
    assert (found.holes, found.proven, found.absent) == (((made.ranges[4][0], made.ranges[7][1]),), 1, 1)


def test_a_changed_byte(copy: Path) -> None:
    """The digest of its segment tells; where the clean record is there as well, the seal says which one is right."""
    made = delivered()
    number = place(made, 5)
    clean = made.lines[number]
    made.lines[number] = clean.replace(b"policies", b"policiez")
    found = only(verified(copy, made.lines))
    assert damages(found) == [("altered", made.ranges[4][0], made.ranges[7][1])]
    both = only(verified(copy, [*made.lines, clean]))
    assert (damages(both), both.proven) == ([("conflict", *made.ranges[5])], 2)
    assert (
        both.damaged[0].detail == f"its copies differ, and the one in {copy}:{len(made.lines) + 1} is what was sealed"
    )
    assert both.damaged[0].file == f"{copy}:{number + 1}"


def test_a_changed_length(copy: Path) -> None:
    """One record of another length among many is altered, with its own range; many are another JSON writer's work."""
    made = delivered(120, 40)
    number = place(made, 5)
    made.lines[number] = made.lines[number].replace(b"policies", b"policy")
    assert ("altered", *made.ranges[5]) in damages(only(verified(copy, made.lines)))
    every = [line.replace(b'"policies"', b'"policy"') for line in made.lines]
    found = only(verified(copy, every))
    assert (found.verdict, damages(found)) == ("complete", [])
    assert [count for _, count in found.unproven] == [2]


def test_a_changed_length_among_few(copy: Path) -> None:
    """One of a dozen is altered as well, though it is more than one in a hundred; where half are, a writer did it."""
    made = delivered()
    number = place(made, 5)
    made.lines[number] = made.lines[number].replace(b"policies", b"policy")
    assert ("altered", *made.ranges[5]) in damages(only(verified(copy, made.lines)))
    half = [line.replace(b'"policies"', b'"policy"') if n % 2 else line for n, line in enumerate(delivered().lines)]
    assert damages(only(verified(copy, half))) == []


def test_a_byte_that_breaks_the_json(copy: Path) -> None:
    """A record of the right length that is no JSON is told at its place."""
    made = delivered()
    number = place(made, 5)
    made.lines[number] = made.lines[number].replace(b'"auth":{', b'"auth"x{')
    assert ("malformed", *made.ranges[5]) in damages(only(verified(copy, made.lines)))


def test_swapped_records(copy: Path) -> None:
    """Nothing is missing; the place is told."""
    made = delivered()
    one, other = place(made, 5), place(made, 6)
    made.lines[one], made.lines[other] = made.lines[other], made.lines[one]
    result = verified(copy, made.lines)
    order = result.inputs[0].order
    start, end = made.ranges[5]
    assert (result.verdict, order.late) == ("complete", 1)
    assert order.examples == [(other + 1, JOURNAL, start, end - start)]


def test_a_repeat_is_no_disorder(copy: Path) -> None:
    """What is sent again stands behind later records, and is in order."""
    made = delivered()
    result = verified(copy, [*made.lines[:8], *made.lines[4:]])
    assert (result.verdict, result.inputs[0].order.late, only(result).repeated) == ("complete", 0, 3)


def test_an_edited_seal(copy: Path) -> None:
    """A seal that was changed does not link any more; with the real ones given, it is named."""
    made = delivered()
    first = place(made, 4) - 1
    made.lines[first] = made.lines[first].replace(b"09:00:00", b"09:00:01")
    second = json.loads(made.seal_files[1])
    found = only(verified(copy, made.lines))
    assert damages(found) == [("chain-broken", second["base"], second["end"])]
    named = only(verified(copy, made.lines, CopiesOptions(seals=given(made))))  # type: ignore[arg-type]
    assert damages(named) == [("seal-altered", 0, made.ranges[3][1])]


def without_seal(made: Delivered, base: int) -> list[bytes]:
    """Return the lines without one seal."""
    return [line for line in made.lines if b'"kind":"seal","offset":%d,' % base not in line]


def test_a_seal_that_was_taken_out(copy: Path) -> None:
    """Nothing would prove its segment: it is damage, unless the seal is given. That of the newest one nobody misses."""
    made = delivered(20)
    middle = (made.ranges[4][0], made.ranges[7][1])
    lines = without_seal(made, middle[0])
    found = only(verified(copy, lines))
    assert (found.verdict, damages(found), found.holes) == ("incomplete", [("seal-missing", *middle)], ())
    assert only(verified(copy, lines, CopiesOptions(seals=given(made)))).verdict == "complete"  # type: ignore[arg-type]
    assert only(verified(copy, lines, CopiesOptions(last=middle[0]))).verdict == "complete"
    newest = json.loads(made.seal_files[-1])["base"]
    assert only(verified(copy, without_seal(made, newest))).verdict == "complete"


def test_a_seal_that_went_with_its_records_is_a_hole_only(copy: Path) -> None:
    """What is told as a hole is not told again."""
    made = delivered(20)
    middle = (made.ranges[4][0], made.ranges[7][1])
    dropped = [place(made, number) for number in range(4, 8)]
    lines = [line for number, line in enumerate(made.lines) if number not in dropped]
    lines = [line for line in lines if b'"kind":"seal","offset":%d,' % middle[0] not in line]
    found = only(verified(copy, lines))
    assert (found.holes, damages(found)) == ((middle,), [])


def test_two_seals_of_one_segment(copy: Path) -> None:
    """A forged one beside the real one is told."""
    made = delivered()
    forged = made.seal_files[0].replace(b"09:00:00", b"09:00:01")
    found = only(verified(copy, [*made.lines, seal_line(JOURNAL, 0, made.ranges[3][1], forged)]))
    assert damages(found) == [("seal-conflict", 0, made.ranges[3][1])]


def test_a_request_without_its_response(copy: Path) -> None:
    """It is a hole, and beside it the other half is explained; with the hole's record filtered, it is listed."""
    made = Delivered()
    for number in range(40):
        made.add(vault_record(number), sent=number != 21)
    result = verified(copy, made.lines)
    assert (result.verdict, only(result).filtered_count, only(result).holes) == ("complete", 1, ())
    assert result.pairing is not None
    assert (result.pairing.paired, result.pairing.explained) == (19, {"beside-a-gap": 1})


def test_a_response_that_never_was(copy: Path) -> None:
    """Where no record is missing, a request that is alone is listed, and counts if pairs are required."""
    made = Delivered()
    for number in range(600):
        if number != 21:
            made.add(vault_record(number))
    result = verified(copy, made.lines)
    assert result.pairing is not None
    assert (result.verdict, result.pairing.requests_unpaired) == ("complete", 1)
    assert [half.offset for half in result.pairing.examples] == [made.ranges[20][0]]
    assert verified(copy, made.lines, CopiesOptions(require_pairs=True)).verdict == "incomplete"
    assert verified(copy, made.lines, CopiesOptions(checks=frozenset({"tiling"}))).pairing is None


def test_only_some_checks(copy: Path) -> None:
    """Each check finds its own fault, and no other's."""
    made = delivered()
    number = place(made, 5)
    made.lines[number] = made.lines[number].replace(b"policies", b"policiez")
    del made.lines[place(made, 9)]
    tiling = only(verified(copy, made.lines, CopiesOptions(checks=frozenset({"tiling"}))))
    assert (tiling.holes, damages(tiling)) == ((made.ranges[9],), [])
    integrity = only(verified(copy, made.lines, CopiesOptions(checks=frozenset({"integrity"}))))
    assert (integrity.holes, damages(integrity)) == ((), [("altered", made.ranges[4][0], made.ranges[7][1])])


def test_two_journals_in_one_input(copy: Path) -> None:
    """They are told apart by their ids, each with its own findings."""
    one, other = delivered(), delivered(8, 4, OTHER)
    del other.lines[place(other, 2)]
    lines = [line for pair in zip(one.lines, other.lines, strict=False) for line in pair] + one.lines[
        len(other.lines) :
    ]
    result = verified(copy, lines)
    found = {found.journal: found for found in result.journals}
    assert (result.verdict, found[JOURNAL].verdict, found[JOURNAL].records) == ("incomplete", "complete", 12)
    assert (found[OTHER].verdict, found[OTHER].holes) == ("incomplete", (other.ranges[2],))


def test_a_key_and_no_seal(copy: Path) -> None:
    """Where every seal was taken out, nothing was signed: a key is given to hear of that."""
    keys = Keys((bytes(32),), lambda *_: True)
    lines = [line for line in delivered().lines if b'"kind":"seal"' not in line]
    assert verified(copy, lines, CopiesOptions(keys=keys)).verdict == "unknown"
    assert verified(copy, lines, CopiesOptions(keys=keys, checks=frozenset({"tiling"}))).verdict == "complete"
    assert verified(copy, lines).verdict == "complete"


def test_seals_of_a_journal_that_is_not_there(copy: Path) -> None:
    """A journal whose seals were given and of which no record is here is missed."""
    result = verified(copy, delivered().lines, CopiesOptions(seals=given(delivered(8, 4, OTHER))))  # type: ignore[arg-type]
    assert (result.verdict, result.silent) == ("incomplete", [OTHER])


def test_seals_of_a_journal_that_was_quiet(copy: Path) -> None:
    """In a window without records of a node there may be the seal of what came before; a second end needs records."""
    other = delivered(8, 4, OTHER)
    other.seal()
    first, second = (line for line in other.lines if b'"kind":"seal"' in line)
    result = verified(copy, [*delivered().lines, first])
    assert (result.verdict, result.silent) == ("complete", [])
    result = verified(copy, [*delivered().lines, first, second])
    assert (result.verdict, result.silent) == ("incomplete", [OTHER])


def test_filtered_is_not_lost(copy: Path) -> None:
    """What the sink left out is counted apart; the range before the last seal's end cannot be decided."""
    made = Delivered()
    for number in range(8):
        made.add(vault_record(number), sent=number % 2 == 0)
    made.seal()
    found = only(verified(copy, made.lines))
    assert (found.verdict, found.holes, found.filtered_count, found.undecided) == ("complete", (), 3, made.ranges[7])
    del made.lines[2]
    lost = only(verified(copy, made.lines))
    assert (lost.verdict, lost.holes) == ("incomplete", ((made.ranges[2][1], made.ranges[4][1]),))


def test_a_recorded_gap(copy: Path) -> None:
    """A gap of the journal is a hole until a seal, or the journal's incidents, record it."""
    made = Delivered()
    made.add(vault_record(0))
    end = made.offset
    made.seal(sent=False)
    made.skip(1000)
    made.add(vault_record(1))
    assert only(verified(copy, made.lines)).holes == ((end, end + 1000),)
    incident = GapFacts("power-loss", end, end + 1000, "incidents.jsonl")
    recorded = CopiesOptions(recorded={JOURNAL: [incident]})
    found = only(verified(copy, made.lines, recorded))
    assert (found.holes, [gap.kind for gap in found.recorded_gaps], found.verdict) == ((), ["power-loss"], "incomplete")
    accepted = CopiesOptions(recorded={JOURNAL: [incident]}, accept_recorded=True)
    assert only(verified(copy, made.lines, accepted)).verdict == "complete"
    gap = {"kind": "power-loss", "offset": end, "length": 1000, "time": None}
    made.seal(gaps=(gap,))
    sealed = only(verified(copy, made.lines))
    assert (sealed.holes, [gap.kind for gap in sealed.recorded_gaps]) == ((), ["power-loss"])


def test_parts_and_torn_records(copy: Path) -> None:
    """Parts are joined, torn records counted, and the digest holds over all of them."""
    made = Delivered()
    made.add(vault_record(0))
    made.add_parts(vault_record(1, 3000), 3)
    made.add_torn(b'{"time":"2024', newline=False)
    made.add(vault_record(2))
    made.add_torn("é torn".encode())
    made.add_parts(vault_record(3), 1)
    made.seal()
    found = only(verified(copy, made.lines))
    assert (found.verdict, found.records, found.copies, found.torn, found.proven) == ("complete", 6, 8, 2, 1)
    del made.lines[2]
    lost = only(verified(copy, made.lines))
    assert damages(lost) == [("part-missing", *made.ranges[1])]
    assert lost.damaged[0].detail == "2 of 3 parts are here, not 2"


def test_records_without_some_fields(copy: Path) -> None:
    """Where fields were cut out the digest cannot be made, and that is said."""
    made = Delivered()
    made.add(vault_record(0))
    made.seal()
    made.lines[0] = made.lines[0].replace(b'"after":0', b'"after":0,"dropped":["auth"]')
    found = only(verified(copy, made.lines))
    assert (found.verdict, found.proven, found.unproven) == (
        "complete",
        0,
        (("fields were cut out for this destination", 1),),
    )


def test_vaults_prefix(copy: Path) -> None:
    """Copies do not carry it; told what it is, the digest can be made."""
    made = Delivered()
    for number in range(4):
        made.add(vault_record(number), lead=b"vault: ")
    made.seal()
    assert only(verified(copy, made.lines)).proven == 0
    assert only(verified(copy, made.lines, CopiesOptions(prefix=b"vault: "))).proven == 1


def test_a_line_that_a_crash_cut(copy: Path) -> None:
    """It is told and does no harm where its record came again; otherwise the record is missing."""
    made = delivered()
    number = place(made, 5)
    lines = [*made.lines[:number], made.lines[number][:300], *made.lines[number:]]
    result = verified(copy, lines)
    assert (result.verdict, result.inputs[0].odd) == ("complete", {"cut": 1})
    del lines[number + 1]
    assert only(verified(copy, lines)).holes == (made.ranges[5],)


def test_values_in_clear_text(copy: Path) -> None:
    """A token that is not hashed is told with its record's place and the member's name; of raw copies, how many."""
    made = Delivered()
    made.add(vault_record(0))
    clear = vault_record(1).replace(b'"token_type"', b'"client_token":"hvs.CAESIJ","token_type"')
    made.add(clear)
    result = verified(copy, made.lines)
    assert result.clear is not None
    assert [(one.start, one.end, one.fields) for one in result.clear.examples] == [
        (*made.ranges[1], ("auth.client_token",))
    ]
    raw = verified(copy, [clear])
    assert raw.clear is not None
    assert (raw.clear.records, raw.clear.examples) == (1, [])


def test_nothing_to_go_by(copy: Path, tmp_path: Path) -> None:
    """No record, or no such file: it cannot be told."""
    assert verified(copy, [b"hello", b"{}"]).verdict == "unknown"
    result = verify_copies([str(tmp_path / "none")], EXACT)
    assert (result.verdict, result.unreadable) == ("unknown", [f"{tmp_path}/none: No such file or directory"])


def test_spilling_to_disk(copy: Path, tmp_path: Path) -> None:
    """With next to no memory everything is sorted on the disk, runs merged more than once, to the same end."""
    made = delivered(400, 40)
    lines = made.lines * 2
    random.Random(6).shuffle(lines)  # noqa: S311 - an order, not a secret
    room = tmp_path / "room"
    room.mkdir()
    small = CopiesOptions(memory_bytes=1, spill_directory=str(room))
    spilled, held = verified(copy, lines, small), verified(copy, lines)
    assert (spilled.spilled, held.spilled) == (True, False)
    assert spilled.journals == held.journals
    assert (spilled.verdict, only(spilled).repeated, only(spilled).proven) == ("complete", 400, len(made.seal_files))
    assert list(room.iterdir()) == []
