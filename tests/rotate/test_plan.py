from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.rotate.names import Archive, archives, free_name, parse
from standpipe.rotate.plan import (
    BLOCK_BYTES,
    RETAINED_BYTES_MIN,
    Seen,
    Step,
    is_settled,
    next_step,
    punch_end,
    to_delete,
)
from standpipe.rotate.state import Generation, Pending, Proof, Range, Reopen, State, decode, encode

OFFSETS = st.integers(0, 1 << 62)
TEXTS = st.text(max_size=20)
PROOFS = st.builds(Proof, OFFSETS, OFFSETS, TEXTS, st.booleans())
STATES = st.builds(
    State,
    file=st.none() | st.builds(Generation, OFFSETS, st.none() | OFFSETS, OFFSETS, PROOFS, PROOFS),
    archives=st.lists(st.builds(Range, TEXTS, OFFSETS, OFFSETS), max_size=3).map(tuple),
    pending=st.none() | st.builds(Pending, OFFSETS, OFFSETS, TEXTS, OFFSETS, st.booleans()),
    reopen=st.none() | st.builds(Reopen, TEXTS, OFFSETS, OFFSETS),
)
PROOF = Proof(0, 10, "x", strong=True)
KNOWN = State(file=Generation(1, None, 100, PROOF, PROOF))
PENDING = replace(KNOWN, pending=Pending(0, 10, "a", inode=5, last=False))
REOPEN = replace(KNOWN, reopen=Reopen("a", inode=1, size=10))


@given(STATES)
def test_a_state_survives_its_file(state: State) -> None:
    """What is written is read back as it was."""
    assert state == decode(encode(state))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format":2}', b'{"format":1,"file":3}', b"\xff"])
def test_another_file_is_no_state(data: bytes) -> None:
    """Whatever else the file holds is refused with a reason."""
    with pytest.raises(ValueError, match=r"\w"):
        decode(data)


@pytest.mark.parametrize(
    ("state", "seen", "step"),
    [
        (PENDING, Seen(live=1, named=5), Step.ADVANCE),
        (PENDING, Seen(live=1, named=5, temporary=5), Step.ADVANCE),
        (PENDING, Seen(live=1, temporary=5), Step.PUBLISH),
        (PENDING, Seen(temporary=5), Step.PUBLISH),
        (PENDING, Seen(live=1, named=6, temporary=5), Step.RENAME_PENDING),
        (PENDING, Seen(live=1, named=6), Step.FORGET_PENDING),
        (PENDING, Seen(live=1, temporary=6), Step.FORGET_PENDING),
        (KNOWN, Seen(live=1, temporary=6), Step.DROP_TEMPORARY),
        (REOPEN, Seen(live=1, named=1), Step.UNLINK_LIVE_NAME),
        (REOPEN, Seen(live=1), Step.FORGET_REOPEN),
        (REOPEN, Seen(), Step.FORGET_REOPEN),
        (REOPEN, Seen(live=2, named=3), Step.FORGET_REOPEN),
        (REOPEN, Seen(named=1), Step.SIGNAL),
        (REOPEN, Seen(live=2, named=1), Step.SETTLE),
        (KNOWN, Seen(live=1, live_size=109), Step.REST),
        (KNOWN, Seen(live=1, live_size=110), Step.COPY),
        (State(), Seen(live=1, live_size=9), Step.REST),
        (State(), Seen(live=1, live_size=10), Step.COPY),
        (KNOWN, Seen(live=2, known=False, elsewhere=True), Step.TAKE_OVER),
        (KNOWN, Seen(known=False, elsewhere=True), Step.TAKE_OVER),
        (KNOWN, Seen(live=2, live_size=500, known=False), Step.START_ANEW),
        (KNOWN, Seen(known=False), Step.MISSING),
        (State(), Seen(), Step.MISSING),
    ],
)
def test_the_table(state: State, seen: Seen, step: Step) -> None:
    """Each row of the table of rotate.plan."""
    assert step == next_step(state, seen, "punch", 10)


