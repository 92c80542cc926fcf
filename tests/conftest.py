"""What holds for every test: the tier, the rules for skips, and the look for leftovers."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.tier import scale, tier

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ("tests.leftovers", "tests.skip_policy")

# No deadline: CI's machine is shared, and a slow example is no wrong one. The short tier draws the same examples each
# time, so that CI's verdict depends on the change alone; the long one looks for new ones.
settings.register_profile("short", max_examples=100, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("long", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile(tier())


# A shell that starts us in the background has SIGINT ignored, and what we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# nohup has SIGHUP ignored, and a shell cannot trap what was ignored when it started.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_report_header() -> str:
    """Say which tier this is."""
    return f"standpipe: {tier()} tier ({scale('make test', 'make test-long')})"


@pytest.fixture(autouse=True)
def _own_process_stays_as_it_is() -> Iterator[None]:
    """No test may leave signals blocked, or this process nice: what later tests start would inherit it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ()), os.nice(0)
    yield
    assert before == (signal.pthread_sigmask(signal.SIG_BLOCK, ()), os.nice(0))
