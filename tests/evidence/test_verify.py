from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import JournalError
from standpipe.evidence.verdict_text import as_lines
from standpipe.evidence.verify import verify_journal
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import Layout
from tests.evidence.craft import Crafted, compress, healthy, judge, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from standpipe.evidence.journal_check import Findings

SEGMENT = 600  # bytes; five records of 120


def examine(journal: Crafted, *, accept_recorded: bool = False) -> Findings:
    """Verify a journal."""
    return verify_journal(Layout(str(journal.root)), accept_recorded=accept_recorded)


def damage(findings: Findings) -> list[tuple[str, int, int]]:
    """Return what is damaged, and where."""
    return [(found.what, found.start, found.end) for found in findings.damaged]


@pytest.fixture
def journal(tmp_path: Path) -> Crafted:
    """Four sealed segments at 0, 600, 1200 and 1800, the second and fourth compressed, and an open tail at 2400."""
    return healthy(tmp_path / "journal")


def test_an_intact_journal_is_complete(journal: Crafted) -> None:
    """Every byte, record and seal is counted, and the half record in the tail is no fault."""
    findings = examine(journal)
    assert findings.verdict == "complete"
    assert (findings.base, findings.end, findings.records) == (0, 2646, 22)
    assert (findings.seals, findings.signed, findings.broken, findings.segments) == (4, 0, 0, 5)
    assert (findings.checked_bytes, findings.unsealed_bytes) == (2400, 246)
    assert (findings.first_time, findings.last_time) == ("2024-05-06T07:00:00Z", "2024-05-06T07:00:19Z")
    assert judge(journal.root)


def test_a_new_journal_is_complete(tmp_path: Path) -> None:
    """Nothing captured yet: nothing is missing."""
    assert examine(Crafted(tmp_path / "journal")).verdict == "complete"


def test_finished_segments_that_wait_for_their_seal_are_no_fault(journal: Crafted) -> None:
    """Segments after the newest seal count as unsealed tail: keep may be behind."""
    tail = journal.bases[-1]
    journal.file(tail, ".log").chmod(0o400)
    journal.add(journal.data(), mode=0o400)
    journal.add(b"", mode=0o600)
    findings = examine(journal)
    assert findings.verdict == "complete"
    assert findings.unsealed_bytes == 846


def test_both_forms_of_a_segment_may_be_there(journal: Crafted) -> None:
    """Compression is under way: the compressed file is in place and the raw one not yet gone; both are read."""
    raw = journal.file(0, ".log").read_bytes()
    journal.file(0, ".log.zst").write_bytes(compress(raw))
    assert examine(journal).verdict == "complete"
    journal.write(journal.file(0, ".log.zst"), compress(raw.replace(b"x", b"y")))
    assert damage(examine(journal)) == [("altered", 0, SEGMENT)]


def test_strangers_and_unfinished_writes_are_passed_over(journal: Crafted) -> None:
    """Files that are not the journal's, `next` and *.tmp are ignored."""
    for name in ("next", "readme", "00000000000000000600.seal.json.tmp", "00000000000000000600.log.zst.tmp"):
        (journal.root / "segments" / name).write_bytes(b"whatever")
    assert examine(journal).verdict == "complete"


@pytest.mark.parametrize("removed", [1, 2, 3, 4])
def test_retention_of_the_head_is_no_fault(journal: Crafted, removed: int) -> None:
    """Data and seals of the oldest segments are gone; the newest seal stays, as retention leaves it."""
    for base in journal.bases[:removed]:
        for path in (journal.root / "segments").glob(f"{base:020d}.*"):
            if removed < 4 or path.suffix != ".json" or base != journal.bases[3]:
                path.unlink()
    findings = examine(journal)
    assert findings.verdict == "complete"
    assert findings.base == removed * SEGMENT


def test_retention_that_was_cut_off_is_no_fault(journal: Crafted) -> None:
    """The data of the oldest segment is gone and its seal is not yet."""
    journal.remove(0, ".log")
    findings = examine(journal)
    assert findings.verdict == "complete"
    assert (findings.base, findings.seals) == (SEGMENT, 4)


def flip_log(journal: Crafted) -> None:
    """Change a byte of raw data."""
    journal.flip(journal.file(1200, ".log"), 300)


