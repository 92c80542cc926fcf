from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.evidence.copies import CopiesOptions, verify_copies
from standpipe.evidence.raw_copies import RawMatch, raw_time, time_key
from standpipe.evidence.seal_facts import seal_facts
from tests.evidence.copied import JOURNAL, OTHER, Delivered, delivered, vault_record

if TYPE_CHECKING:
    from pathlib import Path

    from standpipe.evidence.copies_check import CopiesFindings
    from standpipe.evidence.journal_facts import SealFacts


def seals_of(*journals: Delivered) -> list[SealFacts]:
    """Return the seals of some journals."""
    return [seal_facts(f"seal {n}", data) for made in journals for n, data in enumerate(made.seal_files)]


def verified(path: Path, lines: list[bytes], *journals: Delivered) -> CopiesFindings:
    """Verify raw lines against the seals of the first of some journals."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    result = verify_copies([str(path)], CopiesOptions(seals=seals_of(*journals)))
    return result.journals[0]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return where a copy goes."""
    return tmp_path / "raw.log"


@pytest.fixture
def made() -> Delivered:
    """Return a journal of three sealed segments and a tail."""
    return delivered(14, 4)


def whole_lines(made: Delivered) -> list[bytes]:
    """Return what Vault wrote, as lines."""
    return made.raw.split(b"\n")[:-1]


def test_a_clean_copy(made: Delivered, copy: Path) -> None:
    """Every sealed segment is proven by its digest."""
    found = verified(copy, whole_lines(made), made)
    assert (found.verdict, found.proven, found.proven_bytes, found.damaged, found.holes) == (
        "complete",
        3,
        made.ranges[11][1],
        (),
        (),
    )


def test_without_seals_nothing_can_be_told(made: Delivered, copy: Path) -> None:
    """Raw lines alone prove nothing."""
    copy.write_bytes(made.raw)
    result = verify_copies([str(copy)], CopiesOptions())
    assert (result.verdict, result.raw, result.journals) == ("unknown", 14, [])


def test_other_lines_and_repeats_are_left_out(made: Delivered, copy: Path) -> None:
    """A collector's own lines, a batch that was sent twice and the start of a line that a crash cut do no harm."""
    lines = whole_lines(made)
    mixed = [b"==> Vault server started", *lines[:6], lines[6][:40], *lines[2:9], b"hello", *lines[9:]]
    assert (verified(copy, mixed, made).verdict, verified(copy, mixed, made).proven) == ("complete", 3)


@pytest.mark.parametrize(
    ("fault", "what", "holes"), [("removed", "missing", 1), ("altered", "altered", 0), ("swapped", "altered", 0)]
)
def test_planted_faults(fault: str, what: str, holes: int, made: Delivered, copy: Path) -> None:
    """Each is named with the range of its segment; the other segments are proven all the same."""
    lines = whole_lines(made)
    if fault == "removed":
        del lines[5]
    elif fault == "altered":
        lines[5] = lines[5].replace(b"policies", b"policiez")
    else:
        lines[5], lines[6] = lines[6], lines[5]
    found = verified(copy, lines, made)
    second = (made.ranges[4][0], made.ranges[7][1])
    assert (found.verdict, found.proven, len(found.holes)) == ("incomplete", 2, holes)
    assert [(damage.what, damage.start, damage.end) for damage in found.damaged] == [(what, *second)]


def test_a_record_that_was_put_between_segments(made: Delivered, copy: Path) -> None:
    """No digest covers it, so that it changes no verdict; it is counted among those without proof."""
    lines = whole_lines(made)
    seals = CopiesOptions(seals=seals_of(made))
    for added in ([], [vault_record(99)]):
        copy.write_bytes(b"".join(line + b"\n" for line in [*lines[:4], *added, *lines[4:]]))
        result = verify_copies([str(copy)], seals)
        unsealed = len(lines) - sum(json.loads(seal)["records"] for seal in made.seal_files)
        assert (result.verdict, result.raw_unproven) == ("complete", unsealed + len(added))


