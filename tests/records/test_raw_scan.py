from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.records.raw_scan import NAMES_MAX, RawScan

CLEAN = b'{"request":{"client_token":"hmac-sha256:0"}}\n'
RAW = b'{"request":{"client_token":"hvs.x"}}\n'
LOGIN = b'vault: {"request":{"data":{"password":"x"}}}\n'


@dataclass
class Expected:
    """What a scan is to say."""

    first: int | None
    end: int
    lines: int
    names: tuple[str, ...]


def said(scan: RawScan) -> Expected:
    """Return what a scan says."""
    return Expected(scan.first, scan.end, scan.lines, scan.names)


def test_the_stretch_is_told() -> None:
    """From the first such line to the end of the last, how many there are, and which members; a prefix is no harm."""
    scan = RawScan(1000)
    scan.feed(CLEAN + RAW + CLEAN + LOGIN + CLEAN)
    start = 1000 + len(CLEAN)
    end = start + len(RAW + CLEAN + LOGIN)
    assert Expected(start, end, 2, ("request.client_token", "request.data.password")) == said(scan)


def test_nothing_is_nothing() -> None:
    """Hashed records, and no records, leave the scan as it began; so does a line that has not ended."""
    scan = RawScan(7)
    for block in (b"", CLEAN * 3, RAW[:-1]):
        scan.feed(block)
    assert Expected(None, 7, 0, ()) == said(scan)


def test_a_line_beyond_the_limit_is_passed_over() -> None:
    """Memory is bounded, and offsets stay right after it."""
    scan = RawScan(0, line_bytes_max=50)
    long = b'{"pad":"' + b"x" * 100
    for block in (long[:60], long[60:] + b'"}\n' + RAW):
        scan.feed(block)
    assert (len(long) + 3, len(long) + 3 + len(RAW), 1) == (scan.first, scan.end, scan.lines)


def test_names_are_bounded() -> None:
    """A record with very many such members does not make a long message."""
    data = {f"x{number}": {"password": "x"} for number in range(50)}
    scan = RawScan(0)
    scan.feed(json.dumps({"request": {"data": data}}, separators=(",", ":")).encode() + b"\n")
    assert (NAMES_MAX, 1) == (len(scan.names), scan.lines)


@given(st.lists(st.sampled_from([CLEAN, RAW, LOGIN, b"\n", b"torn"]), max_size=8), st.data())
@settings(max_examples=100)
def test_cuts_make_no_difference(pieces: list[bytes], data: st.DataObject) -> None:
    """However the bytes are cut into blocks, the same is found."""
    stream = b"".join(pieces)
    whole = RawScan(0)
    whole.feed(stream)
    cut, position = RawScan(0), 0
    while position < len(stream):
        size = data.draw(st.integers(1, len(stream) - position))
        cut.feed(stream[position : position + size])
        position += size
    assert said(whole) == said(cut)
    assert sum(line.endswith((RAW[:-1], LOGIN[:-1])) for line in stream.split(b"\n")[:-1]) == cut.lines
