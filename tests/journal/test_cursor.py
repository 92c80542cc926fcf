from __future__ import annotations

import os
import resource
import tempfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from standpipe.journal.atomic import write_all
from standpipe.journal.cursor import (
    SLOT_BYTES,
    SLOT_SPACING_BYTES,
    Cursor,
    CursorFile,
    decode_slot,
    encode_slot,
    make_durable,
    newest,
    read_cursor,
)
from tests.faults.volumes import tmpfs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

offsets = st.integers(0, 10**20)
cursors = st.builds(
    Cursor,
    offset=offsets,
    after=offsets,
    writing=st.none() | offsets,
    output=st.none() | st.from_regex(r"\A(pipe|other) [0-9a-f]{8}:[0-9]{1,10}:[0-9]{1,10}\Z"),
    unread=st.none() | st.integers(0, 1 << 30),
    sequence=st.integers(0, 10**15),
)
damages = st.one_of(
    st.binary(min_size=SLOT_BYTES, max_size=SLOT_BYTES),
    st.just(bytes(SLOT_BYTES)),
    st.just(b" " * SLOT_BYTES),
)


def write_slot(path: str, slot: int, data: bytes) -> None:
    """Put bytes where a slot is."""
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, data, slot * SLOT_SPACING_BYTES)
    os.close(descriptor)


