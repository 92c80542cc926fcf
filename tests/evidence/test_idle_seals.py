"""What verify concludes from idle seals, and what it says of ones that are not as they should be."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from standpipe.evidence.chain_check import CLOCK_TOLERANCE
from standpipe.evidence.verify import verify_journal
from standpipe.journal.layout import Layout
from tests.evidence.craft import Crafted
from tests.journal.kept import Kept, idle_name, seal_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.evidence.journal_check import Findings

SEGMENT_BYTES = 5 * 120


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """Return a journal: silence, a segment, silence twice, a segment, silence, a beginning."""
    made = Kept(tmp_path)
    made.wait()
    made.write()
    made.wait(2)
    made.write()
    made.wait()
    yield made
    made.close()


def verify(kept: Kept) -> Findings:
    """Return what verify finds."""
    return verify_journal(kept.layout)


def damage(kept: Kept) -> list[tuple[str, int, int]]:
    """Return what is damaged, and where."""
    return [(found.what, found.start, found.end) for found in verify(kept).damaged]


def edit(kept: Kept, name: str, **changes: object) -> None:
    """Change members of a seal, in the form in which seals are written."""
    seal = {**kept.seal(name), **changes}
    kept.replace(name, json.dumps(seal, separators=(",", ":")).encode() + b"\n")


def test_silence_is_no_fault(kept: Kept) -> None:
    """Idle seals are counted with the others, at the end and before a beginning."""
    for records in (10, 15):
        findings = verify(kept)
        assert ("complete", 6, records) == (findings.verdict, findings.seals, findings.records)
        assert ((), ()) == (findings.damaged, findings.notices)
        kept.begin()


def test_after_retention(kept: Kept) -> None:
    """Whatever retention left is complete."""
    for size in (150, 0):
        kept.keep(size_bytes=size)
        assert ("complete", ()) == (verify(kept).verdict, verify(kept).damaged)
    kept.wait()
    kept.keep(age_seconds=-1.0)
    findings = verify(kept)
    assert ("complete", 1, 2 * SEGMENT_BYTES) == (findings.verdict, findings.seals, findings.base)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (idle_name(0, 1), [("chain-broken", 0, SEGMENT_BYTES)]),
        (idle_name(SEGMENT_BYTES, 1), [("chain-broken", SEGMENT_BYTES, SEGMENT_BYTES)]),
        (idle_name(SEGMENT_BYTES, 2), [("chain-broken", SEGMENT_BYTES, 2 * SEGMENT_BYTES)]),
    ],
)
def test_one_that_was_taken_away(kept: Kept, name: str, expected: list[tuple[str, int, int]]) -> None:
    """The next seal does not link to what is before it then."""
    os.unlink(f"{kept.layout.segments}/{name}")
    assert expected == damage(kept)


def test_one_that_says_something_else(kept: Kept) -> None:
    """Another journal, another place, a digest of something: each by its word."""
    last = idle_name(2 * SEGMENT_BYTES, 1)
    place = (2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES)
    before = kept.seal(last)
    changes: list[tuple[dict[str, object], str]] = [
        ({"journal": "other"}, "seal-misplaced"),
        ({"idle": 7}, "seal-misplaced"),
        ({"records": 1}, "seal-altered"),
        ({"sha256": "0" * 64}, "seal-altered"),
        ({"end": 2 * SEGMENT_BYTES + 1}, "seal-unreadable"),
        ({"idle": 0}, "seal-unreadable"),
        ({"idle": "1"}, "seal-unreadable"),
        ({"signing_key": 1}, "seal-unreadable"),
        ({"signing_key": {"public": 1}}, "seal-unreadable"),
        ({"signing_key": {"public": "", "endorsement": 1}}, "seal-unreadable"),
    ]
    for change, word in changes:
        edit(kept, last, **{**before, **change})
        assert [(word, *place)] == damage(kept), change


def test_an_idle_seal_in_a_segments_place(kept: Kept) -> None:
    """It cannot stand for the segment's own."""
    kept.replace(
        seal_name(SEGMENT_BYTES), json.dumps(kept.seal(idle_name(0, 1)), separators=(",", ":")).encode() + b"\n"
    )
    assert ("seal-misplaced", SEGMENT_BYTES, 2 * SEGMENT_BYTES) in damage(kept)
    edit(kept, seal_name(SEGMENT_BYTES), base=SEGMENT_BYTES, end=SEGMENT_BYTES)
    assert ("seal-misplaced", SEGMENT_BYTES, 2 * SEGMENT_BYTES) in damage(kept)


