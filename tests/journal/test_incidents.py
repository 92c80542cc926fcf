from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.journal import incidents, kinds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPENDER = """
import sys
from standpipe.journal import incidents, kinds
for number in range(int(sys.argv[3])):
    incidents.append(sys.argv[1], "torn", number, 1, {"who": sys.argv[2]}, 0.0)
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return the file's path."""
    return str(tmp_path / "incidents.jsonl")


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Let files grow to a size only, as on a volume that fills up in the middle of a write."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def offsets(path: str) -> list[object]:
    """Return the offsets of all incidents."""
    return [incident["offset"] for incident in incidents.read(path)]


def add(path: str, offset: int) -> None:
    """Append one incident."""
    incidents.append(path, kinds.TORN, offset, 1, {}, 0.0)


def test_an_incident_reads_back(path: str) -> None:
    """A line has exactly the documented members, with the time in UTC; the file is for its owner only."""
    incidents.append(path, kinds.DISK_FULL, None, None, {"free": 0}, 1_700_000_000.5)
    expected = {
        "time": "2023-11-14T22:13:20.500Z",
        "kind": "disk-full",
        "offset": None,
        "length": None,
        "detail": {"free": 0},
    }
    assert [expected] == incidents.read(path)
    with open(path) as file:
        assert list(expected) == list(json.loads(file.read()))
    assert 0o600 == os.stat(path).st_mode & 0o777


def test_no_file_is_no_incident(path: str) -> None:
    """Reading where nothing has happened gives nothing, and makes no file."""
    assert [] == incidents.read(path)
    assert not os.path.exists(path)


@given(st.integers(1, 200))
def test_a_line_cut_anywhere_is_closed_by_the_next_append(cut: int) -> None:
    """Wherever the last line was cut, the next append starts a line of its own, and both neighbours are read."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/incidents.jsonl"
        add(path, 0)
        size = os.path.getsize(path)
        add(path, 1)
        os.truncate(path, min(size + cut, os.path.getsize(path)))
        add(path, 2)
        found = offsets(path)
        assert (0, 2) == (found[0], found[-1])
        assert set(found) <= {0, 1, 2}


@pytest.mark.parametrize("torn", [b"{", b'{"kind":"to', b"\0\0\0\0", b'{"kind":"torn","offset":1'])
def test_torn_lines_are_passed_over(path: str, torn: bytes) -> None:
    """A line that a crash cut is closed by the next append and passed over by readers; no other line suffers."""
    add(path, 0)
    with open(path, "ab") as file:
        file.write(torn)
    assert [0] == offsets(path)
    add(path, 2)
    add(path, 3)
    assert [0, 2, 3] == offsets(path)


def test_lines_that_are_no_incidents_are_passed_over(path: str) -> None:
    """Whatever else stands in the file, what can be read is read."""
    with open(path, "wb") as file:
        file.write(b'\n[]\n"kind"\n{"kind":1}\n\xff\n{"kind":"torn","offset":5}\n')
    assert [5] == offsets(path)


def test_a_line_that_is_nested_too_deep_is_passed_over(path: str) -> None:
    """Somebody else wrote it, and it hides no other one."""
    with open(path, "wb") as file:
        file.write(b"[" * 100_000 + b"\n")
    incidents.append(path, kinds.TORN, 1, 2, {}, 0.0)
    assert [entry["kind"] for entry in incidents.read(path)] == [kinds.TORN]


def test_a_full_volume_is_an_error_and_the_line_is_closed_later(path: str) -> None:
    """A write that the volume cuts short raises; the next append closes the torn line."""
    add(path, 0)
    with file_size_limit(os.path.getsize(path) + 10), pytest.raises(OSError, match="too large"):
        add(path, 1)
    assert [0] == offsets(path)
    add(path, 2)
    assert [0, 2] == offsets(path)


def test_concurrent_appenders_keep_their_lines_whole(path: str) -> None:
    """Three processes that append at once lose and mix no line, and each one's lines are in order."""
    count = 40
    started = [
        subprocess.Popen([sys.executable, "-c", APPENDER, path, who, str(count)]) for who in ("capture", "keep", "ship")
    ]
    assert [0, 0, 0] == [process.wait(60) for process in started]
    found = [(incident["detail"], incident["offset"]) for incident in incidents.read(path)]
    assert 3 * count == len(found)
    for who in ("capture", "keep", "ship"):
        assert list(range(count)) == [offset for detail, offset in found if detail == {"who": who}]


def test_a_link_is_not_followed(tmp_path: Path, path: str) -> None:
    """A symbolic link in the file's place is refused."""
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(OSError, match="symbolic"):
        add(path, 0)
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_file_gets_another_name_and_both_are_read(path: str) -> None:
    """At its limit the file becomes the older one; the one that was older goes; what is read is both, in order."""
    for number in range(3):
        add(path, number)
        assert not incidents.bound(path, limit_bytes=os.path.getsize(path) + 1)
        assert incidents.bound(path, limit_bytes=os.path.getsize(path))
        assert not os.path.exists(path)
    assert [2] == offsets(path)
    add(path, 3)
    assert [2, 3] == offsets(path)
    assert not incidents.bound(path)


def test_a_file_that_moves_between_two_looks_is_not_lost(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep may give the file its other name while it is read: no incident is missed, and none is there twice."""
    for number in range(3):
        add(path, number)
    real = incidents._read_file

    def read_then_move(name: str) -> bytes:
        data = real(name)
        if name == path:
            incidents.bound(path, limit_bytes=os.path.getsize(path))
            add(path, 3)
        return data

    monkeypatch.setattr(incidents, "_read_file", read_then_move)
    assert [0, 1, 2] == offsets(path)
    monkeypatch.undo()
    assert [0, 1, 2, 3] == offsets(path)


def test_the_queue_waits_for_the_disk(path: str) -> None:
    """Incidents that the disk refuses stay in order with their times, and are written once when it takes them."""
    queue = incidents.IncidentQueue(path)
    queue.add(kinds.TORN, 0, 1, {}, 0.0)
    queue.add(kinds.TORN, 1, 1, {}, 1.0)
    with file_size_limit(0):
        assert not queue.flush()
    assert [] == offsets(path)
    queue.add(kinds.TORN, 2, 1, {}, 2.0)
    assert queue.flush()
    assert queue.flush()
    assert [0, 1, 2] == offsets(path)
    assert ["1970-01-01T00:00:00.000Z", "1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.000Z"] == [
        incident["time"] for incident in incidents.read(path)
    ]
