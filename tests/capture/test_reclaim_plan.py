from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.capture.reclaim_plan import (
    BLOCK_BYTES,
    NONE,
    PUNCH,
    QUIET,
    REAPPEAR_SECONDS,
    RENAME,
    RENAME_BACK,
    RENAMED,
    REOPEN,
    SETTLE,
    SIGNAL,
    SIGNALLED,
    UNUSED_SECONDS,
    WAIT,
    choose_way,
    is_near_limit,
    may_unlink,
    punch_end,
    reopen_step,
)
from standpipe.capture.source_map import KEPT_BYTES

FACTS = ("captured", "safe", "path_is_another", "unused")


@pytest.mark.parametrize(
    ("wish", "why_not_punch", "why_not_reopen", "expected"),
    [
        ("none", "", "", NONE),
        ("punch", "", "x", PUNCH),
        ("punch", "x", "", NONE),
        ("reopen", "", "", REOPEN),
        ("reopen", "", "x", REOPEN),
        ("auto", "", "", PUNCH),
        ("auto", "x", "", REOPEN),
        ("auto", "x", "y", NONE),
    ],
)
def test_the_way_is_what_was_asked_for_or_the_first_that_works(
    wish: str, why_not_punch: str, why_not_reopen: str, expected: str
) -> None:
    """`auto` takes punch before reopen; punch that cannot be done is none; the reason is always said."""
    way, reason = choose_way(wish, why_not_punch, why_not_reopen)
    assert expected == way
    assert reason


@given(st.integers(0, 1 << 50))
def test_a_punch_leaves_what_proves_the_position(safe: int) -> None:
    """A punch ends at a block's edge, KEPT_BYTES and less than a block more before what is safe, or does nothing."""
    end = punch_end(safe)
    assert 0 == end % BLOCK_BYTES
    assert end == 0 or KEPT_BYTES <= safe - end < KEPT_BYTES + BLOCK_BYTES
    assert end > 0 or safe < KEPT_BYTES + BLOCK_BYTES


def test_the_limit_is_near_from_seven_eighths_on() -> None:
    """The apparent size nears its limit at 7/8 of it, not one byte before."""
    assert not is_near_limit(699, 800)
    assert is_near_limit(700, 800)


@pytest.mark.parametrize("missing", ["", "path_is_there", "due", "ends_line"])
def test_a_file_is_renamed_only_where_everything_speaks_for_it(missing: str) -> None:
    """A quiet file is renamed when it is due, at its path, at a line's end, and the signal can be sent."""
    facts = {name: name != missing for name in ("path_is_there", "due", "ends_line")}
    assert (WAIT if missing else RENAME) == reopen_step(QUIET, since_seconds=0.0, **facts)


@pytest.mark.parametrize(
    ("state", "path_is_there", "since_seconds", "expected"),
    [
        (RENAMED, False, 0.0, SIGNAL),
        (RENAMED, True, 0.0, SETTLE),
        (SIGNALLED, True, 0.0, SETTLE),
        (SIGNALLED, False, REAPPEAR_SECONDS - 0.1, WAIT),
        (SIGNALLED, False, REAPPEAR_SECONDS, RENAME_BACK),
    ],
)
def test_a_renamed_file_waits_for_the_new_one(
    *, state: str, path_is_there: bool, since_seconds: float, expected: str
) -> None:
    """After the rename comes the signal, then the wait for the path; without it the name is given back."""
    step = reopen_step(state, path_is_there=path_is_there, due=False, ends_line=True, since_seconds=since_seconds)
    assert expected == step


@given(st.fixed_dictionaries({name: st.booleans() for name in FACTS}), st.sampled_from([0.0, UNUSED_SECONDS]))
def test_nothing_is_unlinked_that_somebody_may_need(facts: dict[str, bool], rests_seconds: float) -> None:
    """A file goes when it is captured, safe, not the live one, and unused or at rest; nothing less will do."""
    needed = facts["captured"] and facts["safe"] and facts["path_is_another"]
    expected = needed and (facts["unused"] or rests_seconds >= UNUSED_SECONDS)
    assert expected == may_unlink(rests_seconds=rests_seconds, **facts)
