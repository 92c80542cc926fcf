from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import JournalError
from standpipe.journal import identity, incidents, keeping
from standpipe.journal.layout import COMPRESSED_SUFFIX, FAILED_SUFFIX, SEAL_SUFFIX, Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.rescue import write_mark
from standpipe.journal.seal_store import read_seal, read_seal_bytes
from tests.journal.keep_fixture import NOW, add_segment, fill, make_journal, make_keeper, names, record, run_passes
from tests.journal.whole import assert_chain, segment_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.journal.seal import Seal

COMPRESS_STEPS = ["frame", "written", "verified", "published", "unlinked"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a journal of two finished segments and an open one."""
    layout = make_journal(str(tmp_path))
    fill(layout, 2)
    return layout


def seal_first(layout: Layout) -> Seal:
    """Seal the first segment as keep does."""
    reader = JournalReader(layout)
    seal = keeping.make_seal(layout, identity.read(layout), reader.segments[0], [], None, NOW)
    keeping.write_seal(layout, seal)
    reader.close()
    return seal


def whole(layout: Layout) -> bytes:
    """Return all bytes of the journal."""
    reader = JournalReader(layout)
    data = b"".join(segment_bytes(reader, segment) for segment in reader.segments if segment.has_data)
    reader.close()
    return data


def keep_to_the_end(layout: Layout) -> None:
    """Start another keep and let it do everything."""
    fd = os.open("/dev/null", os.O_WRONLY)
    keeper = make_keeper(layout, fd)
    run_passes(keeper)
    assert not keeper.troubles
    keeper.close()
    os.close(fd)


def assert_all_is_well(layout: Layout, expected: bytes) -> None:
    """Check bytes, chain and that nothing unfinished is left."""
    assert expected == whole(layout)
    seals = sorted(name for name in names(layout) if name.endswith(SEAL_SUFFIX))
    assert_chain([read_seal_bytes(layout, int(name[:20])) for name in seals])
    assert 2 == len(seals)
    assert 3 == len([name for name in names(layout) if name.endswith((".log", ".zst"))])
    assert not [name for name in names(layout) if name.endswith(".tmp")]


def cut(steps: Iterator[str], count: int) -> list[str]:
    """Take so many steps, and die: what would run at an orderly end does not."""
    taken = list(itertools.islice(steps, count))
    CUT_OFF.append(steps)  # a generator that is collected would run its clean-up
    return taken


CUT_OFF: list[Iterator[str]] = []


@pytest.mark.parametrize("count", range(len(COMPRESS_STEPS) + 1))
def test_compression_cut_after_any_step_is_finished_by_the_next_start(layout: Layout, count: int) -> None:
    """After every step all bytes are readable, and another keep completes the work."""
    expected = whole(layout)
    seal = seal_first(layout)
    assert COMPRESS_STEPS[:count] == cut(keeping.compress_steps(layout, seal), count)
    assert expected == whole(layout)
    keep_to_the_end(layout)
    assert_all_is_well(layout, expected)


@pytest.mark.parametrize("name", ["00000000000000000000.seal.json.tmp", "00000000000000000000.log.zst.tmp"])
def test_what_an_unfinished_write_left_is_removed(layout: Layout, name: str) -> None:
    """A torn temporary file of keep's kinds does not outlive the next start."""
    expected = whole(layout)
    with open(f"{layout.segments}/{name}", "w") as file:
        file.write("half")
    keep_to_the_end(layout)
    assert_all_is_well(layout, expected)


def test_temporary_files_of_others_stay(layout: Layout) -> None:
    """Capture's unfinished files and strangers are not ours to unlink."""
    others = {"00000000000000000000.failed.tmp", "next", "notes.tmp"}
    for name in others:
        open(f"{layout.segments}/{name}", "w").close()
    assert [] == keeping.remove_temporaries(layout)
    assert others <= names(layout)


def test_a_bad_compressed_file_beside_the_raw_one_is_thrown_away(layout: Layout) -> None:
    """Where both forms exist the compressed one must prove itself; the raw one counts."""
    expected = whole(layout)
    seal = seal_first(layout)
    cut(keeping.compress_steps(layout, seal), COMPRESS_STEPS.index("published") + 1)
    os.chmod(layout.segment(0, COMPRESSED_SUFFIX), 0o600)
    os.truncate(layout.segment(0, COMPRESSED_SUFFIX), 60)
    assert ["verified", "unlinked"] == list(keeping.finish_compress_steps(layout, seal))
    assert "00000000000000000000.log" in names(layout)
    keep_to_the_end(layout)
    assert_all_is_well(layout, expected)


def test_bytes_that_changed_since_the_seal_are_not_compressed(layout: Layout) -> None:
    """An altered raw segment stays as it is found: evidence is not rewritten."""
    seal = seal_first(layout)
    os.chmod(layout.segment(0), 0o600)
    with open(layout.segment(0), "r+b") as file:
        file.write(b"[")
    with pytest.raises(keeping.SealMismatchError, match="no longer has the digest"):
        list(keeping.compress_steps(layout, seal))
    assert {"00000000000000000000.log", "00000000000000000000.seal.json"} <= names(layout)
    assert not [name for name in names(layout) if ".zst" in name]


def test_deletion_takes_the_data_first_and_the_seal_last(layout: Layout) -> None:
    """A cut deletion leaves a seal without data, never data without a seal."""
    seal_first(layout)
    open(layout.segment(0, FAILED_SUFFIX), "w").close()
    removed = list(keeping.delete_steps(layout, 0, keep_seal=False))
    assert [".log", ".failed", ".seal.json"] == [name[20:] for name in removed]


def test_the_seal_can_stay(layout: Layout) -> None:
    """The newest seal stays when its data goes."""
    seal_first(layout)
    assert ["00000000000000000000.log"] == list(keeping.delete_steps(layout, 0, keep_seal=True))
    assert "00000000000000000000.seal.json" in names(layout)


@pytest.mark.parametrize("count", range(3))
def test_deletion_cut_after_any_step_is_finished_by_the_next_start(layout: Layout, count: int) -> None:
    """A seal that outlived its data goes with the next pass, and the chain's tail holds."""
    keep_to_the_end(layout)
    cut(keeping.delete_steps(layout, 0, keep_seal=False), count)
    keep_to_the_end(layout)
    first = "00000000000000000000"
    assert (set() if count else {f"{first}.seal.json", f"{first}.log.zst"}) == {
        name for name in names(layout) if name.startswith(first)
    }


def test_a_drop_is_recorded_once(layout: Layout) -> None:
    """A drop that was cut after its incident is not recorded again."""
    for _ in range(2):
        keeping.note_drop(layout, 0, 50, {"s": 7}, NOW)
    expected = [("dropped", 0, 50, {"sinks": {"s": 7}})]
    assert expected == [(i["kind"], i["offset"], i["length"], i["detail"]) for i in incidents.read(layout.incidents)]


def test_a_failed_segment_is_sealed_as_far_as_it_counts(tmp_path: Path) -> None:
    """The seal covers the effective range and names the io-error, though its incident is not written yet."""
    layout = make_journal(str(tmp_path))
    data = b"".join(record(n) for n in range(4))
    add_segment(layout, 0, data)
    write_mark(layout, 0, 240, len(data), copied=True)
    add_segment(layout, 240, data[240:])
    add_segment(layout, len(data), b"", finished=False)
    keep_to_the_end(layout)
    seal = read_seal(layout, 0)
    assert (0, 240, 2) == (seal.base, seal.end, seal.records)
    assert [("io-error", 240, 240)] == [(gap.kind, gap.offset, gap.length) for gap in seal.gaps]
    assert data == whole(layout)


def test_a_segment_that_ends_early_is_an_error(layout: Layout) -> None:
    """A raw segment that is shorter than its listing said is not sealed as if it were whole."""
    reader = JournalReader(layout)
    segment = reader.segments[0]
    os.truncate(layout.segment(0), 10)
    journal = identity.read(layout)
    with pytest.raises(JournalError, match=r"ends \d+ bytes early"):
        keeping.make_seal(layout, journal, segment, [], None, NOW)
    reader.close()