def flip_compressed(journal: Crafted) -> None:
    """Change a byte of compressed data."""
    journal.flip(journal.file(600, ".log.zst"), 30)


def remove_byte(journal: Crafted) -> None:
    """Take one byte out of the middle."""
    path = journal.file(1200, ".log")
    data = path.read_bytes()
    journal.write(path, data[:100] + data[101:])


def add_byte(journal: Crafted) -> None:
    """Lengthen a sealed segment."""
    path = journal.file(1200, ".log")
    journal.write(path, path.read_bytes() + b"x")


def delete_data(journal: Crafted) -> None:
    """Delete a segment's data in the middle."""
    journal.remove(600, ".log.zst")


def delete_segment(journal: Crafted) -> None:
    """Delete data and seal of a segment in the middle."""
    journal.remove(600, ".log.zst", ".seal.json")


def delete_seal(journal: Crafted) -> None:
    """Delete a seal in the middle."""
    journal.remove(600, ".seal.json")


def delete_tail(journal: Crafted) -> None:
    """Delete the open segment."""
    journal.remove(2400, ".log")


def delete_newest(journal: Crafted) -> None:
    """Delete the newest sealed segment with its seal."""
    journal.remove(1800, ".log.zst", ".seal.json")


def swap_data(journal: Crafted) -> None:
    """Exchange two segments' data."""
    one, two = journal.file(0, ".log"), journal.file(1200, ".log")
    first, second = one.read_bytes(), two.read_bytes()
    journal.write(one, second)
    journal.write(two, first)


def swap_seals(journal: Crafted) -> None:
    """Exchange two segments' seals."""
    one, two = journal.file(600, ".seal.json"), journal.file(1200, ".seal.json")
    first, second = one.read_bytes(), two.read_bytes()
    journal.write(one, second)
    journal.write(two, first)


def alter_seal_and_data(journal: Crafted) -> None:
    """Replace bytes and forge a seal for them, but not for what follows."""
    raw = journal.file(0, ".log").read_bytes().replace(b"xx", b"yy")
    journal.write(journal.file(0, ".log"), raw)
    journal.previous = None
    journal.seal(0)


def foreign_seal(journal: Crafted) -> None:
    """Change a seal's journal id."""
    path = journal.file(1800, ".seal.json")
    journal.write(path, path.read_bytes().replace(b"cafe", b"cafd").replace(b'"records":5', b'"records":6'))


def spaced_seal(journal: Crafted) -> None:
    """Put a space into a seal."""
    path = journal.file(1800, ".seal.json")
    journal.write(path, path.read_bytes().replace(b',"records"', b', "records"'))


def wrong_count(journal: Crafted) -> None:
    """Change the count of records in the newest seal."""
    path = journal.file(1800, ".seal.json")
    journal.write(path, path.read_bytes().replace(b'"records":5', b'"records":6'))


def forge(journal: Crafted, base: int, **changes: object) -> None:
    """Change members of a seal, in the form in which seals are written."""
    path = journal.file(base, ".seal.json")
    seal = json.loads(path.read_bytes())
    seal.update(changes)
    journal.write(path, json.dumps(seal, separators=(",", ":")).encode() + b"\n")


def longer_seal(journal: Crafted) -> None:
    """Let the newest seal claim addresses of the next segment."""
    forge(journal, 1800, end=5000)


def foreign_start(journal: Crafted) -> None:
    """Let the first seal claim a predecessor that journal.json does not know."""
    forge(journal, 0, previous="ab" * 32)


def no_previous(journal: Crafted) -> None:
    """Let the oldest seal claim to be the first of all, though the journal began before it."""
    journal.remove(0, ".log", ".seal.json")
    forge(journal, 600, previous=None)


