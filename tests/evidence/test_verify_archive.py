"""Faults planted in archives that the real objects sink wrote of real journals, each named with its range."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standpipe.archive.reading import Archive, open_archive
from standpipe.errors import ArchiveError
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN
from standpipe.evidence.verify_archive import ArchiveChecks, ArchiveVerdict, verify_archive
from standpipe.journal import identity
from standpipe.journal.layout import Layout
from standpipe.sinks.base import Retry
from standpipe.sinks.objects_contract import StoreError
from standpipe.sinks.objects_directory import DirectoryStore
from tests.archive.archived import (
    RECORDS_EACH,
    SEGMENT_BYTES,
    archive_all,
    directory_config,
    keep,
    make_archive,
    make_quiet,
    make_sealed,
    objects_of,
)
from tests.evidence.craft import compress
from tests.journal.keep_fixture import add_segment, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standpipe.evidence.fleet import Member

SECOND = (SEGMENT_BYTES, 2 * SEGMENT_BYTES)  # the addresses of the second segment of three
THIRD = (2 * SEGMENT_BYTES, 3 * SEGMENT_BYTES)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an archive of one node with three segments."""
    make_archive(tmp_path / "archive", tmp_path, "n-1")
    return tmp_path / "archive"


def verify(root: Path) -> ArchiveVerdict:
    """Verify an archive in a directory."""
    return verify_archive(open_archive(str(root)))


def only(root: Path) -> Member:
    """Return the one journal of an archive."""
    (member,) = verify(root).members
    return member


def damage(member: Member) -> list[tuple[str, int, int]]:
    """Return words and ranges."""
    return [(found.what, found.start, found.end) for found in member.findings.damaged]


def edit_seal(root: Path, base: int, **changes: object) -> None:
    """Change a seal, and write it as the sealer would."""
    path = objects_of(root, base)["seal"]
    entry = json.loads(path.read_bytes()) | changes
    path.write_bytes(json.dumps(entry, separators=(",", ":")).encode() + b"\n")


def test_a_clean_archive_is_complete(root: Path) -> None:
    """Everything is counted, and the node is known by its name."""
    member = only(root)
    found = member.findings
    assert (found.verdict, found.base, found.end) == (COMPLETE, 0, 3 * SEGMENT_BYTES)
    assert (found.records, found.segments, found.seals) == (3 * RECORDS_EACH, 3, 3)
    assert (found.checked_bytes, found.unsealed_bytes) == (3 * SEGMENT_BYTES, 0)
    assert (member.cluster, member.node, member.location) == ("blue", "n-1", f"file://{root}/blue/n-1")


def test_a_head_that_a_rule_of_the_bucket_deleted_is_no_fault(root: Path) -> None:
    """Data and seals went together, oldest first: as in a journal, ranges say where it begins."""
    for path in objects_of(root, 0).values():
        path.unlink()
    found = only(root).findings
    assert (found.verdict, found.base, found.end) == (COMPLETE, SEGMENT_BYTES, 3 * SEGMENT_BYTES)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_data_that_was_removed_is_missing_where_its_seal_is(root: Path, index: int) -> None:
    """Also at the head and at the end: the seal was created after it."""
    start = index * SEGMENT_BYTES
    objects_of(root, start)["data"].unlink()
    member = only(root)
    assert damage(member) == [("data-missing", start, start + SEGMENT_BYTES)]
    assert (member.findings.verdict, member.findings.holes) == (INCOMPLETE, ())
    assert (member.findings.base, member.findings.end) == (0, 3 * SEGMENT_BYTES)


def test_a_whole_segment_that_was_removed_is_a_hole(root: Path) -> None:
    """And the seal after it links to nothing that is there."""
    for path in objects_of(root, SEGMENT_BYTES).values():
        path.unlink()
    member = only(root)
    assert member.findings.holes == (SECOND,)
    assert damage(member) == [("chain-broken", *THIRD)]


def test_a_seal_that_was_removed_is_missing(root: Path) -> None:
    """The data is there, and nothing proves it."""
    objects_of(root, SEGMENT_BYTES)["seal"].unlink()
    assert ("seal-missing", *SECOND) in damage(only(root))


