from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.capture.journal_tail import JournalTail
from standpipe.capture.proof import common_end, fits, fits_mark, mark_at, skip_nothing
from standpipe.capture.source_map import SourceFile
from standpipe.journal.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


def lines(count: int, size: int) -> bytes:
    """Return records that all begin alike and end alike."""
    return b"".join(b'{"time":%04d' % i + b"%04d" % i * (size // 4) + b"}\n" for i in range(count))


def common_of(journal: bytes, source: bytes, cut: int) -> int | None:
    """Ask for the common end of a file and a journal in two segments."""
    with tempfile.TemporaryDirectory() as directory:
        layout = Layout(directory)
        os.mkdir(layout.segments)
        for base, data in ((0, journal[:cut]), (cut, journal[cut:])):
            with open(layout.segment(base), "wb") as file:
                file.write(data)
        with open(f"{directory}/audit.log", "wb+") as file:
            file.write(source)
            file.flush()
            known = SourceFile(1, None)
            known.pairs.append((0, 0))
            tail = JournalTail(layout)
            try:
                return common_end(file.fileno(), known, len(journal), tail)
            finally:
                tail.close()


def oracle(journal: bytes, source: bytes) -> int | None:
    """Compare byte by byte; where the file goes on otherwise, the line in which it does so counts as new."""
    common = 0
    while common < min(len(journal), len(source)) and journal[common] == source[common]:
        common += 1
    if common == len(source):
        return common if b"\n" in source else None
    return source.rfind(b"\n", 0, common) + 1 or None


@settings(max_examples=80)
@given(st.integers(1, 60), st.sampled_from([4, 400, 3000]), st.floats(0, 1), st.booleans(), st.floats(0.1, 0.9))
def test_the_common_end_is_what_a_comparison_byte_by_byte_gives(
    count: int,
    size: int,
    kept: float,
    regrown: bool,  # noqa: FBT001 - drawn
    cut: float,
) -> None:
    """Wherever a file was cut, and whether it grew again or not, capture goes on where file and journal part."""
    journal = lines(count, size)
    source = journal[: int(len(journal) * kept)]
    source += b'{"time":NEW and other bytes}\n' * 3 if regrown else b""
    source = source[: len(journal)]
    found = common_of(journal, source, max(1, int(len(journal) * cut)))
    assert oracle(journal, source) == found


def test_a_mark_fits_only_its_own_bytes(tmp_path: Path) -> None:
    """One other byte before the mark's offset, or a file that is too short, does not fit."""
    path = tmp_path / "file"
    path.write_bytes(lines(50, 40))
    with path.open("rb+") as file:
        mark = mark_at(file.fileno(), 500)
        assert fits_mark(file.fileno(), mark)
        os.pwrite(file.fileno(), b"X", 499)
        assert not fits_mark(file.fileno(), mark)
        os.ftruncate(file.fileno(), 499)
        assert not fits_mark(file.fileno(), mark)


def test_a_file_fits_where_the_bytes_before_the_position_are_the_journals(tmp_path: Path) -> None:
    """Equal bytes fit, one other byte or a shorter file does not, and at position 0 any file fits."""
    layout = Layout(str(tmp_path))
    os.mkdir(layout.segments)
    data = lines(20, 40)
    for path in (layout.segment(0), str(tmp_path / "file")):
        with open(path, "wb") as file:
            file.write(data)
    known = SourceFile(1, None)
    known.pairs.append((0, 0))
    tail = JournalTail(layout)
    with (tmp_path / "file").open("rb+") as source:
        assert fits(source.fileno(), known, len(data), tail)
        os.pwrite(source.fileno(), b"X", 3)
        assert not fits(source.fileno(), known, len(data), tail)
        os.ftruncate(source.fileno(), 10)
        assert not fits(source.fileno(), known, len(data), tail)
        assert fits(source.fileno(), known, 0, tail)
    tail.close()


def test_holes_and_nuls_at_the_head_are_passed_over(tmp_path: Path) -> None:
    """The first byte that is no NUL is where a file begins; one that holds nothing else is passed over whole."""
    with (tmp_path / "file").open("wb+") as file:
        os.pwrite(file.fileno(), b"\0" * 70_000 + b"first\n", 1 << 20)
        assert (1 << 20) + 70_000 == skip_nothing(file.fileno(), 0)
        os.ftruncate(file.fileno(), (1 << 20) + 70_000)
        assert (1 << 20) + 70_000 == skip_nothing(file.fileno(), 0)