FAULTS: list[tuple[Callable[[Crafted], None], list[tuple[str, int, int]], list[tuple[int, int]]]] = [
    (flip_log, [("altered", 1200, 1800)], []),
    (flip_compressed, [("undecodable", 600, 1200)], []),
    (remove_byte, [("short", 1200, 1800)], []),
    (add_byte, [("long", 1200, 1800)], []),
    (delete_data, [], [(600, 1200)]),
    (delete_segment, [("chain-broken", 1200, 1800)], [(600, 1200)]),
    (delete_seal, [("seal-missing", 600, 1200), ("chain-broken", 1200, 1800)], []),
    (delete_tail, [("tail-missing", 2400, 2400)], []),
    (delete_newest, [], [(1800, 2400)]),
    (swap_data, [("altered", 0, 600), ("altered", 1200, 1800)], []),
    (
        swap_seals,
        [
            ("chain-broken", 600, 600),
            ("seal-misplaced", 600, 1200),
            ("chain-broken", 1200, 1200),
            ("seal-misplaced", 1200, 1800),
            ("chain-broken", 1800, 2400),
        ],
        [],
    ),
    (alter_seal_and_data, [("chain-broken", 600, 1200)], []),
    (foreign_seal, [("seal-misplaced", 1800, 2400)], []),
    (spaced_seal, [("seal-unreadable", 1800, 2400)], []),
    (wrong_count, [("seal-altered", 1800, 2400)], []),
    (longer_seal, [("short", 1800, 5000), ("overlap", 2400, 5000)], []),
    (foreign_start, [("chain-broken", 0, 600), ("chain-broken", 600, 1200)], []),
    (no_previous, [("chain-broken", 600, 1200), ("chain-broken", 1200, 1800)], []),
]


@pytest.mark.parametrize(("hurt", "damaged", "holes"), FAULTS, ids=[case[0].__name__ for case in FAULTS])
def test_each_fault_is_found_where_it_is(
    journal: Crafted, hurt: Callable[[Crafted], None], damaged: list[tuple[str, int, int]], holes: list[tuple[int, int]]
) -> None:
    """What is said to be damaged or missing is just that, and accepting gaps changes nothing."""
    hurt(journal)
    findings = examine(journal, accept_recorded=True)
    assert findings.verdict == "incomplete"
    assert sorted(damaged) == sorted(damage(findings))
    assert findings.end == (2646 if hurt is not delete_tail else 2400)
    assert tuple(holes) == findings.holes


def with_gap(root: Path) -> Crafted:
    """Return a journal in which 1000 addresses were skipped after the second segment."""
    journal = Crafted(root)
    journal.add()
    journal.add()
    journal.end += 1000
    journal.add(journal.data(1), mode=0o600)
    return journal


def test_a_gap_that_nobody_recorded_is_a_hole(tmp_path: Path) -> None:
    """Addresses between two segments that no incident names are missing, whether the gap is accepted or not."""
    findings = examine(with_gap(tmp_path / "journal"), accept_recorded=True)
    assert findings.verdict == "incomplete"
    assert findings.holes == ((1200, 2200),)


@pytest.mark.parametrize(("kind", "lost"), [("power-loss", "maybe"), ("dropped", "yes"), ("io-error", "maybe")])
def test_a_gap_on_record_counts_until_it_is_accepted(tmp_path: Path, kind: str, lost: str) -> None:
    """It is no hole; it makes the journal incomplete, unless recorded gaps are accepted."""
    journal = with_gap(tmp_path / "journal")
    journal.incident(kind, 1200, 1000)
    findings = examine(journal)
    assert findings.verdict == "incomplete"
    assert findings.holes == ()
    assert [(kind, 1200, 2200, lost)] == [(g.kind, g.start, g.end, g.lost) for g in findings.recorded_gaps]
    assert examine(journal, accept_recorded=True).verdict == "complete"


def test_a_gap_on_record_explains_only_its_own_addresses(tmp_path: Path) -> None:
    """What is missing beyond the recorded range is a hole."""
    journal = with_gap(tmp_path / "journal")
    journal.incident("power-loss", 1200, 900)
    assert examine(journal).holes == ((2100, 2200),)


def test_a_gap_that_a_seal_names_is_on_record(tmp_path: Path) -> None:
    """incidents.jsonl is gone; the seal still says what happened, once."""
    journal = Crafted(tmp_path / "journal")
    base = journal.add()
    journal.seal(base, gaps=({"kind": "power-loss", "offset": 600, "length": 1000, "time": None},))
    journal.end += 1000
    journal.seal(journal.add())
    journal.add(b"", mode=0o600)
    findings = examine(journal)
    assert findings.holes == ()
    assert [("power-loss", 600, 1600)] == [(g.kind, g.start, g.end) for g in findings.recorded_gaps]
    journal.incident("power-loss", 600, 1000)
    assert len(examine(journal).recorded_gaps) == 1