def test_data_without_its_seal_at_the_end_is_not_yet_provable(root: Path) -> None:
    """The sink may be about to create the seal."""
    objects_of(root, 2 * SEGMENT_BYTES)["seal"].unlink()
    found = only(root).findings
    assert (found.verdict, found.unsealed_bytes, found.checked_bytes) == (COMPLETE, SEGMENT_BYTES, 2 * SEGMENT_BYTES)


def test_data_without_seals_is_not_what_a_sink_leaves(root: Path) -> None:
    """It goes on only when a seal is there, so that one segment at most has none: not all of them, and not two."""
    for base in (SEGMENT_BYTES, 2 * SEGMENT_BYTES):
        objects_of(root, base)["seal"].unlink()
    assert damage(only(root)) == [("seal-missing", *SECOND)]
    objects_of(root, 0)["seal"].unlink()
    assert damage(only(root)) == [("seal-missing", 0, SEGMENT_BYTES), ("seal-missing", *SECOND)]


def change_a_record(path: Path) -> None:
    """Put other bytes of the same length in the place of the data."""
    path.write_bytes(compress(b"x" * (SEGMENT_BYTES - 1) + b"\n"))


def flip_a_bit(path: Path) -> None:
    """Change one bit of the packed bytes."""
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)


def cut_it(path: Path) -> None:
    """Leave the beginning."""
    path.write_bytes(path.read_bytes()[:40])


def shorten(path: Path) -> None:
    """Take a record away."""
    path.write_bytes(compress(b"x" * 99 + b"\n"))


def lengthen(path: Path) -> None:
    """Add a record."""
    path.write_bytes(path.read_bytes() + compress(b"more\n"))


@pytest.mark.parametrize(
    ("alter", "what"),
    [
        (change_a_record, "altered"),
        (flip_a_bit, "undecodable"),
        (cut_it, "undecodable"),
        (shorten, "short"),
        (lengthen, "long"),
    ],
)
def test_altered_data_is_told_with_its_range(root: Path, alter: Callable[[Path], None], what: str) -> None:
    """Whatever was done to it, that segment is named, and no other."""
    alter(objects_of(root, SEGMENT_BYTES)["data"])
    assert damage(only(root)) == [(what, *SECOND)]


def test_an_altered_seal_is_told(root: Path) -> None:
    """Its content is wrong, and the next one does not link to it any more."""
    edit_seal(root, SEGMENT_BYTES, records=7)
    assert damage(only(root)) == [("seal-altered", *SECOND), ("chain-broken", *THIRD)]


def test_a_seal_that_is_no_seal_is_told(root: Path) -> None:
    """Its data is then unproven."""
    objects_of(root, SEGMENT_BYTES)["seal"].write_bytes(b"{}")
    assert ("seal-unreadable", SEGMENT_BYTES, 2 * SEGMENT_BYTES) in damage(only(root))


def test_a_segment_under_a_wrong_name_is_told(root: Path) -> None:
    """What a seal says of its addresses must be what its name says."""
    for path in objects_of(root, SEGMENT_BYTES).values():
        path.rename(path.with_name(path.name.replace(f"-{SECOND[1]:020d}", f"-{SECOND[1] - 120:020d}")))
    member = only(root)
    assert "its name says [2400, 4680), it says [2400, 4800)" in member.findings.damaged[0].detail
    assert member.findings.verdict == INCOMPLETE


def test_a_segment_under_two_dates_is_read_twice_and_is_no_fault(root: Path) -> None:
    """Somebody copied it; both must be as they were sealed."""
    copies = root / "blue" / "n-1" / "2026-01-09"
    copies.mkdir()
    for path in objects_of(root, SEGMENT_BYTES).values():
        shutil.copy(path, copies)
    assert only(root).findings.verdict == COMPLETE
    change_a_record(next(copies.glob("*.zst")))
    assert damage(only(root)) == [("altered", *SECOND)]


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """Return an archive of two segments with three idle seals between them, and one before."""
    root = tmp_path / "quiet"
    root.mkdir()
    archive_all(make_quiet(tmp_path / "q", "q"), directory_config(root))
    return root


