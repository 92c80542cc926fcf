"""Intervals in which nothing comes are sealed; what is on the disk then, and when it goes."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.capture.journal_tail import _sealed_end as capture_sealed_end
from standpipe.errors import JournalError
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import (
    IDLE_NUMBER_MAX,
    SEGMENT_NUMBER,
    parse_seal_file_name,
    parse_segment_file_name,
    seal_file_name,
)
from standpipe.journal.reader import JournalReader
from standpipe.journal.recovery import Recovery
from standpipe.journal.seal_store import read_seal
from standpipe.observe.log import Log
from tests.journal.keep_fixture import names
from tests.journal.kept import Kept, idle_name, seal_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEGMENT_BYTES = 5 * 120


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """Return an empty journal that capture works on."""
    made = Kept(tmp_path)
    yield made
    made.close()


@given(st.integers(0, 10**20 - 1), st.integers(1, SEGMENT_NUMBER))
def test_a_place_is_its_name(base: int, number: int) -> None:
    """Every seal's name gives its place back, and only a segment's own is taken for a segment's file."""
    name = seal_file_name(base, number)
    assert (base, number) == parse_seal_file_name(name)
    assert (number == SEGMENT_NUMBER) == (parse_segment_file_name(name) is not None)


@given(st.lists(st.tuples(st.integers(0, 10**20 - 1), st.integers(1, SEGMENT_NUMBER)), max_size=20))
def test_names_sort_as_places_do(places: list[tuple[int, int]]) -> None:
    """`ls` shows the chain in its order."""
    by_name = [parse_seal_file_name(name) for name in sorted(seal_file_name(*place) for place in places)]
    assert sorted(places) == by_name


@pytest.mark.parametrize(
    "name",
    [
        "00000000000000000000.000000.seal.json",
        "00000000000000000000.0000001.seal.json",
        "00000000000000000000.00001.seal.json",
        "00000000000000000000.00000x.seal.json",
        "00000000000000000000.000001.seal.json.tmp",
        "0000000000000000000.000001.seal.json",
        "00000000000000000000.log",
        "next",
    ],
)
def test_names_that_are_no_seals(name: str) -> None:
    """Strangers, unfinished writes and other files have no place in the chain."""
    assert parse_seal_file_name(name) is None


def test_nothing_came(kept: Kept) -> None:
    """The seal says that the end did not move, links to the one before, and is linked to by the next one."""
    kept.write()
    kept.wait(2)
    kept.write()
    end = SEGMENT_BYTES
    assert [seal_name(0), idle_name(end, 1), idle_name(end, 2), seal_name(end)] == kept.seals()
    idle = kept.seal(idle_name(end, 1))
    expected = {"base": end, "end": end, "records": 0, "sha256": hashlib.sha256(b"").hexdigest(), "idle": 1}
    assert expected == {key: idle[key] for key in expected}
    assert [None, None] == [idle["first_time"], idle["last_time"]]
    digests: list[object] = [None]
    for name in kept.seals():
        with open(f"{kept.layout.segments}/{name}", "rb") as file:
            digests.append(hashlib.sha256(file.read()).hexdigest())
    assert digests[:-1] == [kept.seal(name)["previous"] for name in kept.seals()]


def test_a_journal_to_which_nothing_ever_came(kept: Kept) -> None:
    """A standby's journal is sealed from its beginning; its first record links to that."""
    kept.wait(2)
    kept.write()
    assert [idle_name(0, 1), idle_name(0, 2), seal_name(0)] == kept.seals()


def test_not_before_its_time(kept: Kept) -> None:
    """The interval begins with the newest seal."""
    kept.write()
    kept.keep(passes=3)
    assert [seal_name(0)] == kept.seals()


def test_bytes_are_no_silence(kept: Kept) -> None:
    """While the open segment holds something, that is what will be sealed."""
    kept.write()
    kept.begin()
    kept.wait()
    assert [seal_name(0)] == kept.seals()


def test_what_waits_for_its_seal_is_no_silence(kept: Kept) -> None:
    """A closed segment that cannot be sealed yet comes first."""
    kept.begin()
    kept.cut()
    os.chmod(kept.layout.segment(0), 0o600)  # capture has not synced it
    kept.wait()
    assert [] == kept.seals()


def test_without_capture_nobody_knows(kept: Kept) -> None:
    """Where capture does not run, nothing comes because nobody listens: that is not sealed."""
    kept.write()
    kept.stop_capture()
    kept.wait()
    assert [seal_name(0)] == kept.seals()
    kept.start_capture()
    kept.wait()
    assert [seal_name(0), idle_name(SEGMENT_BYTES, 1)] == kept.seals()


def test_the_clock_was_set_back(kept: Kept) -> None:
    """A newest seal from the future does not stop the sealing until then."""
    kept.wait()
    name = idle_name(0, 1)
    with open(f"{kept.layout.segments}/{name}", "rb") as file:
        data = file.read()
    year = data.index(b'"sealed_at":"') + len(b'"sealed_at":"')
    kept.replace(name, data[:year] + b"9" + data[year + 1 :])
    kept.keep()
    assert [name, idle_name(0, 2)] == kept.seals()