def test_unsealed_bytes_after_a_removed_head_are_missed(tmp_path: Path) -> None:
    """Only sealed segments are removed by retention: what comes after the newest seal must be there."""
    journal = Crafted(tmp_path / "journal")
    journal.seal(journal.add())
    journal.add()
    journal.add(b"", mode=0o600)
    journal.remove(0, ".log")
    assert examine(journal).verdict == "complete"
    journal.remove(600, ".log")
    assert examine(journal).holes == ((600, 1200),)


def test_dropped_segments_at_the_head_are_a_gap_on_record(journal: Crafted) -> None:
    """drop-oldest took undelivered segments: unlike retention's, their absence counts."""
    journal.remove(0, ".log", ".seal.json")
    journal.incident("dropped", 0, SEGMENT)
    findings = examine(journal)
    assert findings.verdict == "incomplete"
    assert findings.intact
    assert examine(journal, accept_recorded=True).verdict == "complete"


@pytest.mark.parametrize(
    "kind",
    [
        "torn",
        "disk-full",
        "repeat",
        "dead-letter",
        "cursor-moved",
        "source-rolled-back",
        "source-hole",
        "source-deleted",
        "reclaim-stopped",
    ],
)
def test_incidents_that_lost_nothing_do_not_count(journal: Crafted, kind: str) -> None:
    """They are no gaps, or gaps of which every byte is there; and they explain no missing address either."""
    journal.incident(kind, 600, SEGMENT)
    assert examine(journal).verdict == "complete"
    delete_data(journal)
    assert examine(journal).holes == ((600, 1200),)


@pytest.mark.parametrize(
    ("lost_bytes", "lost"), [(4096, "yes"), (0, "maybe"), ("unknown", "maybe"), (None, "maybe"), (True, "maybe")]
)
def test_a_truncated_source_lost_bytes(journal: Crafted, lost_bytes: object, lost: str) -> None:
    """Somebody truncated the file that Vault writes: nothing is missing here, and yet records are, or may be.

    Also where a copy had all that was seen: what came between the last look and the cut is in nobody's count.
    """
    journal.incident("truncated", 1300, 0, {"lost_bytes": lost_bytes})
    findings = examine(journal)
    assert findings.verdict == "incomplete"
    assert findings.intact
    assert [("truncated", 1300, lost)] == [(gap.kind, gap.start, gap.lost) for gap in findings.recorded_gaps]
    assert examine(journal, accept_recorded=True).verdict == "complete"


@pytest.mark.parametrize("order", [(0, 4096), (4096, 0)])
def test_of_two_truncations_at_one_address_the_worse_counts(journal: Crafted, order: tuple[int, int]) -> None:
    """Nothing was captured between the two, so they share their address in the journal."""
    for lost_bytes in order:
        journal.incident("truncated", 1300, 0, {"lost_bytes": lost_bytes})
    findings = examine(journal)
    (gap,) = findings.recorded_gaps
    assert gap.lost == "yes"
    assert "recorded gap: truncated at 1,300, bytes were lost: 4,096 bytes of the file" in "\n".join(as_lines(findings))
    assert gap.detail.startswith("4,096 bytes of the file, recorded at")


def test_a_truncation_that_a_seal_names_too_is_one_gap(tmp_path: Path) -> None:
    """Only the incident knows how much was lost, and it counts."""
    journal = Crafted(tmp_path / "journal")
    gap = {"kind": "truncated", "offset": 300, "length": 0, "time": "2024-05-06T07:00:00.000Z"}
    journal.seal(journal.add(), gaps=(gap,))
    journal.add(b"", mode=0o600)
    journal.incident("truncated", 300, 0, {"lost_bytes": 7})
    assert [("truncated", 300, "yes")] == [
        (found.kind, found.start, found.lost) for found in examine(journal).recorded_gaps
    ]


def test_a_source_that_has_gone_may_have_lost_bytes(journal: Crafted) -> None:
    """What the file got after the last look went with it; and it explains no missing address."""
    journal.incident("source-lost", 600, SEGMENT)
    findings = examine(journal)
    assert (findings.verdict, [gap.lost for gap in findings.recorded_gaps]) == ("incomplete", ["maybe"])
    delete_data(journal)
    assert examine(journal).holes == ((600, 1200),)