def idle_seal(root: Path, base: int, number: int) -> Path:
    """Return the file of an idle seal."""
    (path,) = root.rglob(f"{base:020d}-{base:020d}.{number:06d}.seal.json")
    return path


def test_the_seals_of_empty_intervals_are_part_of_the_chain(quiet: Path) -> None:
    """They prove that nothing came; they have no data, and miss none."""
    found = only(quiet).findings
    assert (found.verdict, found.damaged, found.seals, found.segments) == (COMPLETE, (), 6, 2)
    assert (found.base, found.end) == (0, 2 * SEGMENT_BYTES)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_idle_seal_that_was_removed_breaks_the_chain(quiet: Path, number: int) -> None:
    """The next one does not link to what is there."""
    idle_seal(quiet, SEGMENT_BYTES, number).unlink()
    end = SECOND[1] if number == 3 else SEGMENT_BYTES
    assert damage(only(quiet)) == [("chain-broken", SEGMENT_BYTES, end)]


def test_a_head_may_end_among_idle_seals(quiet: Path) -> None:
    """What a rule of the bucket left begins with the second of them."""
    for path in (*objects_of(quiet, 0).values(), idle_seal(quiet, 0, 1), idle_seal(quiet, SEGMENT_BYTES, 1)):
        path.unlink(missing_ok=True)
    found = only(quiet).findings
    assert (found.verdict, found.base, found.end) == (COMPLETE, *SECOND)
    for path in objects_of(quiet, SEGMENT_BYTES).values():
        path.unlink()
    found = only(quiet).findings
    assert (found.verdict, found.base, found.end, found.seals) == (COMPLETE, SEGMENT_BYTES, SEGMENT_BYTES, 2)


def test_a_segment_before_idle_seals_that_was_removed_is_missing(quiet: Path) -> None:
    """They say where the journal's end was; whether its data goes missing, its seal says."""
    objects_of(quiet, 0)["data"].unlink()
    assert damage(only(quiet)) == [("data-missing", 0, SEGMENT_BYTES)]


def test_an_idle_seal_is_a_sign_of_life(quiet: Path) -> None:
    """A node to which nothing comes is not silent."""
    path = idle_seal(quiet, SEGMENT_BYTES, 3)
    entry = json.loads(path.read_bytes()) | {"sealed_at": "2099-01-01T00:00:00.000Z"}
    path.write_bytes(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
    assert only(quiet).findings.last_seen == "2099-01-01T00:00:00.000Z"


def write_segments(layout: Layout, base: int, count: int) -> None:
    """Write segments that are sealed, and the open one after them."""
    for number in range(count):
        add_segment(layout, base + number * SEGMENT_BYTES, b"".join(record(number * 50 + n) for n in range(20)))
    add_segment(layout, base + count * SEGMENT_BYTES, record(1000), finished=False)
    keep(layout)


@pytest.mark.parametrize("recorded", [True, False])
def test_what_was_dropped_before_it_was_archived_is_a_recorded_gap(tmp_path: Path, *, recorded: bool) -> None:
    """The journal was full: the segment and its seal went, and a later seal says so. Unless it does, it is damage."""
    root, layout = tmp_path / "archive", make_sealed(tmp_path / "j", "n-1", 2)
    root.mkdir()
    archive_all(layout, directory_config(root))
    write_segments(layout, 2 * SEGMENT_BYTES, 2)
    for path in (tmp_path / "j" / "segments").iterdir():
        if int(path.name[:20]) < 3 * SEGMENT_BYTES:
            path.unlink()
    entry = {
        "time": "2099-01-01T00:00:00.000Z",
        "kind": "dropped",
        "offset": 2 * SEGMENT_BYTES,
        "length": SEGMENT_BYTES,
    }
    if recorded:
        Path(layout.incidents).write_text(json.dumps(entry | {"detail": {}}) + "\n")
    write_segments(layout, 4 * SEGMENT_BYTES, 1)
    archive_all(layout, directory_config(root))
    findings = only(root).findings
    assert findings.verdict == INCOMPLETE
    accepted = verify_archive(open_archive(str(root)), ArchiveChecks(accept_recorded=True)).members[0].findings
    if recorded:
        assert (findings.damaged, findings.holes, [gap.kind for gap in findings.recorded_gaps]) == ((), (), ["dropped"])
        assert accepted.verdict == COMPLETE
    else:
        assert (accepted.verdict, accepted.holes) == (INCOMPLETE, ((2 * SEGMENT_BYTES, 3 * SEGMENT_BYTES),))
        assert damage(only(root)) == [("chain-broken", 3 * SEGMENT_BYTES, 4 * SEGMENT_BYTES)]


def half(number: int) -> bytes:
    """Return the half of a pair: requests and responses in turn, one a second, one size."""
    kind = "response" if number % 2 else "request"
    request = {"id": f"id-{number // 2:04d}", "operation": "read", "path": f"kv/{number // 2:04d}"}
    time = f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}Z"
    return json.dumps({"time": time, "type": kind, "request": request}).encode().ljust(139) + b"\n"


