from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.units import DURATION_UNITS, SIZE_UNITS, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("17", 17),
        ("17B", 17),
        ("64MiB", 64 * 1024 * 1024),
        ("64 MiB", 64 * 1024 * 1024),
        ("1.5KiB", 1536),
        ("0.0001KiB", 0),
        ("2GiB", 2 * 1024**3),
        ("16TiB", 16 * 1024**4),
    ],
)
def test_size(text: str, expected: int) -> None:
    """A size is a number of bytes; a fraction of a byte is cut off."""
    assert expected == parse_size(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("2.5", 2.5),
        ("500ms", 0.5),
        ("1s", 1.0),
        ("20 s", 20.0),
        ("3m", 180.0),
        ("1.5h", 5400.0),
        ("7d", 604800.0),
    ],
)
def test_duration(text: str, expected: float) -> None:
    """A duration is a number of seconds."""
    assert expected == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "MiB", "-1B", "+1B", "1.", ".5GiB", "1.2.3B", "1e3", "0x10", "1_000", "nan", "inf", "٣B", "9" * 21],
)
def test_no_number(text: str) -> None:
    """A text that is not a plain decimal number is refused, with the units that there are."""
    with pytest.raises(ValueError, match="expected a number and one of B, KiB, MiB, GiB, TiB"):
        parse_size(text)


@pytest.mark.parametrize("text", ["1MB", "1M", "1Mi", "1mib", "1k", "1ms"])
def test_unknown_size_unit(text: str) -> None:
    """A unit that people use for two things, or write otherwise, is refused by name."""
    with pytest.raises(ValueError, match=f"unknown unit '{text[1:]}': expected one of B, KiB, MiB, GiB, TiB"):
        parse_size(text)


@pytest.mark.parametrize("text", ["1min", "1M", "1S", "1us", "1w"])
def test_unknown_duration_unit(text: str) -> None:
    """A unit of time that is not in the table is refused by name."""
    with pytest.raises(ValueError, match=f"unknown unit '{text[1:]}': expected one of ms, s, m, h, d"):
        parse_duration(text)


@given(st.integers(0, 10**15), st.sampled_from(sorted(SIZE_UNITS)))
def test_whole_sizes_are_exact(number: int, unit: str) -> None:
    """A whole number of any unit is exact to the byte."""
    assert number * SIZE_UNITS[unit] == parse_size(f"{number}{unit}")


@given(st.integers(0, 10**9), st.sampled_from(sorted(DURATION_UNITS)))
def test_whole_durations_are_exact(number: int, unit: str) -> None:
    """A whole number of any unit is exact to the millisecond."""
    assert number * DURATION_UNITS[unit] == round(parse_duration(f"{number}{unit}") * 1000)