def test_incidents_without_addresses_are_listed(journal: Crafted) -> None:
    """An incident may name no range; it is told as it is."""
    journal.incident("io-error", None, None)
    assert [(None, None)] == [(gap.start, gap.end) for gap in examine(journal).recorded_gaps]


def failed_fsync(root: Path) -> Crafted:
    """Return a journal whose first segment failed at 360 of 600 bytes; a copy from there was made."""
    journal = Crafted(root)
    raw = journal.data()
    journal.add(raw)
    journal.file(0, ".failed").write_text('{"synced":360,"length":600,"copied":true}\n')
    journal.add(raw[360:], base=360)
    journal.add(journal.data(1), mode=0o600)
    return journal


@pytest.mark.parametrize("sealed", [False, True])
def test_a_failed_fsync_may_have_lost_bytes(tmp_path: Path, sealed: bool) -> None:  # noqa: FBT001 - a parameter
    """The copy counts, the surplus of the failed file does not; the mark alone is a gap on record."""
    journal = failed_fsync(tmp_path / "journal")
    if sealed:
        journal.seal(0, length=360)
        journal.seal(360)
    findings = examine(journal)
    assert findings.verdict == "incomplete"
    assert findings.intact
    assert findings.records == 6
    assert [("io-error", 0, 600)] == [(gap.kind, gap.start, gap.end) for gap in findings.recorded_gaps]
    assert examine(journal, accept_recorded=True).verdict == "complete"


def test_a_failed_fsync_is_told_once(tmp_path: Path) -> None:
    """Where an incident names the range, the mark adds nothing."""
    journal = failed_fsync(tmp_path / "journal")
    journal.incident("io-error", 360, 240)
    assert [("io-error", 360, 600)] == [(gap.kind, gap.start, gap.end) for gap in examine(journal).recorded_gaps]


def test_segments_that_overlap_are_damaged(tmp_path: Path) -> None:
    """Without the mark of a failed fsync two files must not claim the same addresses."""
    journal = failed_fsync(tmp_path / "journal")
    journal.remove(0, ".failed")
    assert damage(examine(journal)) == [("overlap", 360, 600)]


def write_cursor(journal: Crafted, sink: str, offset: int) -> None:
    """Write a cursor with the program's own code: its form is tested with it."""
    cursor = CursorFile(str(journal.root / "cursors" / sink))
    cursor.update(offset=offset, after=offset)
    cursor.close()


def test_delivered_bytes_beyond_the_end_are_missing(journal: Crafted) -> None:
    """A cursor proves that more was there: the end of the journal was cut off."""
    write_cursor(journal, "stdout", 2646)
    assert examine(journal).verdict == "complete"
    write_cursor(journal, "stdout", 3000)
    assert examine(journal).holes == ((2646, 3000),)


def test_repeats_and_dead_letters_are_counted(journal: Crafted) -> None:
    """Delivery listed one repeat; a sink refused two records."""
    journal.incident("repeat", 0, 120)
    (journal.root / "deadletter" / "cloud.jsonl").write_bytes(b'{"a":1}\n{"a":2}\n')
    findings = examine(journal)
    assert (findings.verdict, findings.repeated, findings.dead_letters) == ("complete", 1, 2)


def test_what_cannot_be_read_makes_the_verdict_unknown(journal: Crafted) -> None:
    """A data file that the system refuses to open proves nothing, good or bad."""
    path = journal.file(1200, ".log")
    path.unlink()
    path.symlink_to("/dev/null")  # refused by O_NOFOLLOW, for root too
    findings = examine(journal)
    assert findings.verdict == "unknown"
    assert len(findings.unreadable) == 1


def test_damage_outweighs_what_cannot_be_read(journal: Crafted) -> None:
    """One proven fault is enough."""
    test_what_cannot_be_read_makes_the_verdict_unknown(journal)
    journal.flip(journal.file(0, ".log"), 5)
    assert examine(journal).verdict == "incomplete"


def test_a_seal_that_cannot_be_read_proves_nothing(journal: Crafted) -> None:
    """A seal that the system refuses to read is neither missing nor a broken link."""
    path = journal.file(600, ".seal.json")
    path.unlink()
    path.mkdir()
    findings = examine(journal)
    assert findings.verdict == "unknown"
    assert findings.damaged == ()