def archived_halves(tmp_path: Path, *numbers: int) -> Path:
    """Archive halves, in segments of 15 records, so that pairs straddle them."""
    layout = Layout(str(tmp_path / "paired"))
    identity.open_or_create(layout, "n-1", 1_700_000_000.0)
    end = 0
    for first in range(0, len(numbers), 15):
        end = add_segment(layout, end, b"".join(map(half, numbers[first : first + 15])))
    add_segment(layout, end, b"", finished=False)
    keep(layout)
    root = tmp_path / "archive"
    root.mkdir()
    archive_all(layout, directory_config(root))
    return root


def test_requests_find_their_responses_in_the_next_segment(tmp_path: Path) -> None:
    """One journal is one sequence, however it was cut."""
    seen = only(archived_halves(tmp_path, *range(60))).findings.seen
    assert seen is not None
    assert seen.pairing is not None
    assert (seen.records, seen.pairing.paired, seen.pairing.unexplained) == (60, 30, 0)


def test_a_request_without_its_response_is_told_with_its_place(tmp_path: Path) -> None:
    """With the node's name; it counts only where that is asked for."""
    root = archived_halves(tmp_path, *(number for number in range(60) if number != 21))
    member = only(root)
    assert member.findings.verdict == COMPLETE
    assert member.findings.seen is not None
    assert member.findings.seen.pairing is not None
    (alone,) = member.findings.seen.pairing.examples
    assert (alone.node, alone.offset, alone.request_id) == ("blue/n-1", 20 * 140, "id-0010")
    asked = ArchiveChecks(require_pairs=True)
    assert verify_archive(open_archive(str(root)), asked).members[0].findings.verdict == INCOMPLETE


def test_pairs_that_a_missing_segment_cut_are_explained(tmp_path: Path) -> None:
    """What is missing is told once, as what it is."""
    root = archived_halves(tmp_path, *range(60))
    objects_of(root, 15 * 140)["data"].unlink()
    found = only(root).findings
    assert damage(only(root)) == [("data-missing", 15 * 140, 30 * 140)]
    assert found.seen is not None
    assert found.seen.pairing is not None
    assert (found.seen.pairing.unexplained, found.seen.pairing.explained) == (0, {"beside-a-gap": 1})


@pytest.mark.parametrize(
    ("checks", "expected", "records"),
    [
        ({"integrity"}, ["altered", "data-missing"], None),
        ({"tiling"}, ["data-missing"], 45),
        ({"pairing"}, [], 45),
    ],
)
def test_only_the_checks_that_are_asked_for(
    tmp_path: Path, checks: set[str], expected: list[str], records: int | None
) -> None:
    """A digest is made for integrity alone, records are looked at for the others."""
    root = archived_halves(tmp_path, *range(60))
    objects_of(root, 15 * 140)["data"].unlink()
    data = objects_of(root, 0)["data"]
    data.write_bytes(compress(b"".join(map(half, range(15))).replace(b"kv/0001", b"kv/0009")))
    asked = ArchiveChecks(checks=frozenset(checks))
    (member,) = verify_archive(open_archive(str(root)), asked).members
    assert [found.what for found in member.findings.damaged] == expected
    assert (None if member.findings.seen is None else member.findings.seen.records) == records


