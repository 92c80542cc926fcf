from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from standpipe.journal.digest import EDGE_BYTES, EDGE_LINES, digest_blocks, record_time


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut data into blocks of these sizes, over and over."""
    blocks, at, index = [], 0, 0
    while at < len(data):
        size = sizes[index % len(sizes)]
        blocks.append(data[at : at + size])
        at += size
        index += 1
    return blocks


@given(st.binary(max_size=300), st.lists(st.integers(1, 70), min_size=1, max_size=5))
def test_the_digest_does_not_depend_on_the_blocks(data: bytes, sizes: list[int]) -> None:
    """Digest, length and record count are those of the whole, however it is cut."""
    digest = digest_blocks(cut(data, sizes))
    expected = (hashlib.sha256(data).hexdigest(), len(data), data.count(b"\n"))
    assert expected == (digest.sha256, digest.length, digest.records)


@given(st.integers(1, 40), st.lists(st.integers(1, 70), min_size=1, max_size=5))
def test_the_times_are_those_of_the_first_and_last_record(count: int, sizes: list[int]) -> None:
    """Times come from the first and the last whole record, whatever the block borders."""
    data = b"".join(b'{"time":"t%d","x":{"time":"no"}}\n' % n for n in range(count)) + b'{"time":"torn'
    digest = digest_blocks(cut(data, sizes))
    assert ("t0", f"t{count - 1}") == (digest.first_time, digest.last_time)


def test_the_rest_of_a_straddling_record_is_no_first_record() -> None:
    """A segment that begins inside a record takes its first time from the next one."""
    data = b'"auth":{"time":"no"}}\n{"time":"yes"}\njunk\n'
    digest = digest_blocks([data])
    assert ("yes", "yes") == (digest.first_time, digest.last_time)


def test_times_are_null_where_there_is_no_record() -> None:
    """Junk, nothing, and records without a time give null, and end the search after a bounded number of lines."""
    assert (None, None) == (digest_blocks([]).first_time, digest_blocks([]).last_time)
    digest = digest_blocks([b"junk\n" * EDGE_LINES + b'{"time":"far"}\n' + b"junk\n" * EDGE_LINES])
    assert (None, None) == (digest.first_time, digest.last_time)


def test_a_line_longer_than_the_edge_gives_null() -> None:
    """A record larger than what is held in memory is not parsed."""
    digest = digest_blocks([b'{"time":"t","pad":"' + b"x" * EDGE_BYTES, b'"}\n'])
    assert (None, None) == (digest.first_time, digest.last_time)


def test_record_time_strips_a_prefix() -> None:
    """Vault's prefix option puts text before the object."""
    assert record_time(b'@cee: {"time":"t"}') == "t"
    assert record_time(b'{"time":5}') is None
    assert record_time(b"[" * 100_000) is None
    assert record_time(b'{"a":' * 100_000) is None
