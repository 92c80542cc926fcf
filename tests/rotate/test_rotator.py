from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from standpipe.capture import volume
from standpipe.errors import SourceError
from standpipe.journal.frames import write_frames
from standpipe.rotate import archives
from standpipe.rotate.content import blocks
from tests.rotate.rotate_rig import MAX_SIZE, Kill, Rig, killed_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.rotate.plan import Way

BLOCK = 64 << 10


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Make a rig that punches."""
    yield from made(tmp_path, "punch")


@pytest.fixture
def reopening(tmp_path: Path) -> Iterator[Rig]:
    """Make a rig that reopens."""
    yield from made(tmp_path, "reopen")


def made(tmp_path: Path, way: Way) -> Iterator[Rig]:
    """Yield a rig and close it."""
    rig = Rig(str(tmp_path), way)
    yield rig
    rig.close()


def records(count: int, first: int = 0, length: int = 200) -> bytes:
    """Return records that are all different."""
    return b"".join(b"%0*d\n" % (length - 1, first + i) for i in range(count))


def lost(rig: Rig) -> list[str]:
    """Return the messages of a loss."""
    return [message for message in rig.messages() if message.startswith("lost:")]


# punch


def test_nothing_happens_below_max_size(rig: Rig) -> None:
    """One byte less than max_size is not archived."""
    rig.writer.write(b"x" * (MAX_SIZE - 2) + b"\n")
    rig.rotate()
    assert [] == rig.archives()
    rig.writer.write(b"\n")
    rig.rotate()
    assert 1 == len(rig.archives())


def test_the_space_comes_back_and_the_size_stays(rig: Rig) -> None:
    """After the rotation the archived bytes are a hole, but for max_size and the proof; the offsets stay."""
    rig.writer.write(records(4000))
    rig.rotate()
    assert records(4000) == rig.archived()
    status = os.stat(rig.places.live)
    assert len(records(4000)) == status.st_size
    assert volume.real_size(status) <= BLOCK
    with open(rig.places.live, "rb") as live:
        live.seek(-8192, os.SEEK_END)
        assert records(4000)[-8192:] == live.read()


def test_a_half_record_waits(rig: Rig) -> None:
    """An archive ends with a whole record; the rest follows when it is whole."""
    rig.writer.write(records(1) + b"half")
    rig.rotate()
    assert records(1) == rig.archived()
    rig.writer.write(b" and half\n" + records(1, 1))
    rig.rotate()
    assert records(1) + b"half and half\n" + records(1, 1) == rig.archived()


def test_archives_have_the_stricter_mode(rig: Rig) -> None:
    """Nobody but the owner reads an archive, whatever the live file allows; a stricter file's archive is as strict."""
    for mode, expected in ((0o644, 0o600), (0o400, 0o400)):
        os.chmod(rig.places.live, mode)
        rig.writer.write(records(2))
        rig.rotate()
        assert expected == stat.S_IMODE(os.stat(rig.places.beside(rig.archives()[-1])).st_mode)


def test_a_lost_state_file_is_made_up_for_by_content(rig: Rig) -> None:
    """Without its state file a rotator finds in the newest archive how far it was."""
    rig.writer.write(records(100))
    rig.rotate()
    rig.die()
    os.unlink(rig.places.state)
    rig.writer.write(records(2, 100))
    rig.rotate()
    assert records(102) == rig.archived()


def test_another_file_with_the_same_inode_is_not_taken_for_ours(rig: Rig) -> None:
    """A file that was truncated and grew beyond our position is read from its beginning."""
    rig.writer.write(records(3))
    rig.rotate()
    os.truncate(rig.places.live, 0)
    rig.writer.write(records(9, 100))
    rig.rotate()
    assert records(3) + records(9, 100) == rig.archived()
    assert [] == lost(rig)
    assert [m for m in rig.messages() if "is not the file that we know" in m]