def test_reopen_renames() -> None:
    """The other way differs in the one step that begins it."""
    assert Step.RENAME == next_step(KNOWN, Seen(live=1, live_size=110), "reopen", 10)


@given(STATES, st.builds(Seen, *[st.none() | st.integers(1, 3), OFFSETS, st.booleans(), st.booleans()]))
def test_there_is_always_a_step(state: State, seen: Seen) -> None:
    """Whatever is found, there is a next step; what is half done comes before anything new."""
    step = next_step(state, seen, "punch", 10)
    if state.pending or state.reopen:
        assert step not in (Step.COPY, Step.RENAME, Step.START_ANEW, Step.TAKE_OVER, Step.REST, Step.MISSING)


@given(OFFSETS, OFFSETS)
def test_what_a_late_shipper_needs_is_never_punched(archived_to: int, max_size: int) -> None:
    """A hole ends at a block, and leaves max_size and the proof of what is archived."""
    end = punch_end(archived_to, max_size)
    assert 0 == end % BLOCK_BYTES
    assert 0 <= end <= max(0, archived_to - max(max_size, RETAINED_BYTES_MIN))


@given(st.sets(st.builds(Archive, st.integers(0, 50), st.integers(0, 2), TEXTS)), st.integers(1, 5))
def test_retention_deletes_the_oldest_only(found: set[Archive], keep: int) -> None:
    """The newest `keep` stay, and nothing else does, without an age."""
    ordered = sorted(found)
    assert ordered[-keep:] == [a for a in ordered if a not in to_delete(ordered, keep, None, 100.0)]


def test_retention_by_age() -> None:
    """What is older than the age goes though it is within keep; what is not finished stays though it is due."""
    ordered = [Archive(0, 0, "a"), Archive(10, 0, "b"), Archive(20, 0, "c")]
    assert ordered[:2] == to_delete(ordered, 9, 5.0, 20.0)
    assert ordered[1:2] == to_delete(ordered, 9, 5.0, 20.0, {"a"})


@pytest.mark.parametrize(
    "name",
    [
        "audit.log",
        "audit.log.1",
        "audit.log.20261123T113223",
        "audit.log.20261323T113223Z",
        "audit.log.20261123T113223Z-0",
        "audit.log.20261123T113223Z.gz",
        "audit.log.20261123T113223Z.zst.zst",
        "audit.log.20261123T113223Z\n",
        "xaudit.log.20261123T113223Z",
        "audit.log.standpipe-00000000000000000000",
        "audit.log.2026112\u0663T113223Z",
    ],
)
def test_other_names_are_not_ours(name: str) -> None:
    """Nothing but the exact pattern is an archive."""
    assert parse("audit.log", name) is None


@given(st.lists(st.integers(0, 4_000_000_000), max_size=30))
def test_names_never_collide_and_never_go_back(stamps: list[int]) -> None:
    """Whatever the clock does, each new archive is the youngest by its name."""
    taken: list[str] = []
    for stamp in stamps:
        name = free_name("audit.log", stamp, taken)
        taken.append(name)
        assert name == archives("audit.log", taken)[-1].name
    assert taken == [archive.name for archive in archives("audit.log", taken)]


def test_a_name_within_the_same_second() -> None:
    """The second archive of a second has -1, also where the first one is compressed."""
    assert "audit.log.20261123T113223Z-1" == free_name("audit.log", 1795433543, ["audit.log.20261123T113223Z.zst"])


@pytest.mark.parametrize(
    ("writers", "complete", "quiet", "settled"),
    [(0, True, 0.0, True), (1, True, 99.0, False), (0, False, 59.0, False), (0, False, 60.0, True)],
)
def test_settled(writers: int, quiet: float, *, complete: bool, settled: bool) -> None:
    """No writer where we see all of them, else a minute of silence; a known writer always counts."""
    assert settled == is_settled(writers, complete=complete, quiet_seconds=quiet, quiet_enough_seconds=60.0)