def test_the_numbers_end(kept: Kept) -> None:
    """After the last number of a base nothing is written over."""
    kept.wait()
    last = idle_name(0, IDLE_NUMBER_MAX)
    os.rename(f"{kept.layout.segments}/{idle_name(0, 1)}", f"{kept.layout.segments}/{last}")
    kept.wait(2)
    assert [last] == kept.seals()


def test_unfinished_ones_are_removed(kept: Kept) -> None:
    """What a kill left of a write goes at the next start; a stranger's file stays."""
    kept.stop_capture()
    for name in (idle_name(0, 1), "stranger"):
        with open(f"{kept.layout.segments}/{name}.tmp", "wb"):
            pass
    kept.keep()
    assert {"stranger.tmp", f"{0:020d}.log"} == names(kept.layout)


def test_one_in_the_place_of_another(kept: Kept) -> None:
    """A seal that is not the one of its name is not believed."""
    kept.wait(2)
    os.rename(f"{kept.layout.segments}/{idle_name(0, 2)}", f"{kept.layout.segments}/{idle_name(0, 1)}")
    with pytest.raises(JournalError, match="another seal"):
        read_seal(kept.layout, 0, 1)
    os.rename(f"{kept.layout.segments}/{idle_name(0, 1)}", f"{kept.layout.segments}/{seal_name(0)}")
    with pytest.raises(JournalError, match="another seal"):
        read_seal(kept.layout, 0)


# Retention.


def test_silence_stays_as_long_as_a_segment_would(kept: Kept) -> None:
    """Idle seals before no segment go by age; the newest seal stays."""
    kept.write()
    kept.wait(3)
    kept.keep(age_seconds=10.0)
    assert 4 == len(kept.seals())
    kept.keep(age_seconds=-1.0)
    assert [idle_name(SEGMENT_BYTES, 3)] == kept.seals()


def test_silence_goes_with_its_neighbour(kept: Kept) -> None:
    """Where a segment goes by size, so do the idle seals before it, and none after it."""
    kept.wait(2)
    kept.write()
    kept.wait(2)
    kept.write()
    kept.wait(1)
    kept.keep(size_bytes=200)  # compressed, each of the two takes less
    first = [idle_name(SEGMENT_BYTES, 1), idle_name(SEGMENT_BYTES, 2)]
    rest = [seal_name(SEGMENT_BYTES), idle_name(2 * SEGMENT_BYTES, 1)]
    assert [*first, *rest] == kept.seals()


def test_a_sink_that_lacks_one(kept: Kept) -> None:
    """What is delivered to a sink that gets seals is not deleted before it has them, nor anything after it."""
    kept.write()
    kept.wait(3)
    kept.settings = type(kept.settings)(("logs",), kept.settings.limits)
    cursor = CursorFile(kept.layout.cursor("logs"))
    cursor.update(offset=SEGMENT_BYTES, after=SEGMENT_BYTES, sealed=SEGMENT_BYTES, idle=1)
    kept.keep(age_seconds=-1.0)
    assert [idle_name(SEGMENT_BYTES, 2), idle_name(SEGMENT_BYTES, 3)] == kept.seals()
    cursor.update(sealed=SEGMENT_BYTES, idle=3)
    cursor.close()
    kept.keep(age_seconds=-1.0)
    assert [idle_name(SEGMENT_BYTES, 3)] == kept.seals()


# Whoever reads the directory.


def test_readers_see_the_segments_only(kept: Kept) -> None:
    """Addresses and bytes are as without idle seals; the places are listed."""
    kept.write()
    kept.wait(2)
    data = kept.begin()
    reader = JournalReader(kept.layout)
    assert (0, 2 * SEGMENT_BYTES) == (reader.base, reader.end)
    assert data == reader.read(SEGMENT_BYTES, 10_000)
    assert [(0, SEGMENT_NUMBER), (SEGMENT_BYTES, 1), (SEGMENT_BYTES, 2)] == reader.seal_places
    reader.close()


def test_the_end_is_known_without_a_segment(kept: Kept) -> None:
    """Where somebody took the data away, start-up goes on where the newest seal says that the end was."""
    kept.write()
    kept.wait(2)
    kept.keep(age_seconds=-1.0)
    os.unlink(kept.layout.segment(SEGMENT_BYTES))
    assert {idle_name(SEGMENT_BYTES, 2)} == names(kept.layout)
    reader = JournalReader(kept.layout)
    assert SEGMENT_BYTES == reader.end
    reader.close()
    assert SEGMENT_BYTES == capture_sealed_end(kept.layout)
    with open(os.devnull, "wb") as null:
        current = Recovery(kept.layout, Log("capture", null.fileno()), 4096, 0.0, 0.0).run({})
    os.close(current.descriptor)
    assert current.base >= SEGMENT_BYTES