@contextmanager
def cursor_path() -> Iterator[str]:
    """Yield a path in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        yield f"{directory}/sink"


def after_updates(path: str, *changes: Mapping[str, object]) -> Cursor:
    """Write states one after the other, as one process would; return the last one."""
    file = CursorFile(path)
    for change in changes:
        file.update(**change)
    file.close()
    assert file.state is not None
    return file.state


@given(cursors)
def test_a_slot_reads_back(cursor: Cursor) -> None:
    """What was written in a slot is read from it, and a slot is one line of one sector."""
    data = encode_slot(cursor)
    assert (SLOT_BYTES, 1, True) == (len(data), data.count(b"\n"), data.endswith(b"\n"))
    assert cursor == decode_slot(data)


@given(cursors, st.binary(max_size=SLOT_BYTES), st.integers(0, SLOT_BYTES))
def test_a_torn_slot_never_reads_as_another_state(cursor: Cursor, old: bytes, cut: int) -> None:
    """A write cut anywhere, over any bytes, leaves either the whole new state or none."""
    data = encode_slot(cursor)
    torn = data[:cut] + old.ljust(SLOT_BYTES)[cut:]
    assert decode_slot(torn) in (None, cursor)


@given(cursors, st.integers(0, SLOT_BYTES * 8 - 1))
def test_a_flipped_bit_never_reads_as_another_state(cursor: Cursor, bit: int) -> None:
    """One wrong bit anywhere in a slot makes it invalid, or changes nothing that counts."""
    data = bytearray(encode_slot(cursor))
    data[bit // 8] ^= 1 << bit % 8
    assert decode_slot(bytes(data)) in (None, cursor)


@given(st.binary(max_size=2 * SLOT_BYTES))
def test_strange_bytes_are_no_state(data: bytes) -> None:
    """Arbitrary bytes are no slot."""
    assert decode_slot(data) is None


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"offset":1}',
        b'{"offset":-1,"after":0}',
        b'{"offset":1.5,"after":0}',
        b'{"offset":true,"after":0}',
        b'{"offset":1,"after":0,"writing":"x"}',
        b'{"offset":1,"after":0,"stranger":1}',
    ],
)
def test_a_checksum_alone_is_not_enough(body: bytes) -> None:
    """A slot with a right checksum over something that is no state is invalid."""
    assert decode_slot(body + b" %08x\n" % zlib.crc32(body)) is None


@given(st.lists(st.none() | cursors, max_size=4))
def test_the_highest_sequence_counts(slots: list[Cursor | None]) -> None:
    """Of the valid slots the one with the highest sequence is the state; without any there is none."""
    state = newest(slots)
    valid = [slot for slot in slots if slot is not None]
    assert (state is None) == (not valid)
    assert state is None or state.sequence == max(slot.sequence for slot in valid)


@given(st.integers(1, 6), st.integers(0, 1), damages)
def test_one_damaged_slot_leaves_the_other(updates: int, slot: int, damage: bytes) -> None:
    """Whatever one slot holds, the other one counts: the newest state, or the one before it."""
    with cursor_path() as path:
        after_updates(path, *({"offset": 10 * n, "after": n} for n in range(1, updates + 1)))
        write_slot(path, slot, damage)
        expected = updates if slot != updates % 2 else updates - 1
        state = read_cursor(path)
        assert (expected or None) == (state and state.sequence)
        assert expected == 0 or (state and state.offset) == 10 * expected
        assert state == make_durable(path)
        file = CursorFile(path)
        assert (state, state is None and bool(damage.strip(b" \n\0"))) == (file.state, file.damaged)
        following = file.update(offset=1000)
        file.close()
        assert following == read_cursor(path)


@given(damages, damages)
def test_two_damaged_slots_are_no_state(first: bytes, second: bytes) -> None:
    """Without a valid slot there is no state; it is damaged, unless nothing but blanks was ever there."""
    assume((first + second).strip(b" \n\0"))
    with cursor_path() as path:
        after_updates(path, {"offset": 7}, {"offset": 8})
        write_slot(path, 0, first)
        write_slot(path, 1, second)
        assert (None, None) == (read_cursor(path), make_durable(path))
        file = CursorFile(path)
        assert (None, True) == (file.state, file.damaged)
        assert 1 == file.update(offset=9).sequence
        file.close()
        assert after_updates(path).offset == 9


def test_a_new_file_is_not_damaged(tmp_path: Path) -> None:
    """A file without any state, also one whose making was cut short, is new and not damaged; no file is no state."""
    path = str(tmp_path / "sink")
    assert (None, None) == (read_cursor(path), make_durable(path))
    for content in (b"", b" " * 511 + b"\n", bytes(SLOT_BYTES)):
        (tmp_path / "sink").write_bytes(content)
        file = CursorFile(path)
        assert (None, False) == (file.state, file.damaged)
        file.close()


def test_each_update_spares_the_newest_slot(tmp_path: Path) -> None:
    """An update writes the slot of the older state, so that the newer one survives a torn write."""
    path = tmp_path / "sink"
    file = CursorFile(str(path))
    for number in range(1, 6):
        before = path.read_bytes()
        file.update(offset=number)
        newer = (number - 1) % 2 * SLOT_SPACING_BYTES
        assert before[newer : newer + SLOT_BYTES] == path.read_bytes()[newer : newer + SLOT_BYTES]
    file.close()
    assert 0o600 == path.stat().st_mode & 0o777


def test_an_update_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    """Members that an update does not name stay; the sequence goes up by one."""
    path = str(tmp_path / "sink")
    after_updates(path, {"offset": 5, "after": 4, "output": "pipe x", "unread": 3}, {"writing": 9})
    assert Cursor(5, 4, 9, "pipe x", 3, 2) == read_cursor(path)


def test_a_refused_update_leaves_the_state_before(tmp_path: Path) -> None:
    """Where the disk refuses the write, the error is raised, and the state before stands, in memory and in the file."""
    path = str(tmp_path / "sink")
    file = CursorFile(path)
    before = file.update(offset=5)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            file.update(offset=6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (before, before) == (file.state, read_cursor(path))
    file.update(offset=7)
    file.close()
    assert after_updates(path).offset == 7


def test_a_full_volume_does_not_stop_the_cursor(small_volume: Path) -> None:
    """Both slots have their room from the beginning: updates go on where nothing else can be written any more."""
    path = str(small_volume / "sink")
    file = CursorFile(path)
    filler = os.open(small_volume / "filler", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        write_all(filler, bytes(1 << 20))
    os.close(filler)
    for number in range(1, 5):
        file.update(offset=number)
    file.close()
    assert after_updates(path).offset == 4


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    """Yield a mounted tmpfs of 256 KiB."""
    with tmpfs(tmp_path / "volume", 256 << 10) as volume:
        yield volume.path


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A symbolic link in the place of a cursor is refused, and what it leads to stays as it is."""
    (tmp_path / "target").write_text("precious")
    os.symlink(tmp_path / "target", tmp_path / "sink")
    with pytest.raises(OSError, match="symbolic"):
        CursorFile(str(tmp_path / "sink"))
    assert "precious" == (tmp_path / "target").read_text()


def test_a_state_too_large_for_a_slot_is_refused() -> None:
    """What does not fit in a slot is an error, never a slot that runs into another."""
    with pytest.raises(ValueError, match="does not fit"):
        encode_slot(Cursor(0, 0, output="x" * SLOT_BYTES))
