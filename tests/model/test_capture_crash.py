"""Capture, killed at every system call that it makes."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.journal import incidents
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import FINISHED_SEGMENT_MODE
from tests.model.capture_rig import HARD_LIMIT, SEGMENT_SIZE, Kill, Rig, killed_at
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = [b"%03d " % i + b"x" * (i * 37 % 150) + b"\n" for i in range(12)] + [b"y" * 700 + b"\n", b"", b"\n", b"z"]
STEPS_MAX = 500  # more system calls than the short run below makes


@contextmanager
def fresh_rig() -> Iterator[Rig]:
    """Yield a rig in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig(directory)
        try:
            yield rig
        finally:
            rig.close()


def short_run(rig: Rig) -> None:
    """Start, take all records in pieces, and stop in order."""
    rig.start()
    for record in RECORDS:
        rig.write(record)
        rig.work()
    rig.stop()


def run_killed_at(rig: Rig, step: int) -> tuple[bool, int]:
    """Run until the kill; return whether it came, and how many system calls were made."""
    with killed_at(step) as count:
        try:
            short_run(rig)
        except Kill:
            rig.die()
            return True, count()
        return False, count()


def test_a_kill_at_every_system_call_loses_and_repeats_nothing() -> None:
    """Whatever system call SIGKILL comes before, the next start finds every byte once, in order, in the right place."""
    kills = 0
    for step in range(STEPS_MAX):
        with fresh_rig() as rig:
            killed, _ = run_killed_at(rig, step)
            if not killed:
                break
            kills += 1
            rig.start()
            rig.work()
            rig.stop()
            assert rig.written == rig.captured()
    assert step < STEPS_MAX - 1
    assert kills > 60


def test_two_kills_in_a_row_lose_nothing() -> None:
    """A kill during the recovery from a kill is no different from any other."""
    for first in range(0, 120, scale(17, 3)):
        for second in range(0, 40, scale(7, 2)):
            with fresh_rig() as rig:
                run_killed_at(rig, first)
                with killed_at(second):
                    try:
                        rig.start()
                        rig.work()
                    except Kill:
                        pass
                rig.die()
                rig.start()
                rig.work()
                rig.stop()
                assert rig.written == rig.captured()


def test_segments_are_cut_at_newlines() -> None:
    """Every finished segment ends with a newline and is at least segment_size long, unless a record is too long."""
    with fresh_rig() as rig:
        short_run(rig)
        *finished, _ = rig.segments()
        assert len(finished) > 2
        for _, data, mode in finished:
            assert FINISHED_SEGMENT_MODE == mode
            assert SEGMENT_SIZE <= len(data) <= HARD_LIMIT
            assert data.endswith(b"\n") or len(data) == HARD_LIMIT


def test_a_long_record_is_cut_at_the_hard_limit() -> None:
    """A record without a newline straddles segments of exactly the hard limit."""
    with fresh_rig() as rig:
        rig.start()
        rig.write(b"w" * (3 * HARD_LIMIT + 10))
        rig.work()
        rig.stop()
        assert [HARD_LIMIT, HARD_LIMIT, HARD_LIMIT, 10] == [len(data) for _, data, _ in rig.segments()]


def test_a_segment_has_its_name_before_its_first_byte() -> None:
    """No byte is ever written into a file that is still called `next`."""
    with fresh_rig() as rig:
        rig.start()
        for record in RECORDS:
            rig.write(record)
            rig.pipe.pump()
            path = rig.layout.next_segment
            assert not os.path.exists(path) or os.path.getsize(path) == 0
            rig.syncer.step()
        rig.stop()


@given(
    st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=400).map(lambda data: ("write", data)),
            st.just(("pump", b"")),
            st.just(("sync", b"")),
            st.just(("kill", b"")),
            st.just(("stop", b"")),
        ),
        max_size=40,
    )
)
def test_any_history_keeps_every_byte(history: list[tuple[str, bytes]]) -> None:
    """Whatever bytes come and however captures die, journal and pipes hold exactly what was written, in order."""
    with fresh_rig() as rig:
        rig.start()
        for action, data in history:
            if action == "write":
                rig.write(data)
            elif action == "pump":
                rig.pipe.pump()
            elif action == "sync":
                rig.now += 2.0
                rig.syncer.step()
            elif action == "kill":
                rig.die()
                rig.start()
            else:
                rig.stop()
                rig.start()
            assert rig.written.startswith(rig.captured())
        rig.work()
        rig.stop()
        assert rig.written == rig.captured()


def test_a_tail_cut_off_under_a_sink_gets_no_offset_twice() -> None:
    """Where a sink has acknowledged more than the journal holds, writing goes on past the hard limit."""
    with fresh_rig() as rig:
        rig.start()
        rig.write(RECORDS[1] + RECORDS[2])
        rig.work()
        rig.stop()
        end = len(rig.written)
        cursor = CursorFile(rig.layout.cursor("stdout"))
        cursor.update(offset=end, after=end)
        cursor.close()
        os.truncate(rig.layout.segment(0), 10)
        rig.start()
        rig.write(b"new\n")
        rig.work()
        rig.stop()
        assert [(0, rig.written[:10]), (HARD_LIMIT, b"new\n")] == [(base, data) for base, data, _ in rig.segments()]


@pytest.mark.parametrize("left", [0, 1, 2])
def test_segments_taken_away_give_no_offset_twice(left: int) -> None:
    """However many segments are gone, writing goes on beyond what a sink has acknowledged or was sending."""
    with fresh_rig() as rig:
        short_run(rig)
        end = len(rig.written)
        cursor = CursorFile(rig.layout.cursor("stdout"))
        cursor.update(offset=end - 5, after=end - 5, writing=end)
        cursor.close()
        for base, _, _ in rig.segments()[left:]:
            os.unlink(rig.layout.segment(base))
        rig.start()
        rig.write(b"new\n")
        rig.work()
        rig.stop()
        base, data, _ = rig.segments()[-1]
        assert data == b"new\n"
        assert base >= end
        (gap,) = incidents.read(rig.layout.incidents)
        assert base == int(str(gap["offset"])) + int(str(gap["length"]))
