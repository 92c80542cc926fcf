"""Rotators killed at every system call, and beside somebody who renames and truncates: every byte is somewhere once."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rotate.rotate_rig import Kill, Rig, killed_at
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.rotate.plan import Way

STEPS_MAX = 400  # more watched calls than the short run makes
WAYS: list[Way] = ["punch", "reopen"]


@contextmanager
def fresh_rig(way: Way, *, keep: int = 1000, compress: bool = False) -> Iterator[Rig]:
    """Yield a rig in a directory of its own."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        rig = Rig(directory, way, keep=keep, compress=compress)
        try:
            yield rig
        finally:
            rig.close()


def record(number: int, length: int = 40) -> bytes:
    """Return a record like no other that begins as all others do."""
    return b'{"time":"2026","n":%06d,"x":"' % number + b"x" * length + b'"}\n'


def everything(rig: Rig) -> bytes:
    """Return all that was written, generation by generation."""
    return b"".join(data for _, data in rig.writer.generations)


def short_run(rig: Rig) -> None:
    """Three rotations, with torn writes between them, and more bytes than blocks."""
    for i in range(3):
        for k in range(60):
            rig.writer.write(record(100 * i + k, 100))
        rig.writer.write(b'{"torn')
        rig.rotate()
        rig.writer.write(b'":1}\n')


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_kill_at_every_system_call_loses_and_repeats_nothing(way: Way, *, compress: bool) -> None:
    """Whatever system call SIGKILL comes before, archives and live tail hold every byte once, in order."""
    kills = 0
    for step in range(0, STEPS_MAX, scale(2, 1)):
        with fresh_rig(way, compress=compress) as rig:
            with killed_at(step):
                try:
                    short_run(rig)
                except Kill:
                    kills += 1
                else:
                    break
            rig.die()
            rig.rotate()
            rig.writer.write(record(999, 300))
            rig.rotate()
            assert everything(rig) == rig.archived() + rig.tail()
            leftovers = [n for n in os.listdir(rig.places.directory) if n.startswith(".")]
            assert [os.path.basename(rig.places.state)] == leftovers
    assert step < STEPS_MAX - 2
    assert kills > 20


@pytest.mark.parametrize("way", WAYS)
def test_two_kills_in_a_row_lose_nothing(way: Way) -> None:
    """A kill during the recovery from a kill is no different from any other."""
    for first in range(1, 60, scale(7, 2)):
        for second in range(0, 24, scale(3, 1)):
            with fresh_rig(way, compress=True) as rig:
                for step, run in ((first, short_run), (second, Rig.rotate)):
                    with killed_at(step), suppress(Kill):
                        run(rig)
                    rig.die()
                rig.rotate()
                assert everything(rig) == rig.archived() + rig.tail()


def expected(rig: Rig) -> bytes:
    """Return what archives and live tail must hold: every file that a rotator ever saw, and the one that is live."""
    live = os.stat(rig.places.live).st_ino
    return b"".join(data for inode, data in rig.writer.generations if inode in rig.seen or inode == live)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 8)),
        st.tuples(st.just("torn"), st.integers(1, 30)),
        st.tuples(st.just("rotate"), st.integers(0, 0)),
        st.tuples(st.just("kill"), st.integers(0, 30)),
        st.tuples(st.just("rename"), st.integers(0, 1)),
        st.tuples(st.just("hangup"), st.integers(0, 0)),
    ),
    max_size=30,
)


class History:
    """Plays actions on a rig."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.number = 0
        self.renamed = 0

    def play(self, action: str, value: int) -> None:
        """Do one of them."""
        rig, writer = self.rig, self.rig.writer
        if action == "write":
            for _ in range(value):
                self.number += 1
                writer.write(record(self.number, 400))
        elif action == "torn":
            self.number += 1
            writer.write(record(self.number)[:value])
        elif action == "rotate":
            if os.path.exists(rig.places.live):
                rig.rotate(wait=False)
        elif action == "kill":
            self.kill(value)
        elif action == "rename" and os.path.exists(rig.places.live):
            self.renamed += 1
            os.rename(rig.places.live, f"{rig.places.live}.{self.renamed}")
            if value:
                writer.reload()
        elif action == "hangup":
            writer.reload()

    def kill(self, step: int) -> None:
        """Kill a rotator in the middle, or else at its end."""
        rig = self.rig
        if os.path.exists(rig.places.live):
            with killed_at(step), suppress(Kill):
                rig.rotate(wait=False)
            rig.die()


@pytest.mark.parametrize("way", WAYS)
@given(history=ACTIONS)
def test_any_history_keeps_every_byte_once(way: Way, history: list[tuple[str, int]]) -> None:
    """Whatever is written, torn, killed and renamed by others, archives and live tail hold every byte once, in order.

    A file that came and went between two looks is not ours: it stays where its renamer put it.
    """
    with fresh_rig(way) as rig:
        player = History(rig)
        for action, value in history:
            player.play(action, value)
        rig.writer.reload()
        for _ in range(3):
            rig.clock.wait(100)
            rig.rotate(wait=False)
        assert expected(rig) == rig.archived() + rig.tail()
        for i in range(player.renamed):
            assert os.path.exists(f"{rig.places.live}.{i + 1}")
        assert [] == [m for m in rig.messages() if m.startswith("lost:")]


@given(
    history=st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(1, 8)),
            st.tuples(st.just("rotate"), st.integers(0, 0)),
            st.tuples(st.just("kill"), st.integers(0, 30)),
            st.tuples(st.just("truncate"), st.integers(0, 3)),
        ),
        max_size=30,
    )
)
def test_truncation_by_others_is_told_and_repeats_nothing(history: list[tuple[str, int]]) -> None:
    """Whoever truncates, no record is archived twice, none is missing but those cut off, and seen ones are told."""
    with fresh_rig("punch") as rig:
        player = History(rig)
        cut: set[bytes] = set()
        cut_and_seen = False
        for action, value in history:
            if action != "truncate":
                player.play(action, value)
                continue
            with open(rig.places.live, "rb") as file:
                content = file.read()
            here = content.splitlines(keepends=True)
            size = sum(map(len, here[: len(here) * value // 4]))
            gone = set(content[size:].splitlines(keepends=True)) - set(rig.archived().splitlines(keepends=True))
            rotator = rig.rotator
            cut_and_seen |= bool(gone) and rotator is not None and rotator.unarchived_bytes > 0 and size == 0
            cut |= gone
            os.truncate(rig.places.live, size)
        rig.rotate()
        held = (rig.archived() + rig.tail()).splitlines(keepends=True)
        assert sorted(set(held)) == sorted(held)
        assert set() == {record(n + 1, 400) for n in range(player.number)} - set(held) - cut
        if cut_and_seen:
            assert [m for m in rig.messages() if m.startswith("lost:")]