def test_each_node_is_judged_alone(tmp_path: Path) -> None:
    """What is missing from one is no hole in the other."""
    root = tmp_path / "archive"
    make_archive(root, tmp_path, "n-1", "n-2")
    for path in objects_of(root, SEGMENT_BYTES, "n-2").values():
        path.unlink()
    first, second = verify(root).members
    assert (first.node, first.findings.verdict) == ("n-1", COMPLETE)
    assert (second.node, second.findings.holes) == ("n-2", (SECOND,))


def test_a_segment_of_another_node_is_told(tmp_path: Path) -> None:
    """Its seal says of which journal it is, and that journal is another node's."""
    root = tmp_path / "archive"
    make_archive(root, tmp_path, "n-1", "n-2")
    for path in objects_of(root, SEGMENT_BYTES, "n-2").values():
        shutil.copy(path, root / "blue" / "n-1" / path.parent.name / f"{path.name}")
    verdicts = [(member.node, member.findings.verdict, damage(member)) for member in verify(root).members]
    # The names are those of n-1's own objects, which are gone now.
    assert ("n-1", INCOMPLETE, [("foreign-segment", *SECOND)]) in verdicts
    assert ("n-2", COMPLETE, []) in verdicts
    holes = [member.findings.holes for member in verify(root).members if member.findings.holes]
    assert holes == [(SECOND,)]


def test_a_new_journal_of_a_node_follows_the_old_one(tmp_path: Path) -> None:
    """Where the volume was lost, a journal begins at 0 again; both are whole, and none is silent about it."""
    root, config = tmp_path / "archive", directory_config(tmp_path / "archive", node="n-1")
    root.mkdir()
    old, new = (make_sealed(tmp_path / name, "n-1", segments) for name, segments in (("old", 2), ("new", 3)))
    archive_all(old, config)
    for segment in objects_of(root, 0).values():  # they would meet at 0 and at 2400: give the old one another date
        earlier = segment.parent.with_name("2025-12-31")
        segment.parent.rename(earlier)
        break
    archive_all(new, config)
    members = verify(root).members
    assert [member.journal_id for member in members] == [identity.read(layout).journal_id for layout in (old, new)]
    assert [member.findings.verdict for member in members] == [COMPLETE, COMPLETE]
    assert [member.follows for member in members] == [None, None]