def test_a_cut_tail_is_told_with_its_range(rig: Rig) -> None:
    """Bytes that were seen, not archived, and truncated away are named exactly; nothing is archived twice."""
    rig.writer.write(records(3))
    rig.rotate()
    rig.writer.write(b"not archived")
    rig.rotate()
    os.truncate(rig.places.live, 600)
    rig.writer.write(records(2, 3))
    rig.rotate()
    assert records(5) == rig.archived()
    assert ["lost: bytes 600 to 612 of " + rig.places.live] == [m[: 26 + len(rig.places.live)] for m in lost(rig)]


def test_a_cut_tail_is_told_before_anything_new_comes(rig: Rig) -> None:
    """The range begins where the file ends now, and ends where it ended at the last look."""
    rig.writer.write(records(3))
    rig.rotate()
    rig.writer.write(b"not archived")
    rig.rotate()
    os.truncate(rig.places.live, 605)
    rig.rotate()
    assert [f"lost: bytes 605 to 612 of {rig.places.live} "] == [m[: 27 + len(rig.places.live)] for m in lost(rig)]


def test_a_roll_back_into_an_archive_repeats_nothing(rig: Rig) -> None:
    """Where the file lost bytes that an archive has, what both have is not archived again."""
    rig.writer.write(records(5))
    rig.rotate()
    os.truncate(rig.places.live, 400)
    rig.writer.write(records(2, 50))
    rig.rotate()
    assert records(5) + records(2, 50) == rig.archived()


def test_copytruncate_is_made_up_for_by_the_copy(rig: Rig) -> None:
    """Where somebody else copies and truncates, the rest is archived from his copy, which stays."""
    rig.writer.write(records(3))
    rig.rotate()
    rig.writer.write(b"the rest\n")
    with open(rig.places.live, "rb") as live, open(rig.places.live + ".1", "wb") as copy:
        copy.write(live.read())
    os.truncate(rig.places.live, 0)
    rig.writer.write(records(2, 10))
    rig.rotate()
    assert records(3) + b"the rest\n" + records(2, 10) == rig.archived()
    assert [] == lost(rig)
    assert os.path.exists(rig.places.live + ".1")


def test_a_renamed_file_is_finished_first(rig: Rig) -> None:
    """A file that somebody else renamed is archived to its last byte, when nobody writes to it, before the new one."""
    rig.writer.write(records(3))
    rig.rotate()
    os.rename(rig.places.live, rig.places.live + ".1")
    rig.writer.write(b"to the old one, torn")
    rig.rotate()
    assert records(3) == rig.archived()
    rig.writer.reload()
    rig.writer.write(records(2, 10))
    rig.rotate()
    assert records(3) + b"to the old one, torn" + records(2, 10) == rig.archived()


def test_a_hard_link_is_refused(rig: Rig) -> None:
    """A punch would take the bytes from under the other name too."""
    rig.writer.write(records(3))
    os.link(rig.places.live, rig.places.live + ".other")
    with pytest.raises(SourceError, match="2 hard links"):
        rig.rotate()
    assert [] == rig.archives()


def test_a_hole_at_the_head_is_passed_over(rig: Rig) -> None:
    """What somebody else punched before us is no content."""
    os.truncate(rig.places.live, BLOCK)
    rig.writer.write(records(3))
    rig.rotate()
    assert records(3) == rig.archived()


def test_an_archive_taken_away_before_it_counted_is_made_again(rig: Rig) -> None:
    """Who deletes an archive in the one moment before it is accounted for loses nothing by it."""
    rig.writer.write(records(3))
    real = volume.rename_no_replace

    def rename_and_die(old: str, new: str) -> None:
        real(old, new)
        raise Kill

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volume, "rename_no_replace", rename_and_die)
        with pytest.raises(Kill):
            rig.rotate()
    rig.die()
    os.unlink(rig.places.beside(rig.archives()[0]))
    rig.rotate()
    assert records(3) == rig.archived()