def test_a_journal_of_a_later_format_is_not_touched(journal: Crafted) -> None:
    """Its format is told, and no file changes."""
    identity = {"format": 2, "journal": "x", "node": "n", "created": "c", "predecessor": None}
    (journal.root / "journal.json").write_text(json.dumps(identity))
    before = {path: path.stat() for path in journal.root.rglob("*")}
    with pytest.raises(JournalError, match="format 2"):
        examine(journal)
    assert before == {path: path.stat() for path in journal.root.rglob("*")}


def test_a_directory_without_a_journal_is_an_error(tmp_path: Path) -> None:
    """No journal: there is nothing to judge."""
    with pytest.raises(JournalError, match="no journal"):
        verify_journal(Layout(str(tmp_path)))


def test_a_journal_without_segments_directory_is_an_error(tmp_path: Path) -> None:
    """Retention never deletes the directory."""
    journal = Crafted(tmp_path / "journal")
    (journal.root / "segments").rmdir()
    with pytest.raises(JournalError, match="cannot read"):
        examine(journal)


def test_memory_does_not_grow_with_the_journal(tmp_path: Path) -> None:
    """A segment of 256 MiB is verified in a process that may not take 64 MiB more than it starts with."""
    journal = Crafted(tmp_path / "journal")
    block = b"".join(record(number, 1200) for number in range(800))
    with journal.file(0, ".log").open("wb") as file:
        for _ in range((256 << 20) // len(block)):
            file.write(block)
    code = (
        "import resource, sys\n"
        "from standpipe.evidence.verify import verify_journal\n"
        "from standpipe.journal.layout import Layout\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "findings = verify_journal(Layout(sys.argv[1]))\n"
        "print(findings.verdict, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(journal.root)], check=True, capture_output=True, text=True, timeout=300
    )
    verdict, grown = done.stdout.split()
    assert verdict == "complete"
    assert int(grown) < 64 << 10  # KiB


@pytest.mark.parametrize(
    "kind", ["sink-added", "sink-removed", "seal-missing", "dead-letter", "cursor-lost", "cursor-moved"]
)
def test_incidents_of_delivery_are_no_gaps(journal: Crafted, kind: str) -> None:
    """What a sink did not get is in the journal all the same: they explain no missing address, and do not count."""
    journal.incident(kind, 600, 600, {"sink": "web"})
    findings = examine(journal)
    assert ("complete", ()) == (findings.verdict, findings.recorded_gaps)
    for suffix in (".log", ".log.zst"):
        journal.file(600, suffix).unlink(missing_ok=True)
    assert ("incomplete", ((600, 1200),)) == (examine(journal).verdict, examine(journal).holes)


def test_older_incidents_explain_gaps_as_well(journal: Crafted) -> None:
    """When the file reached its limit it got another name; what stands there is not forgotten."""
    journal.remove(600, ".log.zst")
    journal.incident("dropped", 600, 600)
    (journal.root / "incidents.jsonl").rename(journal.root / "incidents.jsonl.1")
    journal.incident("torn", 0, 1)
    findings = examine(journal, accept_recorded=True)
    assert ("complete", (), [("dropped", 600, 1200)]) == (
        findings.verdict,
        findings.holes,
        [(gap.kind, gap.start, gap.end) for gap in findings.recorded_gaps],
    )


def test_files_of_delivery_are_no_fault(journal: Crafted) -> None:
    """Dead letters of two sinks, moved ones beside them, the roster and the config: counted, or left alone."""
    for name, text in {
        "deadletter/web.jsonl": "{}\n{}\n",
        "deadletter/cloud.jsonl": '{}\n{"torn',
        "deadletter/web.jsonl.seen": "{}\n" * 50,
        "sinks.json": "rubbish",
        "config.yaml": "rubbish",
    }.items():
        (journal.root / name).write_text(text)
    findings = examine(journal)
    assert ("complete", 3) == (findings.verdict, findings.dead_letters)


def test_dead_letters_that_are_moved_away_meanwhile(journal: Crafted) -> None:
    """That is what the file is for, and no reason to fail."""
    os.symlink("gone", journal.root / "deadletter" / "web.jsonl")  # listed, and not there when it is opened
    assert ("complete", 0) == (examine(journal).verdict, examine(journal).dead_letters)