def test_a_dropped_segment(made: Delivered, copy: Path) -> None:
    """A segment of which nothing is there is a hole."""
    lines = whole_lines(made)
    found = verified(copy, lines[:4] + lines[8:], made)
    assert (found.holes, found.damaged) == (((made.ranges[4][0], made.ranges[7][1]),), ())


def test_records_of_another_node(made: Delivered, copy: Path) -> None:
    """Where more records of its time are there than were sealed, the segment is mixed."""
    lines = whole_lines(made)
    strange = vault_record(5).replace(b"secret/data", b"other/data")
    found = verified(copy, [*lines[:5], strange, *lines[5:]], made)
    assert [(damage.what, damage.start) for damage in found.damaged] == [("mixed", made.ranges[4][0])]


def test_two_nodes_one_after_the_other(copy: Path) -> None:
    """Each journal's segments are found where they are."""
    one, other = delivered(8, 4), Delivered(OTHER)
    for number in range(20, 28):
        other.add(vault_record(number))
    other.seal()
    copy.write_bytes(one.raw + other.raw)
    result = verify_copies([str(copy)], CopiesOptions(seals=seals_of(one, other)))
    assert {found.journal: (found.verdict, found.proven) for found in result.journals} == {
        JOURNAL: ("complete", 1),
        OTHER: ("complete", 1),
    }


def test_several_files_in_any_order(made: Delivered, tmp_path: Path) -> None:
    """A segment that goes on in another file is found, whatever order the files are named in."""
    lines = whole_lines(made)
    (tmp_path / "new").write_bytes(b"".join(line + b"\n" for line in lines[6:]))
    (tmp_path / "old").write_bytes(b"".join(line + b"\n" for line in lines[:6]))
    paths = [str(tmp_path / "new"), str(tmp_path / "old")]
    result = verify_copies(paths, CopiesOptions(seals=seals_of(made)))
    assert (result.verdict, result.journals[0].proven) == ("complete", 3)


def test_some_records_with_an_envelope(made: Delivered, copy: Path) -> None:
    """What raw copies prove is no hole between records with an envelope."""
    raw = whole_lines(made)[4:8]
    with_envelope = [line for line in made.lines if b'"kind"' not in line]
    found = verified(copy, [*with_envelope[:4], *raw, *with_envelope[8:]], made)
    assert (found.verdict, found.holes) == ("complete", ())


@settings(max_examples=100)
@given(st.integers(1, 600), st.data())
def test_segments_are_found_wherever_they_were_cut(first: int, data: st.DataObject) -> None:
    """A cut inside of a record makes a segment begin inside of a line: it is found behind the one before."""
    made = delivered(6, 100)
    cut = min(first, len(made.raw) - 2)
    second = data.draw(st.integers(cut + 1, len(made.raw) - 1))
    pieces = Delivered()
    for piece in (made.raw[:cut], made.raw[cut:second], made.raw[second:]):
        pieces.offset += len(piece)
        pieces.content = piece
        pieces.seal()
    match = RawMatch([_with_first_time(seal) for seal in seals_of(pieces)])
    for line in whole_lines(made):
        match.take(line, raw_time(line))
    assert [segment.proven for segment in match.segments()] == [True, True, True]


def _with_first_time(seal: SealFacts) -> SealFacts:
    return replace(seal, first_time=seal.first_time or ("2024-05-06T07:00:00.5Z" if seal.base == 0 else None))


def test_times_sort_as_text() -> None:
    """Go leaves out the zeros at the end of a fraction."""
    times = ["2024-05-06T07:00:00Z", "2024-05-06T07:00:00.05Z", "2024-05-06T07:00:00.5Z", "2024-05-06T07:00:00.51Z"]
    assert sorted(times, key=time_key) == times
    assert (time_key(None), time_key("2024-05-06T07:00:00+02:00")) == ("", "")


def test_what_is_a_record() -> None:
    """A line with a time and a type; our own messages have no type."""
    assert raw_time(vault_record(0)) == "2024-05-06T07:00:00.5Z"
    assert raw_time(b"prefix: " + vault_record(0)) == "2024-05-06T07:00:00.5Z"
    assert [raw_time(line) for line in (b"", b"{", b'{"time":"x","severity":"INFO"}', b"[1]")] == [None] * 4