def test_a_name_taken_at_the_last_moment_is_not_replaced(rig: Rig) -> None:
    """A file that appears under the chosen name stays, and the archive gets another one."""
    rig.writer.write(records(3))
    real = volume.rename_no_replace
    strangers: list[str] = []

    def rename(old: str, new: str) -> None:
        if not strangers:
            strangers.append(new)
            with open(new, "wb") as file:
                file.write(b"somebody else's")
        real(old, new)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volume, "rename_no_replace", rename)
        rig.rotate()
    with open(strangers[0], "rb") as file:
        assert b"somebody else's" == file.read()
    assert records(3) == b"".join(blocks(rig.places.beside(rig.archives()[-1])))


# reopen


def test_reopen_makes_the_file_the_archive(reopening: Rig) -> None:
    """The archive is the old file, torn end and all; the writer goes on in a new one."""
    reopening.writer.write(records(2) + b"torn")
    inode = reopening.writer.inode
    reopening.rotate()
    assert records(2) + b"torn" == reopening.archived()
    assert inode == os.stat(reopening.places.beside(reopening.archives()[0])).st_ino
    assert inode != os.stat(reopening.places.live).st_ino
    assert [("reopen", 0, 404)] == [(r.way, r.start, r.end) for r in reopening.rotations]


@pytest.mark.parametrize("refusal", ["", "the FIFO is full"])
def test_a_writer_that_does_not_reopen_gets_its_name_back(reopening: Rig, refusal: str) -> None:
    """Where the signal is ignored or cannot be sent, the name is given back and nothing is lost."""
    reopening.writer.write(records(2))
    reopening.writer.ignores_hangup = True
    reopening.writer.why_not = lambda: ""  # type: ignore[method-assign] # the FIFO fills up after the question
    reopening.writer.refusal = refusal
    with pytest.raises(SourceError, match=r"has its name back.*" + refusal):
        reopening.rotate()
    assert [] == reopening.archives()
    reopening.writer.write(records(1, 2))
    assert records(3) == reopening.tail()
    reopening.writer.ignores_hangup, reopening.writer.refusal = False, ""
    reopening.rotate()
    assert records(3) == reopening.archived()


def test_no_signal_no_rename(reopening: Rig) -> None:
    """Where nobody can be signalled, the file is not touched."""
    reopening.writer.write(records(2))
    reopening.writer.refusal = "nobody is to be seen"
    with pytest.raises(SourceError, match="nobody is to be seen"):
        reopening.rotate()
    assert records(2) == reopening.tail()


def test_a_file_that_is_still_written_to_is_left_alone(reopening: Rig) -> None:
    """A second device that keeps the old file open keeps it from being finished, compressed and deleted."""
    reopening.settings = type(reopening.settings)(1, MAX_SIZE, 0.0, compress=True, way="reopen")
    second = os.open(reopening.places.live, os.O_WRONLY | os.O_APPEND)
    try:
        inode = os.fstat(second).st_ino
        reopening.second_writer = inode
        reopening.writer.write(records(2))
        with pytest.raises(SourceError, match="process 2 still writes to it"):
            reopening.rotate()
        os.write(second, b"late\n")
    finally:
        os.close(second)
    assert [] == [name for name in reopening.archives() if name.endswith(".zst")]
    reopening.die()
    reopening.second_writer = None
    reopening.settings = type(reopening.settings)(1, MAX_SIZE, None, compress=True, way="reopen")
    reopening.rotate()
    assert records(2) + b"late\n" == reopening.archived()
    assert [".zst"] == [name[-4:] for name in reopening.archives()]


def test_what_punch_has_archived_is_not_renamed(rig: Rig) -> None:
    """The other way would archive the same bytes twice, so it is refused."""
    rig.writer.write(records(3))
    rig.rotate()
    rig.die()
    rig.settings = type(rig.settings)(7, MAX_SIZE, None, compress=False, way="reopen")
    rig.writer.write(records(2, 3))
    with pytest.raises(SourceError, match="were archived by `punch`"):
        rig.rotate()
    os.rename(rig.places.live, rig.places.live + ".old")
    rig.writer.reload()
    rig.rotate()
    assert records(5) == rig.archived()


