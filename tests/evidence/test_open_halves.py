from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from standpipe.errors import StandpipeError
from standpipe.evidence.open_halves import Half, OpenHalves, SpillFile
from standpipe.records.pair_fields import REQUEST, PairFields

if TYPE_CHECKING:
    from pathlib import Path


def half(offset: int) -> Half:
    """Return a half that waits."""
    return offset, 1, PairFields(kind=REQUEST, request_id="i", time="t")


def test_what_is_spilled_comes_back_whole_and_in_order(tmp_path: Path) -> None:
    """The oldest half of a key comes first, from the file or from memory, and the file's share is counted."""
    file = SpillFile(str(tmp_path))
    waiting = OpenHalves("requests n")
    assert waiting.add("k", half(5))
    assert not waiting.add("k", half(7))
    waiting.spill(file, "k", half(7))
    waiting.spill(file, "k", half(3))
    assert 2 == waiting.spilled
    assert [half(3), half(5), half(7), None] == [waiting.pop("k") for _ in range(4)]
    assert 0 == waiting.spilled
    file.close()


def test_alike_halves_are_spilled_one_by_one(tmp_path: Path) -> None:
    """Those that were only counted are counted still when their first one goes to the file."""
    file = SpillFile(str(tmp_path))
    waiting = OpenHalves("requests n")
    waiting.add("k", half(5))
    waiting.count_alike("k")
    waiting.count_alike("k")
    assert [(half(5), 3)] == list(waiting.all())
    waiting.spill_oldest(file)
    assert (3, [(half(5), 1)] * 3) == (waiting.spilled, list(waiting.all()))
    assert [half(5)] * 3 == [waiting.pop("k") for _ in range(3)]
    assert (0, []) == (waiting.spilled, list(waiting.all()))
    file.close()


def test_who_waits_is_told_apart(tmp_path: Path) -> None:
    """Requests and responses of one key, and those of two nodes, share a file and not their halves."""
    file = SpillFile(str(tmp_path))
    one, other = OpenHalves("requests n"), OpenHalves("responses n")
    one.spill(file, "k", half(1))
    other.spill(file, "k", half(2))
    assert (half(2), half(1)) == (other.pop("k"), one.pop("k"))
    file.close()


def test_no_room_for_a_file(tmp_path: Path) -> None:
    """Where no file can be made, the message says what to do."""
    with pytest.raises(StandpipeError, match=r"temporary file.*TMPDIR"):
        SpillFile(str(tmp_path / "missing"))