def test_nothing_had_come_where_something_is(kept: Kept) -> None:
    """An idle seal inside of a sealed segment contradicts it."""
    inside = SEGMENT_BYTES + 120
    seal = {**kept.seal(idle_name(0, 1)), "base": inside, "end": inside}
    with open(f"{kept.layout.segments}/{idle_name(inside, 1)}", "wb") as file:
        file.write(json.dumps(seal, separators=(",", ":")).encode() + b"\n")
    assert ("seal-misplaced", inside, inside) in damage(kept)


def test_a_tail_that_was_cut_off(kept: Kept) -> None:
    """Where the newest idle seal says that the end was, a segment begins."""
    os.unlink(kept.layout.segment(kept.end))
    assert [("tail-missing", kept.end, kept.end)] == damage(kept)


def test_a_segment_before_silence_is_missed(kept: Kept) -> None:
    """An idle seal names addresses that must have been there, also where the segment's own seal has gone with it."""
    base = SEGMENT_BYTES
    for suffix in (".log", ".log.zst"):
        if os.path.exists(kept.layout.segment(base, suffix)):
            os.unlink(kept.layout.segment(base, suffix))
    os.unlink(kept.layout.seal(base))
    findings = verify(kept)
    assert ((base, 2 * base),) == findings.holes
    assert ("chain-broken", 2 * base, 2 * base) in damage(kept)


def test_a_segment_without_its_seal_before_silence(kept: Kept) -> None:
    """Silence is sealed only after everything before it was."""
    os.unlink(kept.layout.seal(SEGMENT_BYTES))
    assert ("seal-missing", SEGMENT_BYTES, 2 * SEGMENT_BYTES) in damage(kept)


def test_one_that_cannot_be_read(kept: Kept) -> None:
    """The verdict is unknown, and the links beside it prove nothing."""
    name = idle_name(SEGMENT_BYTES, 1)
    os.unlink(f"{kept.layout.segments}/{name}")
    os.mkdir(f"{kept.layout.segments}/{name}")
    findings = verify(kept)
    assert ("unknown", (f"{name}: Is a directory",)) == (findings.verdict, findings.unreadable)


# Times.


def sealed_at(journal: Crafted, base: int, time: str) -> None:
    """Seal a segment at a time of its own."""
    journal.seal(base)
    path = journal.file(base, ".seal.json")
    seal = {**json.loads(path.read_bytes()), "sealed_at": time}
    path.write_bytes(json.dumps(seal, separators=(",", ":")).encode() + b"\n")
    journal.relink(base)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (("2024-05-06T08:00:00.000Z", "2024-05-06T08:00:00.000Z"), []),
        (("2024-05-06T07:00:00.000Z", "2024-05-06T07:00:00.000Z"), []),
        (("2024-05-06T06:58:00.000Z", "2024-05-06T08:00:00.000Z"), [("sealed-before-record", 0, 600)]),
        (("2024-05-06T08:01:00.000Z", "2024-05-06T08:00:00.000Z"), []),
        (("2024-05-06T08:01:01.000Z", "2024-05-06T08:00:00.000Z"), [("sealed-before-previous", 600, 1200)]),
        (("2024-05-06T08:00:00.000+02:00", "2024-05-06T08:00:00.000Z"), [("sealed-before-record", 0, 600)]),
    ],
)
def test_times_that_cannot_be(tmp_path: Path, times: tuple[str, str], expected: list[tuple[str, int, int]]) -> None:
    """A seal before its record or before its predecessor is a notice; a minute is a clock's own matter."""
    journal = Crafted(tmp_path / "journal")
    for time in times:
        sealed_at(journal, journal.add(), time)
    journal.add(mode=0o600)
    findings = verify_journal(Layout(str(journal.root)))
    assert 60 == CLOCK_TOLERANCE.total_seconds()
    assert expected == [(found.what, found.start, found.end) for found in findings.notices]
    assert ("complete", ()) == (findings.verdict, findings.damaged)
