"""The two tiers of tests: the same tests, with other counts.

`make test` runs the short tier, `make test-long` the long one (``STANDPIPE_TEST_TIER=long``). A test asks
for its count with :func:`scale`; nothing else may depend on the tier, so that the short tier proves the same sentences.
"""

from __future__ import annotations

import os
from typing import TypeVar

TIER_VARIABLE = "STANDPIPE_TEST_TIER"
TIERS = ("short", "long")

T = TypeVar("T")


def tier() -> str:
    """Return ``short`` or ``long``; ValueError for anything else in the environment."""
    name = os.environ.get(TIER_VARIABLE, "short")
    if name not in TIERS:
        raise ValueError(f"{TIER_VARIABLE}={name!r} is not one of {', '.join(TIERS)}")
    return name


def scale(short: T, long: T) -> T:
    """Return the count, list or size that belongs to the tier under way."""
    return long if tier() == "long" else short
