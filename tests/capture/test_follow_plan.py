from __future__ import annotations

import pytest

from standpipe.capture.follow_plan import CLOSE_AND_GO, GO, LATE_SECONDS, STAY, TORN_REST_SECONDS, decide

A_LITTLE = 0.1


@pytest.mark.parametrize(
    ("next_has_bytes", "ends_line", "unused", "rests_seconds", "expected"),
    [
        (True, True, False, 0.0, GO),
        (True, True, True, 0.0, GO),
        (True, False, True, 0.0, CLOSE_AND_GO),
        (True, False, False, TORN_REST_SECONDS, CLOSE_AND_GO),
        (True, False, False, TORN_REST_SECONDS - A_LITTLE, STAY),
        (False, True, True, 0.0, GO),
        (False, True, False, LATE_SECONDS, GO),
        (False, True, False, LATE_SECONDS - A_LITTLE, STAY),
        (False, False, True, 0.0, CLOSE_AND_GO),
        (False, False, False, LATE_SECONDS, CLOSE_AND_GO),
        (False, False, False, LATE_SECONDS - A_LITTLE, STAY),
    ],
)
def test_every_row_of_the_table(
    *, next_has_bytes: bool, ends_line: bool, unused: bool, rests_seconds: float, expected: str
) -> None:
    """A file is left when its writer has moved on or gone, or when it rests; a torn line is closed before."""
    assert expected == decide(
        next_has_bytes=next_has_bytes, ends_line=ends_line, unused=unused, rests_seconds=rests_seconds
    )
