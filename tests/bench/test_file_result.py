from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import file_result
from bench.file_result import Copy, Followed, compare

POOL = [b"one\n", b"three\n", b"seventeen\n"]


def copy_of(records: int, first: int = 0) -> bytes:
    """Return the input that `compare` expects."""
    return POOL[0] * first + b"".join(POOL[number % len(POOL)] for number in range(records))


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("piece_bytes", [1, 7, 4096])
def test_a_whole_copy(monkeypatch: pytest.MonkeyPatch, first: int, piece_bytes: int) -> None:
    """It is the input whatever pieces it is read in, with the record that was there before the load or without."""
    monkeypatch.setattr(file_result, "COPY_READ_BYTES", piece_bytes)
    found = compare(io.BytesIO(copy_of(8, first)), POOL, 8, first)
    assert Copy(8 + first, 8 + first, identical=True) == found
    assert not found.fault


@given(st.integers(0, 12), st.integers(0, 12))
def test_lines_are_counted(written: int, due: int) -> None:
    """Lines that are missing and lines too many are told, with how many were due."""
    found = compare(io.BytesIO(copy_of(written)), POOL, due, 0)
    assert (written == due) == (not found.fault)
    if written < due:
        assert f"lost {due - written} of {due} lines" == found.fault
    elif written > due:
        assert f"wrote {written - due} lines more than {due}" == found.fault


def test_an_altered_line() -> None:
    """As many lines as were due are not enough: the bytes count."""
    found = compare(io.BytesIO(copy_of(8).replace(b"three", b"threE")), POOL, 8, 0)
    assert "altered lines" == found.fault


def test_a_line_that_was_cut() -> None:
    """A last line without its newline is a lost line."""
    assert "lost 1 of 8 lines" == compare(io.BytesIO(copy_of(8)[:-1]), POOL, 8, 0).fault


def test_rates_count_decimal_gigabytes() -> None:
    """CPU for a gigabyte is that of all processes until they are done, or of the named ones."""
    one = Followed(500_000_000, 2.0, {"a": 1.0, "b": 2.0}, 1, Copy(1, 1, identical=True), 0)
    assert 250_000_000 == one.bytes_per_second
    assert 6.0 == one.cpu_per_gigabyte()
    assert 2.0 == one.cpu_per_gigabyte("a")
