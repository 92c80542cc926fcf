from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from standpipe.journal.layout import segment_file_name
from standpipe.journal.segments import Segment, Stored, bases_without_raw_size, list_segments

OPEN, FINISHED = 0o100600, 0o100400


def log(base: int, size: int, mode: int = FINISHED) -> tuple[str, int, int]:
    """Return a listing's entry of a raw segment."""
    return segment_file_name(base, ".log"), size, mode


def segment(base: int, end: int, size: int, disk_bytes: int, stored: Stored, marks: str) -> Segment:
    """Return a segment; marks: which of finished, sealed and failed it is."""
    return Segment(base, end, size, disk_bytes, stored, "finished" in marks, "sealed" in marks, "failed" in marks)


def named(base: int, suffix: str, size: int = 10) -> tuple[str, int, int]:
    """Return a listing's entry of another file of a segment."""
    return segment_file_name(base, suffix), size, FINISHED


def test_a_raw_segment_ends_at_base_plus_size() -> None:
    """A raw segment covers as many addresses as its file has bytes."""
    expected = [
        segment(0, 100, 100, 100, "log", "finished"),
        segment(100, 130, 30, 30, "log", ""),
    ]
    assert expected == list_segments([log(100, 30, OPEN), log(0, 100)], {})


def test_an_overlapping_segment_ends_at_the_next_base() -> None:
    """After a failed fsync the copy in the next segment counts, not the surplus of the failed one."""
    first = list_segments([log(0, 100), named(0, ".failed"), log(60, 40)], {})[0]
    assert segment(0, 60, 100, 100, "log", "finished failed") == first


def test_a_compressed_segment_takes_its_raw_size_from_the_caller() -> None:
    """A compressed segment's addresses come from its seal or frame table, not from the file's length."""
    files = [named(0, ".log.zst", 7), named(0, ".seal.json"), log(100, 5, OPEN)]
    assert [0] == bases_without_raw_size(files)
    assert segment(0, 100, 100, 7, "zst", "finished sealed") == list_segments(files, {0: 100})[0]


def test_a_compressed_segment_of_unknown_size_reaches_the_next_base() -> None:
    """Where nobody knows the raw size, no gap is made up that a reader would step over."""
    assert [(0, 100)] == [(s.base, s.end) for s in list_segments([named(0, ".log.zst"), log(100, 5)], {})][:1]


def test_both_forms_and_leftovers_are_told_apart() -> None:
    """Both forms, the compressed one alone, and a seal alone are three different states."""
    files = [
        named(0, ".seal.json"),
        named(10, ".log.zst"),
        log(20, 10),
        named(20, ".log.zst"),
        ("next", 0, OPEN),
        ("00000000000000000020.log.zst.tmp", 3, OPEN),
        ("stranger", 1, OPEN),
    ]
    segments = list_segments(files, {0: 10, 10: 10})
    assert ["none", "zst", "both"] == [found.stored for found in segments]
    assert [False, True, True] == [found.has_data for found in segments]


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(-20, 20), st.sampled_from([OPEN, FINISHED])), max_size=12))
def test_segments_never_overlap(parts: list[tuple[int, int, int]]) -> None:
    """Whatever the sizes, each address between the first base and the end is in at most one segment."""
    files, base = [], 0
    for size, skip, mode in parts:
        files.append(log(base, size, mode))
        base += max(1, size + skip)
    segments = list_segments(files, {})
    assert len(files) == len(segments)
    edges = [edge for segment in segments for edge in (segment.base, segment.end)]
    assert edges == sorted(edges)