def test_what_may_still_grow_is_not_compressed(tmp_path: Path) -> None:
    """Where /proc does not show every process, a renamed file is finished after a minute without growth."""
    rig = Rig(str(tmp_path), "reopen", compress=True)
    try:
        rig.sees_everybody = False
        rig.writer.write(records(2))
        rig.clock.now = os.stat(rig.places.live).st_mtime
        rig.rotate(wait=False)
        assert ["Z"] == [name[-1] for name in rig.archives()]
        rig.clock.wait(61)
        rig.rotate(wait=False)
        assert [".zst"] == [name[-4:] for name in rig.archives()]
        assert records(2) == rig.archived()
    finally:
        rig.close()


# retention and compression


def test_a_compressed_form_that_reads_back_wrong_is_thrown_away(tmp_path: Path) -> None:
    """The raw archive goes only after the compressed bytes were read back from the disk and found equal."""
    rig = Rig(str(tmp_path), "punch", compress=True)
    try:
        rig.writer.write(records(3))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(archives, "write_frames", lambda _, write: write_frames([b"else\n"], write))
            rig.rotate()
        assert ["Z"] == [name[-1] for name in rig.archives()]
        assert records(3) == rig.archived()
        assert [m for m in rig.messages() if "does not read back" in m]
    finally:
        rig.close()


def test_only_our_archives_are_deleted(tmp_path: Path) -> None:
    """Beyond keep the oldest archives go, compressed or not; everything else in the directory stays."""
    strangers = ["audit.log.1", "audit.log.20200101T000000Z.gz", "audit.log.20200101T000000", "other.20200101T000000Z"]
    for name in strangers:
        (tmp_path / name).touch()
    (tmp_path / "audit.log.20200101T000001Z").mkdir()
    (tmp_path / "audit.log.20300101T000001Z").mkdir()
    (tmp_path / "audit.log.20200101T000002Z").symlink_to("other")
    (tmp_path / "audit.log.20200101T000003Z.zst").touch()
    rig = Rig(str(tmp_path), "punch", keep=2)
    try:
        for i in range(4):
            rig.writer.write(records(1, i))
            rig.rotate()
            rig.clock.wait(1)
        assert [[], ["audit.log.20200101T000003Z.zst"]] == [r.deleted for r in rig.rotations[:2]]
        left = set(os.listdir(tmp_path))
        kept = {*strangers, *(f"audit.log.20{n}T00000{i}Z" for n, i in (("200101", 1), ("300101", 1), ("200101", 2)))}
        assert kept <= left
        regular = [name for name in rig.archives() if os.path.isfile(tmp_path / name)]
        assert records(2, 2) == b"".join(b"".join(blocks(rig.places.beside(name))) for name in regular)
    finally:
        rig.close()


def test_a_wrong_compressed_file_is_not_believed(tmp_path: Path) -> None:
    """Where another file has the compressed form's name, both stay, and it is said."""
    rig = Rig(str(tmp_path), "punch", compress=True)
    try:
        archive = tmp_path / "audit.log.20200101T000000Z"
        archive.write_bytes(b"raw\n")
        (tmp_path / "audit.log.20200101T000000Z.zst").write_bytes(b"no frames at all")
        rig.rotate()
        assert b"raw\n" == archive.read_bytes()
        assert b"no frames at all" == (tmp_path / "audit.log.20200101T000000Z.zst").read_bytes()
        assert [m for m in rig.messages() if "both stay" in m]
    finally:
        rig.close()


def test_a_compression_killed_half_way_is_done_again(tmp_path: Path) -> None:
    """The raw archive stays until the compressed one was read back, whatever the kill left behind."""
    for step in range(30):
        directory = tmp_path / str(step)
        directory.mkdir()
        rig = Rig(str(directory), "punch")
        try:
            rig.writer.write(records(50))
            rig.rotate()
            rig.die()
            rig.settings = type(rig.settings)(7, MAX_SIZE, None, compress=True, way="punch")
            with killed_at(step), suppress(Kill):
                rig.rotate()
            rig.die()
            assert records(50) == rig.archived()
            rig.rotate()
            assert records(50) == rig.archived()
            assert [".zst"] == [name[-4:] for name in rig.archives()]
        finally:
            rig.close()