def link(root: Path, date: str, previous: str) -> None:
    """Let the first seal of the journal under a date link to another one, and the rest of its chain to it."""
    for path in sorted((root / "blue" / "n-1" / date).glob("*.seal.json")):
        entry = json.loads(path.read_bytes()) | {"previous": previous}
        path.write_bytes(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        previous = hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("whole", [True, False])
def test_a_journal_that_names_its_predecessor_proves_its_end(tmp_path: Path, *, whole: bool) -> None:
    """Its first seal links to the old journal's last; where that is gone, the chain is broken there."""
    root, config = tmp_path / "archive", directory_config(tmp_path / "archive", node="n-1")
    root.mkdir()
    old, new = (make_sealed(tmp_path / name, "n-1", 2) for name in ("old", "new"))
    archive_all(old, config)
    (root / "blue" / "n-1" / "2026-01-01").rename(root / "blue" / "n-1" / "2025-12-31")
    archive_all(new, config)
    last = objects_of(root / "blue" / "n-1" / "2025-12-31", SEGMENT_BYTES)
    link(root, "2026-01-01", hashlib.sha256(last["seal"].read_bytes()).hexdigest())
    if not whole:
        for path in last.values():
            path.unlink()
    first, second = verify(root).members
    assert first.findings.verdict == COMPLETE
    if whole:
        assert (second.follows, damage(second)) == (first.journal_id, [])
    else:
        assert (second.follows, damage(second)) == (None, [("chain-broken", 0, SEGMENT_BYTES)])


def test_what_is_no_part_of_the_archive_is_named(root: Path) -> None:
    """With its whole place; it is no damage."""
    (root / "blue" / "n-1" / "notes.txt").write_text("hello")
    (root / "blue" / "n-1" / "standpipe-check").write_text("hello")
    (root / "blue" / "n-1" / "2026-01-01" / "x.log.zst.j.tmp").write_text("half")
    verdict = verify(root)
    assert verdict.foreign == (f"file://{root}/blue/n-1/notes.txt",)
    assert verdict.unfinished == (f"file://{root}/blue/n-1/2026-01-01/x.log.zst.j.tmp",)
    assert verdict.members[0].findings.verdict == COMPLETE


def test_an_object_that_cannot_be_read_leaves_the_verdict_open(root: Path) -> None:
    """It is no proof of damage; the reason is told."""
    name = objects_of(root, SEGMENT_BYTES)["data"].name

    class Refusing(DirectoryStore):
        """Refuses one object, as a store does where rights were given in part."""

        def blocks(self, key: str) -> Iterator[bytes]:
            """Refuse it."""
            if key.endswith(name):
                raise StoreError(Retry("HTTP 403 AccessDenied", config_fault=True))
            yield from super().blocks(key)

    (member,) = verify_archive(Archive(Refusing(str(root), ""), ())).members
    assert (member.findings.verdict, damage(member)) == (UNKNOWN, [])
    assert "HTTP 403 AccessDenied" in member.findings.unreadable[0]


def test_a_segment_that_comes_while_the_archive_is_read_is_no_fault(root: Path) -> None:
    """Its seal may be listed and its data not: the next listing has both."""
    data = objects_of(root, 2 * SEGMENT_BYTES)["data"]
    content = data.read_bytes()
    data.unlink()

    class Growing(DirectoryStore):
        """Has one object more after each listing."""

        def names(self) -> Iterator[tuple[str, int]]:
            """List, then let the object come."""
            yield from list(super().names())
            data.write_bytes(content)

    (member,) = verify_archive(Archive(Growing(str(root), ""), ())).members
    assert member.findings.verdict == COMPLETE


def test_a_head_that_goes_while_the_archive_is_read_is_no_fault(root: Path) -> None:
    """A rule of the bucket deletes the oldest segment after it was listed: the next listing has it no more."""
    oldest = objects_of(root, 0).values()

    class Shrinking(DirectoryStore):
        """Loses objects after each listing."""

        def names(self) -> Iterator[tuple[str, int]]:
            """List, then let them go."""
            yield from list(super().names())
            for path in oldest:
                path.unlink(missing_ok=True)

    (member,) = verify_archive(Archive(Shrinking(str(root), ""), ())).members
    assert (member.findings.verdict, member.findings.base) == (COMPLETE, SEGMENT_BYTES)


def test_content_is_read_once_however_often_the_archive_is_listed(root: Path) -> None:
    """What looks wrong is listed again; what was read stays read."""
    change_a_record(objects_of(root, SEGMENT_BYTES)["data"])
    read: list[str] = []

    class Counting(DirectoryStore):
        """Notes what is read."""

        def blocks(self, key: str) -> Iterator[bytes]:
            """Note it."""
            read.append(key)
            yield from super().blocks(key)

    verify_archive(Archive(Counting(str(root), ""), ()))
    assert sorted(key for key in read if key.endswith(".zst")) == sorted(
        str(objects_of(root, base)["data"].relative_to(root)) for base in (0, *SECOND)
    )


def test_a_bomb_is_not_unpacked_to_its_end(root: Path) -> None:
    """Bytes beyond those that the name speaks of end the reading."""
    objects_of(root, SEGMENT_BYTES)["data"].write_bytes(compress(b"\0" * (64 << 20), 16 << 20))
    details = {found.what: found.detail for found in only(root).findings.damaged}
    assert details["long"] == "2,400 bytes were sealed, 1,048,576 are there"


def test_a_place_without_segments_is_an_error(tmp_path: Path) -> None:
    """An empty directory proves nothing."""
    with pytest.raises(ArchiveError, match="holds no segment of a journal"):
        verify(tmp_path)


def test_progress_goes_from_nothing_to_all(root: Path) -> None:
    """In bytes of the store."""
    told: list[tuple[int, int]] = []
    verify_archive(open_archive(str(root)), progress=lambda done, total: told.append((done, total)))
    sizes = sum(path.stat().st_size for path in root.rglob("*.zst"))
    assert told[-1] == (sizes, sizes)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
